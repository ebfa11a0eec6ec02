// How tokens are drawn: one table of all settings, the fields for them, and what they are in a request.

import { h, memory } from "./dom.js";
import { fixed, onLanguage, say, translate } from "./language.js";

/**
 * Each setting by its name in the API. `kind` is "range" (slider), "number" or "text"; `neutral` is the value that
 * changes nothing and is left out of requests.
 */
export const table = {
  temperature: { kind: "range", min: 0, max: 2, step: 0.05, start: 0.8, neutral: 1 },
  max_tokens: { kind: "number", min: 1, max: 4096, step: 1, start: 200 },
  top_k: { kind: "number", min: 0, max: 1000, step: 1, start: 0, neutral: 0 },
  top_p: { kind: "range", min: 0.05, max: 1, step: 0.05, start: 1, neutral: 1 },
  min_p: { kind: "range", min: 0, max: 0.5, step: 0.01, start: 0, neutral: 0 },
  typical_p: { kind: "range", min: 0.05, max: 1, step: 0.05, start: 1, neutral: 1 },
  repeat_penalty: { kind: "range", min: 1, max: 1.5, step: 0.01, start: 1, neutral: 1 },
  seed: { kind: "number", min: 0, step: 1, start: "" },
  stop: { kind: "text", start: "" },
};

/** Over how many of the last tokens a repetition counts. */
export const REPEAT_WINDOW = 64;

const starts = Object.fromEntries(Object.entries(table).map(([name, { start }]) => [name, start]));
const values = { ...starts, ...memory.read("settings", {}) };
const listeners = [];

/** The present values, by name; `seed` and `stop` may be "". */
export const settings = () => values;

/** Calls `run(name)` whenever one changes. */
export const onSettings = (run) => listeners.push(run);

/** The server's own limit of the tokens of a text. */
export function limitTokens(most) {
  table.max_tokens.max = most;
  for (const input of document.querySelectorAll('[data-setting="max_tokens"]')) input.max = most;
  if (values.max_tokens > most) set("max_tokens", most);
}

export function set(name, value) {
  values[name] = value;
  memory.write("settings", values);
  for (const run of listeners) run(name);
}

export const reset = () => Object.entries(starts).forEach(([name, start]) => set(name, start));

/** The settings as a request has them: those that change nothing are left out. */
export function asRequest() {
  const request = { max_tokens: values.max_tokens, temperature: values.temperature };
  for (const name of ["top_k", "top_p", "min_p", "typical_p", "repeat_penalty"]) {
    if (values[name] !== table[name].neutral) request[name] = values[name];
  }
  if (request.repeat_penalty) request.repeat_last_n = REPEAT_WINDOW;
  if (values.seed !== "") request.seed = values.seed;
  // A line end cannot be typed into a field, so it is written as in most languages.
  if (values.stop) request.stop = [values.stop.replaceAll("\\n", "\n")];
  return request;
}

/** Puts fields for some settings into `container`; all fields for one setting show the same value. */
export function addFields(container, prefix, names) {
  for (const name of names) container.append(field(`${prefix}-${name}`, name));
  translate(container);
}

function field(id, name) {
  const { kind, min, max, step } = table[name];
  const help = `${id}-help`;
  const input = h("input", {
    id,
    type: kind,
    min,
    max,
    step,
    "data-setting": name,
    "aria-describedby": help,
    autocomplete: "off",
    "data-t-placeholder": name === "seed" ? "set.seed.any" : null,
  });
  const shown = kind === "range" ? h("output", { for: id }) : null;
  const show = () => {
    if (input.value !== String(values[name])) input.value = values[name];
    if (shown) shown.textContent = fixed(values[name], 2);
  };
  input.addEventListener("input", () => {
    const value = read(input, table[name]);
    if (value !== null) set(name, value);
  });
  // What was typed beyond the limits is put right once the field is left.
  input.addEventListener("change", show);
  listeners.push(show);
  onLanguage(show);
  show();
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, say(h("span"), `set.${name}`), shown && " ", shown),
    input,
    say(h("small", { id: help }), `set.${name}.help`),
  );
}

/** The value of a field held to its limits, or null while there is none. */
function read(input, { kind, min, max, step }) {
  if (kind === "text") return input.value;
  if (input.value === "") return input.dataset.setting === "seed" ? "" : null;
  const value = Number(input.value);
  if (!Number.isFinite(value)) return null;
  const held = Math.min(max ?? Number.MAX_SAFE_INTEGER, Math.max(min, value));
  return step === 1 ? Math.round(held) : held;
}
