// All features as points: those that are alike lie near each other, in groups. The same as a list, group by group.

import { patient } from "./api.js";
import { $, h, setStyles, svg } from "./dom.js";
import { number, onLanguage, percent, say, t } from "./language.js";
import { onModel, withModel } from "./models.js";
import { answered, problem } from "./notice.js";

const SIDE = 600;
const EDGE = 14;

let map = null;
let chosen = null;
let highlighted = new Set();
let actions;

/** `actions`: open(id) for a point. */
export function start(given) {
  actions = given;
  $("map-picture").addEventListener("click", (event) => {
    const point = event.target.closest("[data-feature]");
    if (point) actions.open(Number(point.dataset.feature));
  });
  $("map-picture").addEventListener("pointerover", (event) =>
    look(event.target.closest("[data-feature]")?.dataset.feature),
  );
  $("map-picture").addEventListener("pointerleave", () => look());
  onLanguage(draw);
  onModel(() => (map = null));
}

export async function load() {
  if (map) return;
  try {
    map = await patient("v1/features/map", { query: withModel() }, () => say($("map-status"), "features.loading"));
    answered("map");
    draw();
  } catch (error) {
    problem(error, $("map-status"), "map", load);
  }
}

/** Points out what a search found. */
export function highlight(ids) {
  highlighted = new Set(ids);
  mark();
}

export function choose(id) {
  chosen = id;
  mark();
}

function draw() {
  if (!map) return;
  const { agreement, groups, points } = map;
  if (agreement) {
    const figures = {
      observed: () => percent(agreement.observed),
      chance: () => percent(agreement.chance),
      p: () => number(agreement.p, 3),
    };
    say($("map-status"), agreement.p < 0.05 ? "map.agreement" : "map.no_agreement", figures);
  } else {
    say($("map-status"), "");
  }
  const place = (value) => EDGE + value * (SIDE - 2 * EDGE);
  const dots = points.map(({ id, x, y, group }) => {
    const dot = svg("circle", {
      cx: place(x),
      cy: place(y),
      r: 4,
      "data-feature": String(id),
      "data-group": String(group),
    });
    setStyles(dot, { fill: colour(group) });
    return dot;
  });
  $("map-picture").replaceChildren(
    svg(
      "svg",
      {
        viewBox: `0 0 ${SIDE} ${SIDE}`,
        role: "img",
        "aria-label": t("map.label", { points: number(points.length, 0), groups: number(groups.length, 0) }),
      },
      ...dots,
      ...names(groups, place),
    ),
  );
  $("map-groups").replaceChildren(...groups.map(groupItem));
  look();
  mark();
}

/** The names of the largest groups, as far as they do not lie over each other. */
function names(groups, place) {
  const taken = [];
  const shown = [];
  for (const { name, x, y } of [...groups].sort((a, b) => b.size - a.size)) {
    const half = Math.min(name.length, 24) * 4;
    const at = { x: Math.min(SIDE - half, Math.max(half, place(x))), y: place(y) };
    const hit = taken.some((other) => Math.abs(other.y - at.y) < 20 && Math.abs(other.x - at.x) < half + other.half);
    if (hit) continue;
    taken.push({ ...at, half });
    shown.push(
      svg(
        "text",
        { x: at.x, y: at.y, "text-anchor": "middle", class: "map-name" },
        name.length > 24 ? `${name.slice(0, 23)}…` : name,
      ),
    );
  }
  return shown;
}

/** Groups get hues far apart, of a lightness that is seen on light and dark; the names tell them apart without. */
const colour = (group) => `hsl(${(group * 137.5) % 360} 55% 50%)`;

function groupItem({ id, name, size }) {
  const members = map.points.filter(({ group }) => group === id);
  const list = h("ul", { class: "map-members" });
  const dot = h("span", { class: "map-dot", "aria-hidden": "true" });
  setStyles(dot, { background: colour(id) });
  const details = h(
    "details",
    { "data-group": String(id) },
    h("summary", {}, dot, name, " ", h("small", {}, number(size, 0))),
    list,
  );
  // Thousands of buttons are made only where somebody looks.
  details.addEventListener("toggle", () => {
    if (!details.open || list.children.length) return;
    list.append(
      ...members.map((point) =>
        h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              class: "plain",
              "data-feature": String(point.id),
              onclick: () => actions.open(point.id),
            },
            `${point.id} · ${point.label}`,
          ),
        ),
      ),
    );
  });
  details.addEventListener("pointerenter", () => dim(id));
  details.addEventListener("pointerleave", () => dim(null));
  return h("li", {}, details);
}

function dim(group) {
  for (const dot of $("map-picture").querySelectorAll("circle")) {
    dot.classList.toggle("dim", group !== null && dot.dataset.group !== String(group));
  }
}

function mark() {
  for (const dot of $("map-picture").querySelectorAll("circle")) {
    const id = Number(dot.dataset.feature);
    dot.classList.toggle("found", highlighted.has(id));
    dot.classList.toggle("chosen", id === chosen);
    dot.setAttribute("r", id === chosen ? 8 : highlighted.has(id) ? 6 : 4);
  }
}

function look(id) {
  const point = id === undefined ? null : map?.points.find((one) => String(one.id) === id);
  if (!point) return say($("map-look"), "map.look");
  const group = map.groups.find((one) => one.id === point.group);
  return say($("map-look"), "map.point", { id: point.id, label: point.label, group: group?.name ?? "" });
}
