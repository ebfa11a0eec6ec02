// Turning features up and down: sliders, what that does to the next token, and what the model then writes, beside what it
// writes anyway, with the same prompt and seed.

import { call } from "./api.js";
import { Bars } from "./bars.js";
import { complete } from "./completion.js";
import { $, debounce, h, memory } from "./dom.js";
import { fixed, number, onLanguage, percent, say, spoken, t } from "./language.js";
import { allCandidates, model, onModel, withModel } from "./models.js";
import { answered, problem } from "./notice.js";
import { divergence, warmth } from "./sampling.js";
import { addFields, asRequest, onSettings } from "./settings.js";
import { TokenText } from "./tokens.js";

/** Beyond this ratio of surprise a steered text counts as broken; see docs/steering.md. */
const BROKEN = 1.25;
const ROWS = 8;

const chosen = new Map();
const sides = { default: null, steered: null };
let bars;
let writing = null;
let looking = null;
let actions;
const lookLater = debounce(80, showNext);
const writeLater = debounce(500, () => $("steer-live").checked && write());

/** `actions`: open(id) to look at a feature of a slider. */
export function start(given) {
  actions = given;
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
  $("steer-reach").addEventListener("change", changed);
  $("steer-by-number").addEventListener("submit", addByNumber);
  onSettings(lookLater);
  onLanguage(draw);
  onModel(() => {
    chosen.clear();
    $("steer-prompt").value = model().meta.sample_prompt ?? "";
    $("steer-seed").value = memory.read("steerSeed", 1);
    draw();
  });
}

/** Puts a feature among the sliders. */
export function add({ id, label }) {
  if (!chosen.has(id)) chosen.set(id, { label, strength: 1, mode: "hold" });
  draw();
  changed();
  $("steer").scrollIntoView({ block: "start" });
  $(`steer-strength-${id}`).focus({ preventScroll: true });
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

/** The sliders as a request has them. */
function pushes() {
  const steer = [...chosen].map(([feature, { strength, mode }]) => (mode === "off" ? { feature, mode } : { feature, strength, mode }));
  return { steer, steer_reach: $("steer-reach").value };
}

function draw() {
  $("steer-empty").hidden = chosen.size > 0;
  $("steer-sliders").replaceChildren(...[...chosen].map(([id, one]) => slider(id, one)));
  for (const side of Object.values(sides)) side.text.show(side.pieces.map(shown));
  showCommand();
  if (model()?.meta.features) lookLater();
}

function slider(id, one) {
  const name = `steer-strength-${id}`;
  const value = h("output", { for: name });
  const range = h("input", { type: "range", id: name, min: -2, max: 5, step: 0.1, value: one.strength, "data-feature": String(id) });
  const show = () => {
    value.textContent = one.mode === "off" ? t("steer.mode.off") : fixed(one.strength, 1);
    range.disabled = one.mode === "off";
    showCommand();
  };
  range.addEventListener("input", () => {
    one.strength = Number(range.value);
    show();
    changed();
  });
  const mode = h("select", { id: `steer-mode-${id}`, "aria-label": t("steer.mode", { id }) },
    ...["hold", "add", "off"].map((kind) => h("option", { value: kind, selected: kind === one.mode }, t(`steer.mode.${kind}`))));
  mode.addEventListener("change", () => {
    one.mode = mode.value;
    show();
    changed();
  });
  const remove = h("button", { type: "button", class: "plain", "data-remove": String(id), "aria-label": t("steer.remove.label", { id }), onclick: () => {
    chosen.delete(id);
    draw();
    changed();
    $("steer-number").focus();
  } }, t("steer.remove"));
  show();
  return h("li", { "data-steer": String(id) },
    h("label", { for: name }, t("steer.strength", { id, label: one.label }), " ", value), range,
    h("span", { class: "row-of-buttons" }, mode, h("button", { type: "button", class: "plain", onclick: () => actions.open(id) }, t("steer.look")), remove));
}

/** The same on the command line, for whoever wants to keep it. */
function showCommand() {
  const steer = [...chosen].map(([id, { strength, mode }]) => `${id}:${mode === "off" ? "off" : `${mode === "add" ? "add" : ""}${strength}`}`);
  $("steer-command").hidden = !chosen.size;
  $("steer-command").textContent = `--steer ${steer.join(",")}${$("steer-reach").value === "output" ? " --steer-reach output" : ""}`;
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
    const [without, steered] = await Promise.all([body, { ...body, ...pushes() }].map((one) => call("v1/probs", { body: one, signal: mine.signal })));
    const before = new Map(without.candidates.map(({ id, logprob }) => [id, Math.exp(logprob)]));
    const all = steered.candidates.map((one) => ({ ...one, p: Math.exp(one.logprob), ghost: before.get(one.id) ?? 0 }));
    const rows = [...all].sort((a, b) => Math.max(b.p, b.ghost) - Math.max(a.p, a.ghost)).slice(0, ROWS);
    bars.show(rows);
    const complete = steered.candidates.length >= steered.vocabulary_size;
    const nats = divergence(all.map(({ p }) => p), all.map(({ ghost }) => ghost));
    say($("steer-kl"), complete ? "steer.kl" : "", { nats: () => fixed(nats, 3) });
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
    await Promise.all([side("default", request, mine.signal), side("steered", { ...request, ...pushes() }, mine.signal)]);
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
    text.append(shown(token));
  }
}

const shown = ({ text, logprob }) => ({
  text, warmth: logprob === null ? null : warmth(logprob),
  label: logprob === null ? spoken(text) : t("token.label", { token: spoken(text), probability: percent(Math.exp(logprob)) }),
});

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
  say($("steer-steered-figures"), broken ? "steer.surprise.broken" : "steer.surprise", { bits: () => fixed(surprise.steered) });
  $("steer-steered-figures").classList.toggle("bad", broken);
}

function lookAt(name, index) {
  const piece = index === null ? null : sides[name].pieces[index];
  if (!piece || piece.logprob === null) return say($("steer-look"), "");
  return say($("steer-look"), "token.figures", {
    token: () => spoken(piece.text), probability: () => percent(Math.exp(piece.logprob)), bits: () => number(-piece.logprob / Math.LN2, 1),
  });
}
