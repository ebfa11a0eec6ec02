// What may come next at a place of the text: bars that the sliders reshape, to go on from another choice.

import { call } from "./api.js";
import { Bars } from "./bars.js";
import { $, debounce } from "./dom.js";
import { named, number, onLanguage, say } from "./language.js";
import { allCandidates, model, withModel } from "./models.js";
import { problem, saySkipped } from "./notice.js";
import { penalize, reshape } from "./sampling.js";
import { asRequest, onSettings, REPEAT_WINDOW, settings } from "./settings.js";

const FEW = 12;
const MANY = 200;

export class NextPanel {
  #story;
  #actions;
  #bars;
  #index = null;
  #answer = null;
  #asking = null;
  #rows = FEW;
  #askAgain = debounce(150, () => this.#ask());

  /** `actions`: choose(index, candidate), type(index, text), again(index) to draw anew, close() to go back to the end. */
  constructor(story, actions) {
    this.#story = story;
    this.#actions = actions;
    this.#bars = new Bars($("write-candidates"), (row) => this.#choose(row));
    $("write-more").addEventListener("click", () => {
      this.#rows = this.#rows === FEW ? MANY : FEW;
      this.#draw();
    });
    $("write-again").addEventListener("click", () => this.#index !== null && actions.again(this.#index));
    $("write-to-end").addEventListener("click", () => actions.close());
    $("write-own").addEventListener("submit", (event) => {
      event.preventDefault();
      const own = $("write-own-text").value;
      if (!own || this.#index === null) return;
      $("write-own-text").value = "";
      actions.type(this.#index, own);
    });
    // Where all candidates are here, nothing has to be asked for a new temperature.
    onSettings(() => {
      if (this.#complete()) this.#draw();
      else if (this.#answer) this.#askAgain();
    });
    onLanguage(() => this.#draw());
  }

  /** Shows what may stand at piece `index`; while `busy` nothing can be chosen. */
  show(index, busy = false) {
    this.#asking?.abort();
    this.#index = index;
    this.#answer = null;
    this.#rows = FEW;
    const nothing = !busy && !this.#story.text();
    $("write-next").hidden = nothing;
    $("write-next").classList.toggle("busy", busy);
    if (busy) say($("write-next-status"), "next.writing");
    else this.refresh();
  }

  /** Asks again if there is nothing to show, for instance as the server was gone. */
  refresh() {
    if (this.#answer || this.#index === null || !this.#story.text() || !model()) return;
    this.#showCandidatesAtHand();
    this.#ask();
  }

  async #ask() {
    this.#asking?.abort();
    const mine = new AbortController();
    this.#asking = mine;
    const { temperature, top_k, top_p, min_p, typical_p } = asRequest();
    const prompt = this.#story.request(this.#index);
    const body = withModel({ prompt, top: allCandidates(), temperature, top_k, top_p, min_p, typical_p });
    try {
      const answer = await call("v1/probs", { body, signal: mine.signal });
      if (this.#asking !== mine) return;
      this.#answer = answer;
      this.#draw();
    } catch (error) {
      problem(error, $("write-next-status"), "next", () => this.#ask());
    }
  }

  /** Until the answer is here: the alternatives that came with the token. */
  #showCandidatesAtHand() {
    const piece = this.#story.pieces[this.#index];
    this.#head();
    if (!piece?.top.length) return;
    this.#bars.show(
      piece.top.map(([token, logprob]) => ({ id: token, token, p: Math.exp(logprob) })),
      piece.text,
    );
  }

  #complete() {
    return this.#answer && this.#answer.candidates.length >= this.#answer.vocabulary_size;
  }

  #candidates() {
    const { candidates } = this.#answer;
    if (!this.#complete()) return candidates.map((one) => ({ ...one, p: one.probability }));
    const context = this.#story.request(this.#index);
    const recent = Array.isArray(context) ? context.slice(-REPEAT_WINDOW) : [];
    const penalized = penalize(candidates, recent, settings().repeat_penalty);
    const probabilities = reshape(
      penalized.map(({ logit }) => logit),
      settings(),
    );
    return penalized.map((one, i) => ({ ...one, p: probabilities[i] }));
  }

  #draw() {
    if (!this.#answer) return;
    this.#head();
    const all = this.#candidates();
    const piece = this.#story.pieces[this.#index];
    const here = piece?.ids?.length === 1 ? piece.ids[0] : null;
    const rows = all.slice(0, this.#rows).map((one) => ({ ...one, ghost: Math.exp(one.logprob) }));
    // The token that stands there is shown even if it was an unlikely one.
    const chosen = all.find(({ id }) => id === here);
    if (chosen && !rows.some(({ id }) => id === here)) rows.push({ ...chosen, ghost: Math.exp(chosen.logprob) });
    this.#bars.show(rows, here);
    const vocabulary = this.#answer.vocabulary_size;
    const possible = all.filter(({ p }) => p > 0).length;
    const entropy = all.reduce((sum, { p }) => (p > 0 ? sum - p * Math.log2(p) : sum), 0);
    say($("write-next-status"), "next.figures", {
      possible: () => number(possible, 0),
      all: () => number(vocabulary, 0),
      entropy: () => number(entropy, 2),
      like: () => number(2 ** entropy, 1),
    });
    saySkipped($("write-next-status"), this.#answer.skipped);
    $("write-more").hidden = all.length <= FEW;
    say($("write-more"), this.#rows === FEW ? "next.more" : "next.fewer");
  }

  #head() {
    const piece = this.#story.pieces[this.#index];
    if (piece) say($("write-next-title"), "next.instead", { token: () => named(piece.text) });
    else say($("write-next-title"), "next.title");
    $("write-to-end").hidden = !piece;
    say($("write-again"), piece ? "next.again" : "next.draw");
  }

  #choose({ id, token }) {
    // While the model writes, the bars are those of before.
    if (this.#index === null) return;
    const known = this.#answer?.candidates.find((one) => one.id === id);
    const top = (this.#answer?.candidates ?? []).slice(0, 10).map((one) => [one.token, one.logprob]);
    const atHand = this.#story.pieces[this.#index]?.top ?? [];
    const logprob = known ? known.logprob : (atHand.find(([other]) => other === token)?.[1] ?? null);
    this.#actions.choose(this.#index, { token, id: known ? id : null, logprob, top: known ? top : atHand });
  }
}
