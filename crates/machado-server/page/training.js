// A training, live or done: curves, figures, and what the model wrote on its way.

import { alive, ApiError, call, follow, Gone, pause } from "./api.js";
import { drawChart } from "./chart.js";
import { $, debounce, h } from "./dom.js";
import { duration, fixed, number, onLanguage, percent, say, t } from "./language.js";
import { model, onModel, withModel } from "./models.js";
import { answered, problem } from "./notice.js";
import { onEnter } from "./tabs.js";

/** Redrawn at most this often, however fast the steps come. */
const REDRAW_MS = 500;
const RETRY_MS = 2000;
const SAMPLES = 10;

let run = null;
let following = null;
let redraw = null;
let allSamples = false;

export function start() {
  $("training-all").addEventListener("click", () => {
    allSamples = !allSamples;
    draw();
  });
  onLanguage(draw);
  // The curves are drawn for the room that there is.
  window.addEventListener("resize", debounce(200, draw));
  onModel(() => {
    following?.abort();
    following = null;
    run = null;
  });
  onEnter("training", enter);
}

async function enter() {
  if (!model() || following) return;
  if (!model().meta.run) return show(false);
  const mine = new AbortController();
  following = mine;
  try {
    run = await call("v1/run", { query: withModel(), signal: mine.signal });
    answered("training");
    show(true);
    draw();
    await listen(mine.signal);
    // Whoever comes back to the view later asks anew: a run that has ended can be made longer.
    if (following === mine) following = null;
  } catch (error) {
    if (following === mine) following = null;
    // A stream may end although the server is there, for instance as the run was stopped.
    if (error instanceof Gone && (await alive())) {
      await pause(RETRY_MS);
      return $("view-training").hidden ? undefined : enter();
    }
    if (error instanceof ApiError && error.code === "no_run") return show(false);
    if (run) say($("training-state"), "training.lost");
    problem(error, $("training-status"), "training", enter);
  }
}

/** The lines of the log as they are written, from the first one that is not here yet. */
async function listen(signal) {
  while (run.state === "training") {
    const query = withModel({ from: run.next });
    for await (const { id, data } of follow("v1/run/events", query, signal)) {
      run.next = Number(id) + 1;
      run.events.push(data);
      run.steps = data.step ?? run.steps;
      if (data.event === "done") run.state = "finished";
      redraw ??= setTimeout(() => {
        redraw = null;
        draw();
      }, REDRAW_MS);
      if (run.state !== "training") break;
    }
    await pause(REDRAW_MS, signal);
  }
}

function show(there) {
  $("training-none").hidden = there;
  $("training-here").hidden = !there;
}

const of = (kind) => run.events.filter(({ event }) => event === kind);
const points = (kind, metric) =>
  of(kind)
    .filter((one) => Number.isFinite(one[metric]))
    .map((one) => [one.step, one[metric]]);

function draw() {
  if (!run) return;
  say($("training-title"), "training.title", { name: run.name });
  say($("training-state"), `training.state.${run.state}`);
  $("training-state").dataset.state = run.state;
  const progress = run.total_steps ? run.steps / run.total_steps : null;
  $("training-progress").hidden = progress === null;
  if (progress !== null) $("training-progress").value = progress;
  showFigures();
  for (const metric of ["loss", "accuracy"]) {
    const curves = [
      { key: "training.curve.training", points: points("step", metric) },
      { key: "training.curve.validation", points: points("evaluated", `val_${metric}`), dots: true },
    ];
    const last = (curve) => (curve.points.length ? number(curve.points[curve.points.length - 1][1], 3) : "–");
    drawChart($(`training-${metric}`), {
      titleKey: `training.${metric}`,
      xKey: "training.step",
      curves,
      describe: () => t(`training.${metric}.describe`, { training: last(curves[0]), validation: last(curves[1]) }),
    });
  }
  showTable();
  $("training-config").textContent = JSON.stringify(run.config, null, 2);
  showSamples();
}

function showFigures() {
  const steps = of("step");
  const last = steps[steps.length - 1] ?? {};
  const evaluated = of("evaluated");
  const best = evaluated.filter(({ best: is }) => is).pop() ?? evaluated[evaluated.length - 1];
  const elapsed = run.events[run.events.length - 1]?.elapsed_seconds;
  const left =
    run.state === "training" && run.total_steps && last.ms_per_step
      ? ((run.total_steps - run.steps) * last.ms_per_step) / 1000
      : null;
  const figures = [
    ["step", `${number(run.steps, 0)}${run.total_steps ? ` / ${number(run.total_steps, 0)}` : ""}`],
    ["epoch", number(last.epoch, 0)],
    ["speed", last.tokens_per_second ? t("training.speed.value", { speed: number(last.tokens_per_second, 0) }) : "–"],
    ["elapsed", elapsed === undefined ? "–" : duration(elapsed)],
    ["left", left === null ? "–" : duration(left)],
    ["loss_now", fixed(last.loss, 4)],
    ["best", best ? fixed(best.val_loss, 4) : "–"],
    ["bits", best ? fixed(best.bits_per_character, 3) : "–"],
    [
      "rate",
      number(last.learning_rate, {
        maximumSignificantDigits: 3,
        notation: last.learning_rate < 1e-4 ? "scientific" : "standard",
      }),
    ],
  ];
  $("training-figures").replaceChildren(
    ...figures.map(([name, value]) =>
      h("div", {}, say(h("dt"), `training.figure.${name}`), h("dd", { "data-figure": name }, value)),
    ),
  );
}

/** The curves of validation in figures. */
function showTable() {
  const head = ["step", "epoch", "val_loss", "val_accuracy", "bits", "best"].map((name) =>
    say(h("th", { scope: "col" }), `training.table.${name}`),
  );
  const rows = of("evaluated").map((one) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, number(one.step, 0)),
      h("td", {}, number(one.epoch, 0)),
      h("td", {}, fixed(one.val_loss, 4)),
      h("td", {}, percent(one.val_accuracy)),
      h("td", {}, fixed(one.bits_per_character, 3)),
      h("td", {}, one.best ? "✓" : ""),
    ),
  );
  $("training-table").replaceChildren(h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows));
}

function showSamples() {
  const samples = of("sample").reverse();
  const shown = allSamples ? samples : samples.slice(0, SAMPLES);
  $("training-samples").replaceChildren(
    ...shown.map(({ step, prompt, text, temperature }) =>
      h(
        "li",
        {},
        h("p", { class: "soft" }, t("training.sample", { step: number(step, 0), temperature: number(temperature, 2) })),
        h("blockquote", {}, h("span", { class: "soft" }, prompt), text),
      ),
    ),
  );
  $("training-no-samples").hidden = samples.length > 0;
  $("training-all").hidden = samples.length <= SAMPLES;
  say($("training-all"), allSamples ? "training.fewer" : "training.all", { count: () => number(samples.length, 0) });
}
