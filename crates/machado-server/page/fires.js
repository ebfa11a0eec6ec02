// Which features fire in a text that somebody types, token by token.

import { patient } from "./api.js";
import { $, h, setStyles } from "./dom.js";
import { fixed, named, onLanguage, percent, say, spoken, t } from "./language.js";
import { onModel, withModel } from "./models.js";
import { answered, problem } from "./notice.js";
import { TokenText } from "./tokens.js";

const PER_TOKEN = 8;

let answer = null;
let picked = null;
let text;
let actions;

/** `actions`: open(id). */
export function start(given) {
  actions = given;
  text = new TokenText($("fires-tokens"), { onPick: pick });
  $("fires-form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  $("fires-feature").addEventListener("change", colour);
  onLanguage(draw);
  onModel(() => {
    answer = null;
    $("fires-result").hidden = true;
  });
}

async function ask() {
  const written = $("fires-text").value;
  if (!written) return;
  try {
    const body = withModel({ text: written, top: PER_TOKEN });
    answer = await patient("v1/activations", { body }, () => say($("fires-status"), "features.loading"));
    answered("fires");
    say($("fires-status"), "");
    picked = null;
    draw();
  } catch (error) {
    problem(error, $("fires-status"), "fires", ask);
  }
}

function draw() {
  if (!answer) return;
  $("fires-result").hidden = false;
  text.show(answer.tokens.map(({ token, features }) => ({ text: token, warmth: 0, label: labelOf(token, features) })));
  const strongest = new Map();
  for (const { features } of answer.tokens) {
    for (const { id, share, label } of features) {
      if (share > (strongest.get(id)?.share ?? 0)) strongest.set(id, { share, label });
    }
  }
  const sorted = [...strongest].sort(([, a], [, b]) => b.share - a.share);
  const before = $("fires-feature").value;
  $("fires-feature").replaceChildren(
    say(h("option", { value: "" }), "fires.any"),
    ...sorted.map(([id, { share, label }]) =>
      h("option", { value: String(id) }, `${id} · ${label} · ${percent(share)}`),
    ),
  );
  $("fires-feature").value = strongest.has(Number(before)) ? before : "";
  colour();
  pick(picked);
}

function labelOf(token, [first]) {
  if (!first) return spoken(token);
  return t("fires.token", { token: spoken(token), id: first.id, label: first.label, share: percent(first.share) });
}

/** Colours by one feature, or by whichever is strongest at each token. */
function colour() {
  const wanted = $("fires-feature").value;
  text.recolour((index) => {
    const { features } = answer.tokens[index];
    const shares = features.filter(({ id }) => !wanted || String(id) === wanted).map(({ share }) => share);
    return shares.length ? Math.min(1, Math.max(...shares)) : null;
  });
}

/** The features that fire at one token. */
function pick(index) {
  picked = index;
  text.mark(index);
  const token = index === null ? null : answer.tokens[index];
  say($("fires-title"), token ? "fires.at" : "fires.look", token ? { token: () => named(token.token) } : {});
  $("fires-list").replaceChildren(
    ...(token?.features ?? []).map(({ id, activation, share, label }) => {
      const bar = h("span", { class: "inbar", "aria-hidden": "true" });
      setStyles(bar, { width: `${100 * Math.min(1, share)}%` });
      return h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "feature-row", "data-feature": String(id), onclick: () => actions.open(id) },
          bar,
          h("span", { class: "feature-id" }, String(id)),
          h("span", { class: "feature-label" }, label),
          h("small", {}, t("fires.figures", { activation: fixed(activation), share: percent(share) })),
        ),
      );
    }),
  );
}
