// The text that is being written: where it began, its pieces, and all that it was before. No page in here.

import { memory } from "./dom.js";

/** Steps that can be undone, and versions kept beside. */
const STEPS = 100;
const VERSIONS = 30;

/**
 * A piece is `{ text, ids, logprob, top, by }`: a token that the model drew (`by: "model"`), one that a person picked
 * ("picked") or what a person typed ("typed", of any length, without a probability). `top` are the likeliest tokens there
 * as `[token, logprob]`. A state is `{ prompt, promptIds, pieces }` and is never changed once another one follows it.
 */
export class Story {
  #state = { prompt: "", promptIds: null, pieces: [] };
  #past = [];
  #future = [];
  versions = [];

  get prompt() {
    return this.#state.prompt;
  }
  get pieces() {
    return this.#state.pieces;
  }
  get canUndo() {
    return this.#past.length > 0;
  }
  get canRedo() {
    return this.#future.length > 0;
  }

  /** The whole text, or that before piece `upTo`. */
  text(upTo = this.pieces.length) {
    return (
      this.prompt +
      this.pieces
        .slice(0, upTo)
        .map(({ text }) => text)
        .join("")
    );
  }

  /**
   * What to send as a prompt: token ids, so that the model goes on from exactly these tokens; or the text where an id
   * is not known.
   */
  request(upTo = this.pieces.length) {
    const ids = [this.#state.promptIds, ...this.pieces.slice(0, upTo).map(({ ids }) => ids)];
    const known = ids.every((some) => some) && ids.flat();
    return known?.length ? known : this.text(upTo);
  }

  /** What stands in the field before anything was written; no step, since nothing would be lost. */
  draft(prompt) {
    if (!this.pieces.length) this.#state = { prompt, promptIds: null, pieces: [] };
  }

  /** The ids of the beginning, once they are known. */
  setPromptIds(promptIds) {
    this.#state = { ...this.#state, promptIds };
  }

  get promptIds() {
    return this.#state.promptIds;
  }

  /** Starts anew; what was there stays as a version. */
  begin(prompt) {
    this.#keepVersion();
    this.#step({ prompt, promptIds: null, pieces: [] });
  }

  /** Begins a step in which pieces are appended. Undo goes back to before it. */
  extend() {
    this.#step({ ...this.#state, pieces: [...this.pieces] });
  }

  /** Appends within the present step. */
  append(piece) {
    this.pieces.push(piece);
  }

  /** Goes on otherwise from before piece `index`; what came after stays as a version. */
  cut(index) {
    if (index < this.pieces.length) this.#keepVersion();
    this.#step({ ...this.#state, pieces: this.pieces.slice(0, index) });
  }

  undo() {
    this.#future.push(this.#state);
    this.#state = this.#past.pop();
  }

  redo() {
    this.#past.push(this.#state);
    this.#state = this.#future.pop();
  }

  /** Puts a kept version in the place of the present text, which is kept in turn. */
  restore(version) {
    this.versions = this.versions.filter((other) => other !== version);
    this.#keepVersion();
    this.#step(version);
  }

  /** Remembers the text while the tab is open, so that neither a reload nor a lost server takes it. */
  save() {
    const state = compact(this.#state);
    const all = { state, versions: this.versions.map(compact) };
    // A browser keeps some megabytes; if that is too little, the text comes before its versions.
    if (!memory.write("story", all)) memory.write("story", { state, versions: [] });
  }

  /** Takes up what was saved; whether there was something. */
  load() {
    const saved = memory.read("story");
    if (!saved?.state) return false;
    this.#state = saved.state;
    this.versions = saved.versions ?? [];
    return true;
  }

  /** Ids belong to one model; with another the text is read anew. */
  forgetIds() {
    const without = (state) => ({
      ...state,
      promptIds: null,
      pieces: state.pieces.map((piece) => ({ ...piece, ids: null })),
    });
    this.#state = without(this.#state);
    this.#past = this.#past.map(without);
    this.#future = this.#future.map(without);
    this.versions = this.versions.map(without);
  }

  #step(state) {
    this.#past.push(this.#state);
    if (this.#past.length > STEPS) this.#past.shift();
    this.#future = [];
    this.#state = state;
  }

  #keepVersion() {
    if (!this.pieces.length) return;
    this.versions = [this.#state, ...this.versions].slice(0, VERSIONS);
  }
}

/** Without the alternatives, which the server can be asked for again. */
function compact(state) {
  return { ...state, pieces: state.pieces.map((piece) => ({ ...piece, top: [] })) };
}
