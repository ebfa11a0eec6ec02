// Turning features up and down: sliders, what that does to the next token, and what the model then writes, beside what it
// writes anyway, with the same prompt and seed.

import { call } from "./api.js";
import { Bars } from "./bars.js";
import { coloured, sayFigures } from "./coloured.js";
import { complete } from "./completion.js";
import { $, debounce, memory } from "./dom.js";
import { fixed, number, onLanguage, say } from "./language.js";
import { allCandidates, model, onModel, withModel } from "./models.js";
import { answered, problem } from "./notice.js";
import { divergence } from "./sampling.js";
import { addFields, asRequest, onSettings } from "./settings.js";
import * as sliders from "./steer-sliders.js";
import { TokenText } from "./tokens.js";

/** Beyond this ratio of surprise a steered text counts as broken; see docs/steering.md. */
const BROKEN = 1.25;
const ROWS = 8;

/** The request that the default text was written for; while it is the same, so is the text. */
let writtenFor = null;
const sides = { default: null, steered: null };
let bars;
let writing = null;
let looking = null;
const lookLater = debounce(80, showNext);
const writeLater = debounce(500, () => $("steer-live").checked && write());

/** `open(id)` looks at a feature of a slider. */
export function start({ open }) {
  sliders.start({ open, changed });
  addFields($("steer-settings"), "steer-setting", ["temperature", "max_tokens"]);
  for (const side of Object.keys(sides)) {
    const look = (index) => lookAt(side, index);
    sides[side] = { text: new TokenText($(`steer-${side}`), { onLook: look, onPick: look }), pieces: [] };
  }
  bars = new Bars($("steer-next"));
  $("steer-form").addEventListener("submit", (event) => {
    event.preventDefault();
    write();
  });
  $("steer-stop").addEventListener("click", () => writing?.abort());
  $("steer-prompt").addEventListener("input", lookLater);
  $("steer-reach").addEventListener("change", () => {
    sliders.showCommand();
    changed();
  });
  $("steer-by-number").addEventListener("submit", addByNumber);
  onSettings(lookLater);
  onLanguage(draw);
  onModel(() => {
    sliders.clear();
    $("steer-prompt").value = model().meta.sample_prompt ?? "";
    $("steer-seed").value = memory.read("steerSeed", 1);
    draw();
  });
}

/** Puts a feature among the sliders. */
export function add(feature) {
  sliders.add(feature);
  $("steer").scrollIntoView({ block: "start" });
  sliders.focus(feature.id);
}

async function addByNumber(event) {
  event.preventDefault();
  const id = $("steer-number").value;
  if (id === "") return;
  try {
    add(await call(`v1/features/${id}`, { query: withModel() }));
    $("steer-number").value = "";
  } catch (error) {
    problem(error, $("steer-status"), "steer-add");
  }
}

function changed() {
  lookLater();
  writeLater();
}

function draw() {
  sliders.draw();
  for (const side of Object.values(sides)) side.text.show(side.pieces.map(coloured));
  if (model()?.meta.features) lookLater();
}

function prompt() {
  const text = $("steer-prompt").value;
  return model().meta.tokenizer === "char" ? text : text.replace(/ $/, "");
}

/** What the next token would be, with and without; no drawing in it, so that it is exact and at once. */
async function showNext() {
  if (!model()?.meta.features || !prompt()) return;
  looking?.abort();
  const mine = new AbortController();
  looking = mine;
  const body = withModel({ prompt: prompt(), top: allCandidates(), temperature: 1 });
  try {
    const ask = (steering) => call("v1/probs", { body: { ...body, ...steering }, signal: mine.signal });
    const [without, steered] = await Promise.all([ask({}), ask(sliders.pushes())]);
    const before = new Map(without.candidates.map(({ id, logprob }) => [id, Math.exp(logprob)]));
    const all = steered.candidates.map((one) => ({ ...one, p: Math.exp(one.logprob), ghost: before.get(one.id) ?? 0 }));
    const rows = [...all].sort((a, b) => Math.max(b.p, b.ghost) - Math.max(a.p, a.ghost)).slice(0, ROWS);
    bars.show(rows);
    const allThere = steered.candidates.length >= steered.vocabulary_size;
    const nats = divergence(
      all.map(({ p }) => p),
      all.map(({ ghost }) => ghost),
    );
    say($("steer-kl"), allThere ? "steer.kl" : "", { nats: () => fixed(nats, 3) });
    $("steer-effect").hidden = false;
    answered("steer-next");
  } catch (error) {
    problem(error, $("steer-status"), "steer-next", showNext);
  }
}

/** Both texts at once, with the same seed: what differs is what the sliders did. */
async function write() {
  if (!model()) return;
  writing?.abort();
  const mine = new AbortController();
  writing = mine;
  memory.write("steerSeed", Number($("steer-seed").value));
  $("steer-stop").disabled = false;
  say($("steer-status"), "write.writing");
  const request = { ...asRequest(), prompt: prompt(), seed: Number($("steer-seed").value) || 0 };
  try {
    const same = JSON.stringify(withModel(request));
    const byDefault = async () => {
      if (writtenFor === same) return;
      writtenFor = null;
      await side("default", request, mine.signal);
      writtenFor = same;
    };
    await Promise.all([byDefault(), side("steered", { ...request, ...sliders.pushes() }, mine.signal)]);
    answered("steer");
    say($("steer-status"), "steer.done", { same: () => number(commonStart(), 0) });
    await judge(request.prompt, mine.signal);
  } catch (error) {
    if (error.name === "AbortError" && writing === mine) say($("steer-status"), "write.stopped");
    problem(error, $("steer-status"), "steer", write);
  } finally {
    // Where one side failed the other one need not go on.
    mine.abort();
    if (writing === mine) $("steer-stop").disabled = true;
  }
}

async function side(name, request, signal) {
  const { text } = sides[name];
  const pieces = [];
  sides[name].pieces = pieces;
  text.show([]);
  say($(`steer-${name}-figures`), "");
  for await (const token of complete(request, signal)) {
    if (signal.aborted) throw signal.reason;
    if (token.end) return;
    pieces.push(token);
    text.append(coloured(token));
  }
}

/** Tokens until the two texts part. */
function commonStart() {
  const [a, b] = Object.values(sides).map(({ pieces }) => pieces);
  let same = 0;
  while (same < a.length && same < b.length && a[same].text === b[same].text) same += 1;
  return same;
}

/** How much each text surprises the model as it is: a steered text that it finds much odder is broken. */
async function judge(before, signal) {
  const surprise = {};
  for (const [name, { pieces }] of Object.entries(sides)) {
    const written = pieces.map(({ text }) => text).join("");
    if (!written) return;
    const { tokens } = await call("v1/score", { body: withModel({ text: before + written, top: 1 }), signal });
    const from = [...before].length;
    const own = tokens.filter(({ offset, logprob }) => offset >= from && logprob !== null);
    surprise[name] = own.reduce((sum, { logprob }) => sum - logprob / Math.LN2, 0) / Math.max(1, own.length);
  }
  say($("steer-default-figures"), "steer.surprise", { bits: () => fixed(surprise.default) });
  const broken = surprise.steered > BROKEN * surprise.default;
  say($("steer-steered-figures"), broken ? "steer.surprise.broken" : "steer.surprise", {
    bits: () => fixed(surprise.steered),
  });
  $("steer-steered-figures").classList.toggle("bad", broken);
}

function lookAt(name, index) {
  const piece = index === null ? null : sides[name].pieces[index];
  if (!piece || piece.logprob === null) return say($("steer-look"), "");
  return sayFigures($("steer-look"), piece);
}
