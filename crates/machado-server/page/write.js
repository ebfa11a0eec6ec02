// The view to write in: text streams in, and can be taken up again at each of its tokens.

import { call } from "./api.js";
import { coloured, sayFigures } from "./coloured.js";
import { complete } from "./completion.js";
import { $, debounce, memory } from "./dom.js";
import { named, number, onLanguage, say } from "./language.js";
import { model, onModel, withModel } from "./models.js";
import { answered, problem, saySkipped } from "./notice.js";
import { addFields, asRequest, reset } from "./settings.js";
import { Story } from "./story.js";
import { onEnter } from "./tabs.js";
import { TokenText } from "./tokens.js";
import { NextPanel } from "./write-next.js";
import { showVersions } from "./write-versions.js";

const story = new Story();
let text;
let next;
let writing = null;

export function start() {
  addFields($("write-main-settings"), "write-setting", ["temperature", "max_tokens"]);
  addFields($("write-settings"), "write-setting", [
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "seed",
    "stop",
  ]);
  text = new TokenText($("write-text"), { onLook: look, onPick: pick });
  next = new NextPanel(story, { choose: replace, type, again: writeFrom, close: () => pick(null) });
  const clicks = {
    "write-go": begin,
    "write-continue": () => writeFrom(story.pieces.length),
    "write-stop": () => writing?.abort(),
    "write-undo": () => back("undo"),
    "write-redo": () => back("redo"),
    "write-copy": copy,
    "write-reset": reset,
  };
  for (const [id, run] of Object.entries(clicks)) $(id).addEventListener("click", run);
  $("write-prompt").addEventListener("input", () => {
    memory.write("prompt", $("write-prompt").value);
    draftLater();
  });
  $("view-write").addEventListener("keydown", shortcuts);
  story.load();
  showButtons();
  onLanguage(() => showAll());
  onModel(modelChanged);
  onEnter("write", () => model() && next.refresh());
}

/** The first prompt is one that the model may know something to say to. */
function modelChanged() {
  writing?.abort();
  // Another model of the same name may have another vocabulary.
  const { fingerprint } = model().meta;
  if (memory.read("storyModel") !== fingerprint) story.forgetIds();
  memory.write("storyModel", fingerprint);
  $("write-prompt").value = memory.read("prompt", null) ?? model().meta.sample_prompt ?? "";
  story.draft(beginning());
  showAll();
}

/** The beginning as it stands in the field. */
function beginning() {
  const text = $("write-prompt").value;
  // Where tokens are words, the space before a word belongs to the word, so the last one is left to the model.
  return model()?.meta.tokenizer === "char" ? text : text.replace(/ $/, "");
}

/** As long as nothing is written, the bars show what may follow on what is being typed. */
const draftLater = debounce(200, () => {
  if (writing || story.pieces.length) return;
  story.draft(beginning());
  next.show(0);
});

/** Writes anew from the beginning that stands in the field. */
async function begin() {
  const prompt = beginning();
  let begun = false;
  await run(
    async (signal) => {
      story.begin(prompt);
      begun = true;
      await draw(signal);
    },
    () => (begun ? writeFrom(story.pieces.length) : begin()),
  );
}

/** Goes on from before piece `index`, by drawing. */
async function writeFrom(index) {
  if (!story.text()) return begin();
  await run(
    async (signal) => {
      if (index < story.pieces.length) story.cut(index);
      else story.extend();
      await draw(signal);
    },
    () => writeFrom(story.pieces.length),
  );
}

/** Another token instead of that at `index` (or at the end), and on from there. */
async function replace(index, candidate) {
  await run(
    async (signal) => {
      if (index < story.pieces.length) story.cut(index);
      else story.extend();
      const { token, id, logprob, top } = candidate;
      // A part of a character has no text of its own; the server names it by its bytes.
      const text = token.startsWith("bytes:") ? "" : token;
      story.append({ text, ids: id === null ? null : [id], logprob, top, by: "picked" });
      await draw(signal);
    },
    () => writeFrom(story.pieces.length),
  );
}

/** A person's own words from `index` on. */
async function type(index, own) {
  await run(
    async (signal) => {
      const { tokens, skipped } = await call("tokenize", { body: withModel({ content: own }), signal });
      story.cut(index);
      story.append({ text: own, ids: tokens, logprob: null, top: [], by: "typed" });
      showAll();
      saySkipped($("write-status"), skipped);
    },
    () => type(index, own),
  );
}

/** Does something that can be stopped, with the buttons as they have to be meanwhile; `retry` if the server is lost. */
async function run(work, retry) {
  writing?.abort();
  const mine = new AbortController();
  writing = mine;
  showButtons();
  next.show(null, true);
  try {
    await work(mine.signal);
    answered("write");
  } catch (error) {
    // Stopped for something else, which has said so already.
    if (writing !== mine) return;
    if (error.name === "AbortError") say($("write-status"), "write.stopped");
    else problem(error, $("write-status"), "write", retry);
  } finally {
    if (writing === mine) writing = null;
    story.save();
    showButtons();
    listVersions();
    if (!writing) next.show(story.pieces.length);
  }
}

async function draw(signal, skipped = []) {
  showAll();
  $("write-output").hidden = false;
  // On a phone the choice was made below the text.
  $("write-look").scrollIntoView({ block: "nearest" });
  // From here on the model goes on from exactly the tokens that it read and wrote.
  if (!story.promptIds && story.prompt) {
    const read = await call("tokenize", { body: withModel({ content: story.prompt }), signal });
    story.setPromptIds(read.tokens);
    skipped = [...skipped, ...(read.skipped ?? [])];
  }
  say($("write-status"), "write.writing");
  const request = asRequest();
  // A seed that can be named afterwards, so that the same text can be had again.
  request.seed ??= Math.floor(Math.random() * 1e6);
  const begun = performance.now();
  let drawn = 0;
  let nats = 0;
  for await (const token of complete({ ...request, prompt: story.request() }, signal)) {
    if (signal.aborted) throw signal.reason;
    if (token.end) {
      // Told once: by the completion where it got the text, else by what made tokens of it.
      if (token.end.skipped.length) skipped = token.end.skipped;
      break;
    }
    const piece = { ...token, by: "model" };
    story.append(piece);
    text.append(coloured(piece));
    drawn += 1;
    nats -= token.logprob ?? 0;
  }
  const seconds = (performance.now() - begun) / 1000;
  say($("write-status"), "write.done", {
    tokens: () => number(drawn, 0),
    seconds: () => number(seconds, { maximumSignificantDigits: 2 }),
    seed: request.seed,
    bits: () => number(nats / Math.LN2 / Math.max(1, drawn), 2),
  });
  saySkipped($("write-status"), skipped);
}

function showAll() {
  $("write-prompt-shown").textContent = story.prompt;
  text.show(story.pieces.map(coloured));
  $("write-output").hidden = !story.pieces.length;
  showButtons();
  listVersions();
  look(null);
  if (!writing) next.show(story.pieces.length);
}

function showButtons() {
  const busy = Boolean(writing);
  $("write-stop").disabled = !busy;
  $("write-continue").disabled = busy || !story.text();
  $("write-undo").disabled = busy || !story.canUndo;
  $("write-redo").disabled = busy || !story.canRedo;
  $("view-write").setAttribute("aria-busy", String(busy));
}

/** Says the figures of the token that is pointed at. */
function look(index) {
  const piece = index === null ? null : story.pieces[index];
  if (!piece) return say($("write-look"), "write.look");
  if (piece.logprob === null) return say($("write-look"), "write.look.typed", { token: () => named(piece.text) });
  const rank = piece.top.findIndex(([token]) => token === piece.text) + 1;
  return sayFigures($("write-look"), { ...piece, rank });
}

/** Opens the alternatives of a token, or with null goes back to the end of the text. */
function pick(index) {
  if (writing) return;
  text.mark(index);
  next.show(index ?? story.pieces.length);
  if (index !== null) $("write-next").scrollIntoView({ block: "nearest" });
}

function listVersions() {
  showVersions(story, () => {
    story.save();
    showAll();
  });
}

function back(direction) {
  story[direction]();
  story.save();
  showAll();
  say($("write-status"), "");
}

async function copy() {
  try {
    await navigator.clipboard.writeText(story.text());
    say($("write-status"), "copied");
  } catch {
    say($("write-status"), "copy.failed");
  }
}

/** Ctrl+Enter writes, Escape stops or goes back to the end. */
function shortcuts(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (event.target === $("write-prompt")) begin();
    else writeFrom(story.pieces.length);
  }
  if (event.key === "Escape") {
    if (writing) writing.abort();
    else pick(null);
  }
}
