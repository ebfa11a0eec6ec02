// The lesson: from a text to its next token, in steps that one can touch, with the numbers of the model at hand.

import { call } from "./api.js";
import { $, debounce, h, memory, setStyles } from "./dom.js";
import { fixed, glyph, number, onLanguage, percent, say, spoken, t } from "./language.js";
import { Drawing } from "./lesson-draw.js";
import { drawLine } from "./lesson-line.js";
import { allCandidates, model, onModel, withModel } from "./models.js";
import { answered, problem, saySkipped } from "./notice.js";
import { softmax } from "./sampling.js";
import { onEnter } from "./tabs.js";

/** Tokens that have a row of their own; the others share one. */
const ROWS = 8;

const START = { char: "A cor do céu é " };

let answer = null;
let asking = null;
let drawing;
/** Numbers of the present text at the present temperature, see `compute`. */
let numbers = null;

export function start() {
  drawing = new Drawing({ onAppend: append, onLink: link });
  $("lesson-text").addEventListener("input", debounce(250, ask));
  $("lesson-temperature").addEventListener("input", draw);
  for (const place of ["lesson-table", "lesson-line", "lesson-line-scaled"].map($)) {
    place.addEventListener("pointerover", (event) => link(rowOf(event)));
    place.addEventListener("pointerleave", () => link(null));
  }
  $("lesson-table").addEventListener("focusin", (event) => link(rowOf(event)));
  $("lesson-table").addEventListener("focusout", () => link(null));
  for (const button of document.querySelectorAll("[data-temperature]")) {
    button.addEventListener("click", () => {
      $("lesson-temperature").value = button.dataset.temperature;
      draw();
    });
  }
  // What was drawn stays drawn in any language.
  onLanguage(showNumbers);
  window.addEventListener("resize", debounce(200, showNumbers));
  onModel(() => {
    answer = null;
    $("lesson-text").value = START[model().meta.tokenizer] ?? model().meta.sample_prompt ?? "";
  });
  onEnter("lesson", () => model() && !answer && ask());
}

/** The model's own part: a number for each token of its vocabulary. */
async function ask() {
  if (!model()) return;
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  const text = $("lesson-text").value;
  // The space before a word belongs to the word, where tokens are words.
  const prompt = model().meta.tokenizer === "char" ? text : text.replace(/ $/, "");
  try {
    const asked = { signal: mine.signal };
    // The score is asked for its tokens: it tells their texts and numbers at once.
    const [{ tokens, skipped }, next] = await Promise.all([
      call("v1/score", { ...asked, body: withModel({ text: prompt, top: 1 }) }),
      call("v1/probs", { ...asked, body: withModel({ prompt, top: allCandidates(), temperature: 1 }) }),
    ]);
    answer = next;
    showTokens(tokens);
    answered("lesson");
    say($("lesson-status"), "");
    saySkipped($("lesson-status"), skipped);
    draw();
  } catch (error) {
    problem(error, $("lesson-status"), "lesson", ask);
  }
}

/** Step 1: the text as the model gets it, token by token with its number. */
function showTokens(tokens) {
  // The last ones say what it is about; a long text would only fill the screen.
  const last = tokens.slice(-24);
  $("lesson-tokens").replaceChildren(
    ...(tokens.length > last.length ? [h("li", { class: "soft" }, "…")] : []),
    ...last.map(({ token, id }) =>
      h("li", {}, h("span", { class: "glyph" }, glyph(token)), h("small", {}, String(id))),
    ),
  );
}

/** Steps 2 to 6, all from the logits: what stands in the table, in the strip and in the histogram. */
function compute(candidates, temperature) {
  const scaled = candidates.map(({ logit }) => logit / temperature);
  const powers = scaled.map(Math.exp);
  const sum = powers.reduce((a, b) => a + b, 0);
  const probabilities = softmax(scaled);
  const rows = candidates.slice(0, ROWS).map((candidate, i) => ({
    ...candidate,
    scaled: scaled[i],
    power: powers[i],
    probability: probabilities[i],
  }));
  const others = {
    token: null,
    count: candidates.length - rows.length,
    power: powers.slice(ROWS).reduce((a, b) => a + b, 0),
    probability: probabilities.slice(ROWS).reduce((a, b) => a + b, 0),
  };
  if (others.count) rows.push(others);
  return { candidates, probabilities, rows, sum, temperature };
}

function draw() {
  showNumbers();
  if (answer) drawing.show(numbers);
}

/** Steps 2 to 4. */
function showNumbers() {
  const temperature = Number($("lesson-temperature").value);
  $("lesson-temperature-value").textContent = fixed(temperature, 2);
  if (!answer) return;
  numbers = compute(answer.candidates, temperature);
  const { sum } = numbers;
  const { candidates, vocabulary_size: all } = answer;
  const partial = candidates.length < all;
  $("lesson-partial").hidden = !partial;
  if (partial) say($("lesson-partial"), "lesson.partial", { count: () => number(candidates.length, 0) });
  showLines();
  showTable();
  say($("lesson-logits-text"), "lesson.logits.text", { count: () => number(all, 0) });
  say($("lesson-sum"), "lesson.sum", { sum: () => power(sum) });
  showExample();
}

/** Steps 2 and 3 as pictures: the logits, and what the temperature makes of them. */
function showLines() {
  const { candidates, rows, temperature } = numbers;
  const logits = candidates.map(({ logit }) => logit);
  drawLine($("lesson-line"), { values: logits, rows, label: t("lesson.line") });
  drawLine($("lesson-line-scaled"), {
    values: logits.map((logit) => logit / temperature),
    rows,
    label: t("lesson.line.scaled"),
  });
}

function showTable() {
  const { rows } = numbers;
  const heads = ["token", "logit", "scaled", "power", "probability"];
  const head = h("tr", {}, ...heads.map((name) => say(h("th", { scope: "col" }), `lesson.col.${name}`)));
  const largest = Math.max(...rows.map(({ probability }) => probability));
  const body = rows.map((row, index) => {
    const name = row.token === null ? t("lesson.others", { count: number(row.count, 0) }) : glyph(row.token);
    const bar = h("span", { class: "inbar", "aria-hidden": "true" });
    setStyles(bar, { width: `${(100 * row.probability) / largest}%` });
    return h(
      "tr",
      { "data-row": String(index), tabindex: "0", "data-token": row.token },
      h("th", { scope: "row", class: "glyph", "aria-label": row.token === null ? null : spoken(row.token) }, name),
      h("td", {}, row.logit === undefined ? "" : fixed(row.logit)),
      h("td", {}, row.scaled === undefined ? "" : fixed(row.scaled)),
      h("td", {}, power(row.power)),
      h("td", { class: "with-bar" }, bar, h("span", {}, percent(row.probability))),
    );
  });
  // A row that has the focus keeps it while the slider moves beside it.
  const focused = document.activeElement?.closest?.("#lesson-table tr")?.dataset.row;
  $("lesson-table").replaceChildren(h("thead", {}, head), h("tbody", {}, ...body));
  if (focused) $("lesson-table").querySelector(`[data-row="${focused}"]`)?.focus();
}

/** The whole calculation for the likeliest token, in figures. */
function showExample() {
  const { rows, sum, temperature } = numbers;
  const [first] = rows;
  say($("lesson-example"), "lesson.example", {
    token: glyph(first.token),
    logit: () => fixed(first.logit),
    temperature: () => fixed(temperature),
    scaled: () => fixed(first.scaled),
    power: () => power(first.power),
    sum: () => power(sum),
    probability: () => percent(first.probability),
  });
}

/** e^x can be anything from nearly nothing to astronomical. */
function power(value) {
  if (value === 0 || (value >= 0.01 && value < 100000)) return number(value, { maximumSignificantDigits: 4 });
  const exponent = Math.floor(Math.log10(value));
  return `${fixed(value / 10 ** exponent, 1)}·10${superscript(exponent)}`;
}

const superscript = (whole) => [...String(whole)].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign])).join("");

const rowOf = (event) => {
  const row = event.target.closest("[data-row]");
  return row ? Number(row.dataset.row) : null;
};

/** Shows in all pictures at once what belongs to row `index` of the table. */
function link(index) {
  for (const element of $("view-lesson").querySelectorAll("[data-row]")) {
    element.classList.toggle("linked", index !== null && element.dataset.row === String(index));
  }
}

/** Step 8: the drawn token becomes part of the text, and all begins again. */
function append(token) {
  $("lesson-text").value += token;
  memory.write("lesson", $("lesson-text").value);
  ask();
}
