// Which models the server has, and which one is looked at.

import { call } from "./api.js";
import { $, h, memory } from "./dom.js";
import { number, onLanguage, t } from "./language.js";
import { limitTokens } from "./settings.js";

let models = [];
let chosen = null;

/** The chosen model, `{ id, meta }`, or null before the server has answered. */
export const model = () => chosen;

/** A request's body or query with the model in it. */
export const withModel = (fields = {}) => ({ model: chosen?.id, ...fields });

/** How many candidates to ask for: all, where the server gives that many. */
export const allCandidates = () => Math.min(1000, chosen?.meta.vocabulary_size ?? 1000);

/** Has a view start afresh when another model is chosen. */
export const onModel = (run) => document.addEventListener("modelchange", run);

export async function load() {
  const [list, limits] = await Promise.all([call("v1/models"), call("props")]);
  models = list.data;
  limitTokens(limits.max_tokens);
  chosen = models.find(({ id }) => id === memory.read("model")) ?? models[0];
  const select = $("model");
  select.replaceChildren(...models.map(({ id }) => h("option", { value: id }, id)));
  select.value = chosen.id;
  $("model-choice").hidden = models.length < 2;
  changed();
}

function changed() {
  showFacts();
  document.dispatchEvent(new Event("modelchange"));
}

/** One line on what the model is: its size, its tokens, its layers. */
function showFacts() {
  if (!chosen) return;
  const { meta } = chosen;
  const kind = ["char", "word", "bpe"].includes(meta.tokenizer) ? t(`tokens.${meta.tokenizer}`) : meta.tokenizer;
  const values = { parameters: number(meta.n_params, 0), vocabulary: number(meta.vocabulary_size, 0), kind };
  const facts = t("model.facts", values);
  const layers = (meta.layers ?? []).filter((layer) => !layer.startsWith("dropout")).join(" → ");
  const name = meta.built_in ? t("model.built_in") : chosen.id;
  $("model-facts").textContent = [name, facts, layers].filter(Boolean).join(" · ");
}

export function start() {
  $("model").addEventListener("change", (event) => {
    chosen = models.find(({ id }) => id === event.target.value);
    memory.write("model", chosen.id);
    changed();
  });
  onLanguage(showFacts);
}
