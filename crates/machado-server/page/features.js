// The features of a model: a list to search, and what else hangs on it (one feature, the map, steering).

import { ApiError, patient } from "./api.js";
import { $, debounce, h } from "./dom.js";
import { number, onLanguage, percent, say, t } from "./language.js";
import { model, onModel, withModel } from "./models.js";
import { answered, problem } from "./notice.js";
import { onEnter } from "./tabs.js";
import * as feature from "./feature.js";
import * as fires from "./fires.js";
import * as map from "./map.js";
import * as steer from "./steer.js";

const PAGE = 50;

let list = null;
let asking = null;

export function start() {
  feature.start({ open, steer: steer.add });
  fires.start({ open });
  map.start({ open });
  steer.start({ open });
  const again = debounce(250, () => ask(0));
  $("features-query").addEventListener("input", again);
  $("features-order").addEventListener("change", () => ask(0));
  $("features-search").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(0);
  });
  $("features-more").addEventListener("click", () => ask(list.data.length));
  for (const button of document.querySelectorAll("[data-scroll]")) {
    button.addEventListener("click", () => {
      $(button.dataset.scroll).scrollIntoView({ block: "start" });
      $(button.dataset.scroll).focus({ preventScroll: true });
    });
  }
  onLanguage(draw);
  onModel(() => {
    list = null;
    feature.clear();
  });
  onEnter("features", enter);
}

function enter() {
  if (!model() || list) return;
  const none = !model().meta.features;
  $("features-none").hidden = !none;
  $("features-here").hidden = none;
  if (!none) ask(0);
}

/** The list from `offset` on; what is there stays, and more is put below it. */
async function ask(offset) {
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  const query = withModel({ q: words(), order: $("features-order").value, offset, limit: PAGE });
  // What fits the words best comes first; no other order would make sense.
  $("features-order").disabled = Boolean(query.q);
  try {
    const waiting = () => say($("features-status"), "features.loading");
    const page = await patient("v1/features", { query, signal: mine.signal }, waiting);
    answered("features");
    list = offset ? { ...page, data: [...list.data, ...page.data] } : page;
    draw();
    // Where there is room beside the list, the first one shows what a feature looks like.
    if (!offset && !query.q && list.data.length && !feature.isShown() && matchMedia("(min-width: 56rem)").matches) {
      open(list.data[0].id, { focus: false });
    }
    map.highlight(query.q ? list.data.map(({ id }) => id) : []);
    map.load();
  } catch (error) {
    if (error instanceof ApiError && ["no_features", "no_text"].includes(error.code)) return showNone(error);
    problem(error, $("features-status"), "features", () => ask(offset));
  }
}

/** Words as people type them, with commas or spaces, as the server wants them. */
function words() {
  const typed = $("features-query")
    .value.split(/[\s,;]+/)
    .filter(Boolean);
  return typed.join(",");
}

function showNone(error) {
  $("features-none").hidden = false;
  $("features-here").hidden = true;
  say($("features-why"), error.code === "no_text" ? "features.no_text" : "features.none");
}

function draw() {
  if (!list) return;
  const asked = words();
  const { total, d_sae: all, text_tokens: tokens } = list;
  say($("features-status"), asked ? "features.found" : "features.count", {
    total: () => number(total, 0),
    all: () => number(all, 0),
    layer: list.layer,
    words: asked.replaceAll(",", ", "),
    tokens: () => number(tokens, 0),
  });
  $("features-list").replaceChildren(...list.data.map(row));
  $("features-more").hidden = list.data.length >= list.total;
}

function row(one) {
  const figures =
    one.score === null || one.score === undefined
      ? t("features.row", { density: percent(one.density), strongest: number(one.max_activation, 2) })
      : t("features.row.score", { score: number(one.score, 2), density: percent(one.density) });
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", class: "feature-row", "data-feature": String(one.id), onclick: () => open(one.id) },
      h("span", { class: "feature-id" }, String(one.id)),
      h("span", { class: "feature-label" }, one.label),
      h("small", {}, figures),
    ),
  );
}

/** Shows one feature, and where it is in the list and on the map. */
async function open(id, { focus = true } = {}) {
  for (const button of $("features-list").querySelectorAll("[data-feature]")) {
    button.setAttribute("aria-current", String(button.dataset.feature === String(id)));
  }
  map.choose(id);
  await feature.show(id, focus);
}
