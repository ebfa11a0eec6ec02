// How much a text surprises the model: each token coloured by its bits, and the sums.

import { call } from "./api.js";
import { Bars } from "./bars.js";
import { coloured, sayFigures } from "./coloured.js";
import { $, h, memory } from "./dom.js";
import { fixed, named, number, onLanguage, say, t } from "./language.js";
import { model, onModel, withModel } from "./models.js";
import { answered, problem, saySkipped } from "./notice.js";
import { bits } from "./sampling.js";
import { TokenText } from "./tokens.js";

const ALTERNATIVES = 10;

let score = null;
let picked = null;
let text;
let bars;

export function start() {
  text = new TokenText($("score-tokens"), { onLook: look, onPick: pick });
  bars = new Bars($("score-alternatives"));
  $("score-text").value = memory.read("score", "");
  $("score-form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  $("score-text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) ask();
  });
  for (const button of document.querySelectorAll("[data-example]")) {
    button.addEventListener("click", () => {
      $("score-text").value = t(button.dataset.example);
      ask();
    });
  }
  onLanguage(draw);
  onModel(() => {
    score = null;
    draw();
  });
}

async function ask() {
  const written = $("score-text").value;
  memory.write("score", written);
  if (!written || !model()) return say($("score-status"), "score.empty");
  say($("score-status"), "score.reading");
  try {
    score = await call("v1/score", { body: withModel({ text: written, top: ALTERNATIVES }) });
    answered("score");
    say($("score-status"), "");
    picked = null;
    draw();
  } catch (error) {
    problem(error, $("score-status"), "score", ask);
  }
}

function draw() {
  $("score-result").hidden = !score;
  if (!score) return;
  text.show(score.tokens.map(({ token, logprob }) => coloured({ text: token, logprob })));
  showFigures();
  showMostSurprising();
  saySkipped($("score-status"), score.skipped);
  look(picked);
  showPicked();
}

function showFigures() {
  const { perplexity } = score;
  const vocabulary = model().meta.vocabulary_size;
  const uniform = Math.log2(vocabulary);
  const perToken = score.nats_per_token / Math.LN2;
  const figures = [
    ["score.bits_per_character", fixed(score.bits_per_character, 3)],
    ["score.bits_per_token", fixed(perToken, 3)],
    ["score.uniform", fixed(uniform, 3)],
    ["score.perplexity", number(score.perplexity, 2)],
    ["score.total", number(score.nats / Math.LN2, 1)],
    ["score.scored", number(score.scored_tokens, 0)],
    ["score.characters", number(score.characters, 0)],
  ];
  $("score-figures").replaceChildren(
    ...figures.map(([key, value]) => h("div", {}, say(h("dt"), key), h("dd", { "data-figure": key.slice(6) }, value))),
  );
  const gain = uniform / perToken;
  const figure = {
    perplexity: () => number(perplexity, 1),
    vocabulary: () => number(vocabulary, 0),
    gain: () => number(gain, 1),
  };
  const verdict = gain > 1 ? "score.plain.better" : "score.plain.worse";
  // Before the first token stands nothing, so it costs nothing.
  say($("score-plain"), score.scored_tokens ? verdict : "score.plain.short", figure);
}

/** Where most of the bits are, for those who do not see the colours and for a quick look. */
function showMostSurprising() {
  const scored = score.tokens.map((token, index) => ({ ...token, index })).filter(({ logprob }) => logprob !== null);
  const worst = scored.sort((a, b) => a.logprob - b.logprob).slice(0, 8);
  $("score-worst").replaceChildren(
    ...worst.map(({ token, logprob, index }) => {
      const before = score.tokens
        .slice(Math.max(0, index - 14), index)
        .map((one) => one.token)
        .join("");
      return h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "plain", onclick: () => pick(index) },
          h("span", { class: "soft" }, `…${before}`),
          h("b", {}, token === " " ? "␣" : token),
          ` ${number(bits(logprob), 1)} bits`,
        ),
      );
    }),
  );
}

function look(index) {
  const token = index === null ? null : score?.tokens[index];
  if (!token) return say($("score-look"), "score.look");
  if (token.logprob === null) return say($("score-look"), "score.first", { token: () => named(token.token) });
  return sayFigures($("score-look"), { ...token, text: token.token });
}

function pick(index) {
  picked = index;
  text.mark(index);
  look(index);
  showPicked();
}

/** What the model would rather have read there. */
function showPicked() {
  const token = picked === null ? null : score?.tokens[picked];
  $("score-picked").hidden = !token;
  if (!token) return;
  say($("score-picked-title"), "score.instead", { token: () => named(token.token) });
  const rows = token.top.map(({ token: other, id, logprob }) => ({ id, token: other, p: Math.exp(logprob) }));
  if (token.logprob !== null && !rows.some(({ id }) => id === token.id)) {
    rows.push({ id: token.id, token: token.token, p: Math.exp(token.logprob) });
  }
  bars.show(rows, token.id);
  say($("score-entropy"), token.entropy_nats === null ? "" : "score.entropy", {
    entropy: () => number(token.entropy_nats / Math.LN2, 2),
    like: () => number(Math.exp(token.entropy_nats), 1),
  });
}
