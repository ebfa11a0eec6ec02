// One feature: what it fires at, what it makes likelier, which ones are like it.

import { patient } from "./api.js";
import { $, h, setStyles } from "./dom.js";
import { fixed, glyph, number, onLanguage, percent, say, t } from "./language.js";
import { withModel } from "./models.js";
import { answered, problem } from "./notice.js";

const CONTEXTS = 10;

let shown = null;
let actions;

/** `actions`: open(id) for a feature that is named here, steer(feature) to put it among those that are turned. */
export function start(given) {
  actions = given;
  $("feature-steer").addEventListener("click", () => actions.steer(shown));
  onLanguage(draw);
}

export function clear() {
  shown = null;
  $("feature").hidden = true;
}

export const isShown = () => shown !== null;

/** Shows feature `id`; with `focus` the reader is taken there. */
export async function show(id, focus = true) {
  $("feature").hidden = false;
  try {
    const waiting = () => say($("feature-status"), "features.loading");
    shown = await patient(`v1/features/${id}`, { query: withModel() }, waiting);
    answered("feature");
    say($("feature-status"), "");
    draw();
    if (!focus) return;
    $("feature-title").focus({ preventScroll: true });
    $("feature").scrollIntoView({ block: "nearest" });
  } catch (error) {
    problem(error, $("feature-status"), "feature", () => show(id));
  }
}

function draw() {
  if (!shown) return;
  $("feature").dataset.feature = shown.id;
  say($("feature-title"), "feature.title", { id: shown.id, label: shown.label });
  $("feature-facts").replaceChildren(
    ...facts().map(([key, value]) => h("div", {}, say(h("dt"), key), h("dd", {}, value))),
  );
  drawWords();
  drawBands();
  drawTokens($("feature-promotes"), shown.promotes);
  drawTokens($("feature-suppresses"), shown.suppresses);
  $("feature-contexts").replaceChildren(...shown.contexts.slice(0, CONTEXTS).map((context) => contextLine(context)));
  const samples = [...shown.samples].sort((a, b) => b.band - a.band);
  $("feature-samples").replaceChildren(...samples.map((sample) => contextLine(sample, sample.band)));
  $("feature-alike").replaceChildren(
    ...shown.alike.map(({ id, cosine, label }) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "plain", "data-feature": String(id), onclick: () => actions.open(id) },
          `${id} · ${label}`,
        ),
        h("small", {}, ` ${t("feature.cosine", { cosine: fixed(cosine) })}`),
      ),
    ),
  );
}

function facts() {
  const all = [
    [
      "feature.density",
      t("feature.density.value", { density: percent(shown.density), active: number(shown.active, 0) }),
    ],
    [
      "feature.strongest",
      t("feature.strongest.value", { strongest: fixed(shown.max_activation), mean: fixed(shown.mean_activation) }),
    ],
  ];
  if (shown.rule)
    all.push(["feature.rule", t("feature.rule.value", { name: shown.rule.name, f1: fixed(shown.rule.f1) })]);
  if (shown.unit)
    all.push([
      "feature.unit",
      t("feature.unit.value", { unit: shown.unit.unit, correlation: fixed(shown.unit.correlation) }),
    ]);
  return all;
}

function drawWords() {
  const head = h(
    "tr",
    {},
    ...["word", "share", "recall", "lift"].map((key) => say(h("th", { scope: "col" }), `feature.words.${key}`)),
  );
  const rows = shown.words
    .slice(0, 10)
    .map(({ word, lift, share, recall }) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, word),
        h("td", {}, percent(share)),
        h("td", {}, percent(recall)),
        h("td", {}, `×${number(lift, 1)}`),
      ),
    );
  $("feature-words").replaceChildren(h("thead", {}, head), h("tbody", {}, ...rows));
}

/** How often it fires how strongly, from a tenth of its strongest activation to all of it. */
function drawBands() {
  const most = Math.max(...shown.bands, 1);
  $("feature-bands").replaceChildren(
    ...shown.bands.map((count, band) => {
      const bar = h("span", { title: t("feature.band", { band: band + 1, count: number(count, 0) }) });
      setStyles(bar, { height: `${(100 * count) / most}%` });
      return bar;
    }),
  );
  $("feature-bands").setAttribute(
    "aria-label",
    t("feature.bands.label", { counts: shown.bands.map((count) => number(count, 0)).join(", ") }),
  );
}

function drawTokens(list, tokens) {
  const most = Math.max(...tokens.map(({ logit }) => Math.abs(logit)), 1e-9);
  list.replaceChildren(
    ...tokens.map(({ token, logit }) => {
      const bar = h("span", { class: "fill" });
      setStyles(bar, { width: `${(100 * Math.abs(logit)) / most}%` });
      return h(
        "li",
        {},
        h(
          "span",
          { class: "candidate" },
          h("span", { class: "glyph" }, glyph(token)),
          h("span", { class: "track", "aria-hidden": "true" }, bar),
          h("span", { class: "value" }, signed(logit)),
        ),
      );
    }),
  );
}

const signed = (value) => number(value, { signDisplay: "always", minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** A piece of the text, each token the warmer the stronger the feature was at it. */
function contextLine({ activation, tokens, activations }, band) {
  const line = h("p", {});
  if (band !== undefined) line.append(h("b", {}, t("feature.tenth", { band: band + 1 })));
  else line.append(h("b", {}, fixed(activation)));
  line.append(...heat(tokens, activations, { strongest: shown.max_activation, own: activation }));
  return line;
}

/** Tokens with the background of their activation; the figure is in the title, and the one with `own` underlined. */
function heat(tokens, activations, { strongest, own }) {
  const gaps = activations.map((activation) => Math.abs(activation - own));
  const here = gaps.indexOf(Math.min(...gaps));
  return tokens.map((token, i) => {
    const text = token.replaceAll("\n", "↵");
    if (!activations[i]) return text;
    const mark = h("mark", { title: fixed(activations[i]), class: i === here ? "here" : null }, text);
    setStyles(mark, { "--a": String(Math.min(1, activations[i] / strongest)) });
    return mark;
  });
}
