// The sliders: which features are turned, how far and in which way.

import { $, h, setStyles } from "./dom.js";
import { fixed, number, t } from "./language.js";

const RANGE = { min: -2, max: 5 };

/** By the number of the feature: `{ label, strength, mode }`. */
const chosen = new Map();
let actions;

/** `actions`: changed() after each move, open(id) to look at a feature. */
export function start(given) {
  actions = given;
}

export const clear = () => chosen.clear();

/** Puts a feature among the sliders; one that is there keeps its place. */
export function add({ id, label }) {
  if (!chosen.has(id)) chosen.set(id, { label, strength: 1, mode: "hold" });
  draw();
  actions.changed();
}

export const focus = (id) => $(`steer-strength-${id}`).focus({ preventScroll: true });

/** The sliders as a request has them. */
export function pushes() {
  const steer = [...chosen].map(([feature, { strength, mode }]) =>
    mode === "off" ? { feature, mode } : { feature, strength, mode },
  );
  return { steer, steer_reach: $("steer-reach").value };
}

export function draw() {
  $("steer-empty").hidden = chosen.size > 0;
  $("steer-sliders").replaceChildren(...[...chosen].map(([id, one]) => slider(id, one)));
  showCommand();
}

function slider(id, one) {
  const name = `steer-strength-${id}`;
  const value = h("output", { for: name });
  const range = h("input", {
    type: "range",
    id: name,
    min: RANGE.min,
    max: RANGE.max,
    step: 0.1,
    value: one.strength,
    "data-feature": String(id),
  });
  const show = () => {
    value.textContent = one.mode === "off" ? t("steer.mode.off") : fixed(one.strength, 1);
    range.disabled = one.mode === "off";
    showCommand();
  };
  range.addEventListener("input", () => {
    one.strength = Number(range.value);
    show();
    actions.changed();
  });
  const mode = h(
    "select",
    { id: `steer-mode-${id}`, "aria-label": t("steer.mode", { id }) },
    ...["hold", "add", "off"].map((kind) =>
      h("option", { value: kind, selected: kind === one.mode }, t(`steer.mode.${kind}`)),
    ),
  );
  mode.addEventListener("change", () => {
    one.mode = mode.value;
    show();
    actions.changed();
  });
  show();
  return h(
    "li",
    { "data-steer": String(id) },
    h("label", { for: name }, t("steer.strength", { id, label: one.label }), " ", value),
    range,
    ticks(),
    h(
      "span",
      { class: "row-of-buttons" },
      mode,
      h("button", { type: "button", class: "plain", onclick: () => actions.open(id) }, t("steer.look")),
      removal(id),
    ),
  );
}

/** What the places on the slider mean. */
function ticks() {
  const marks = [RANGE.min, 0, 1, 3, RANGE.max].map((at) => {
    const words = at === 1 && h("span", { class: "tick-words" }, ` ${t("steer.tick")}`);
    const mark = h("span", {}, number(at), words || null);
    setStyles(mark, { left: `${(100 * (at - RANGE.min)) / (RANGE.max - RANGE.min)}%` });
    return mark;
  });
  return h("div", { class: "ticks", "aria-hidden": "true" }, ...marks);
}

function removal(id) {
  const remove = () => {
    chosen.delete(id);
    draw();
    actions.changed();
    $("steer-number").focus();
  };
  const attributes = {
    type: "button",
    class: "plain",
    "data-remove": String(id),
    "aria-label": t("steer.remove.label", { id }),
  };
  return h("button", { ...attributes, onclick: remove }, t("steer.remove"));
}

/** The same on the command line, for whoever wants to keep it. */
export function showCommand() {
  const steer = [...chosen].map(
    ([id, { strength, mode }]) => `${id}:${mode === "off" ? "off" : `${mode === "add" ? "add" : ""}${strength}`}`,
  );
  $("steer-command").hidden = !chosen.size;
  $("steer-command").textContent =
    `--steer ${steer.join(",")}${$("steer-reach").value === "output" ? " --steer-reach output" : ""}`;
}
