// Curves over steps, as SVG: axes with round numbers, a legend in the figure's caption, figures under the pointer.

import { h, svg } from "./dom.js";
import { number, say } from "./language.js";

const WIDEST = 640;
const HEIGHT = 300;
const MARGIN = { left: 56, right: 14, top: 12, bottom: 40 };

/**
 * Draws `curves` (`{ key, points: [[x, y], …], dots }`, `key` being words for the legend) into `figure`; `describe` makes
 * the words for a screen reader, and `xKey` names the horizontal axis.
 */
export function drawChart(figure, { titleKey, xKey, curves, describe }) {
  const all = curves.flatMap(({ points }) => points);
  const caption = h(
    "figcaption",
    {},
    say(h("span"), titleKey),
    ...curves.flatMap(({ key }, i) => [" ", legend(key, i)]),
  );
  if (!all.length) {
    figure.replaceChildren(caption, say(h("p", { class: "soft" }), "chart.empty"));
    return;
  }
  // As wide as there is room, so that the letters are of one size on a phone and on a desk.
  const width = Math.min(WIDEST, figure.clientWidth || WIDEST);
  const x = axis(
    all.map(([value]) => value),
    MARGIN.left,
    width - MARGIN.right,
  );
  const y = axis(
    all.map(([, value]) => value),
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  );
  const reading = h("p", { class: "reading soft" }, " ");
  const rule = svg("line", { class: "rule", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, visibility: "hidden" });
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": describe() },
    ...y.ticks.map((tick) =>
      svg(
        "g",
        {},
        svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y.at(tick), y2: y.at(tick) }),
        svg("text", { class: "tick", x: MARGIN.left - 6, y: y.at(tick) + 4, "text-anchor": "end" }, number(tick, 3)),
      ),
    ),
    ...x.ticks.map((tick) =>
      svg(
        "text",
        { class: "tick", x: x.at(tick), y: HEIGHT - MARGIN.bottom + 18, "text-anchor": "middle" },
        number(tick, { notation: tick >= 10000 ? "compact" : "standard" }),
      ),
    ),
    say(svg("text", { class: "tick", x: (width + MARGIN.left) / 2, y: HEIGHT - 6, "text-anchor": "middle" }), xKey),
    ...curves.flatMap((curve, i) => drawCurve(curve, i, x, y)),
    rule,
  );
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const wanted = x.back(((event.clientX - box.left) / box.width) * width);
    const nearest = all.reduce((best, point) =>
      Math.abs(point[0] - wanted) < Math.abs(best[0] - wanted) ? point : best,
    )[0];
    for (const [name, value] of [
      ["x1", x.at(nearest)],
      ["x2", x.at(nearest)],
      ["visibility", "visible"],
    ])
      rule.setAttribute(name, value);
    reading.replaceChildren(
      say(h("span"), xKey),
      ` ${number(nearest, 0)}`,
      ...curves.flatMap(({ key, points }) => {
        const value = valueAt(points, nearest);
        return value === null ? [] : [" · ", say(h("span"), key), ` ${number(value, 4)}`];
      }),
    );
  });
  picture.addEventListener("pointerleave", () => {
    rule.setAttribute("visibility", "hidden");
    reading.textContent = " ";
  });
  figure.replaceChildren(caption, picture, reading);
}

function legend(key, i) {
  const line = svg(
    "svg",
    { class: "legend", viewBox: "0 0 28 10", "aria-hidden": "true" },
    svg("line", { class: `curve c${i}`, x1: 0, x2: 28, y1: 5, y2: 5 }),
  );
  return h("small", { class: "legend-item" }, line, " ", say(h("span"), key));
}

function drawCurve({ points, dots }, i, x, y) {
  const path = points.map(([a, b], n) => `${n ? "L" : "M"}${x.at(a).toFixed(1)} ${y.at(b).toFixed(1)}`).join("");
  const marks = dots
    ? points.map(([a, b]) => svg("circle", { class: `dot d${i}`, cx: x.at(a), cy: y.at(b), r: 3 }))
    : [];
  return [svg("path", { class: `curve c${i}`, d: path }), ...marks];
}

/** The last value at or before a step. */
function valueAt(points, step) {
  const before = points.filter(([a]) => a <= step);
  return before.length ? before[before.length - 1][1] : null;
}

/** From numbers to places on the picture, with ticks at round numbers. */
function axis(values, from, to) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (low === high) {
    low -= 0.5;
    high += 0.5;
  }
  const step = roundStep((high - low) / 5);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9; i++) ticks.push(i * step);
  const at = (value) => from + ((value - low) / (high - low)) * (to - from);
  const back = (place) => low + ((place - from) / (to - from)) * (high - low);
  return { at, back, ticks };
}

/** 1, 2 or 5 times a power of ten, the first that is not below `rough`. */
function roundStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999);
}
