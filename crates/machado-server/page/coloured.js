// What a token looks like wherever text is coloured by surprise, and what its figures are in words.

import { named, number, percent, say, spoken, t } from "./language.js";
import { bits, warmth } from "./sampling.js";

/** A token `{ text, logprob, by }` as `TokenText` shows it; without a probability it has no colour. */
export function coloured({ text, logprob, by }) {
  if (logprob === null || logprob === undefined) return { text, warmth: null, label: spoken(text), by };
  const values = { token: spoken(text), probability: percent(Math.exp(logprob)) };
  return { text, warmth: warmth(logprob), label: t("token.label", values), by };
}

/** Says a token's probability, surprise and, where known (from 1), its rank. */
export function sayFigures(element, { text, logprob, rank }) {
  say(element, rank ? "token.figures.rank" : "token.figures", {
    token: () => named(text),
    probability: () => percent(Math.exp(logprob)),
    bits: () => number(bits(logprob), 1),
    rank,
  });
}
