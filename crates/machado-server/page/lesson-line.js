// Logits on a number line: a mark for each token, names for the likeliest. Both lines of the lesson have the same scale, so
// that one sees how a temperature draws the marks apart or presses them together.

import { glyph, number } from "./language.js";
import { svg } from "./dom.js";

/** The line ends this far below the best: e to the power of −12 is six millionths, which no picture shows. */
const SPAN = 12;
const HEIGHT = 96;
const BASE = 66;
const NAME_ROWS = 3;
/** Pixels that a sign of a name needs; names that are nearer go into different rows. */
const SIGN = 11;

/**
 * Draws `values`, the best first, into `container`; `rows` are the tokens that have names and a row in the table, and
 * `label` says what the picture is.
 */
export function drawLine(container, { values, rows, label }) {
  const best = values[0];
  const place = (value) => 1 - (best - value) / SPAN;
  const seen = values.filter((value) => place(value) >= 0);
  const beyond = values.length - seen.length;
  const marks = seen.map((value, i) => {
    const at = percent(place(value));
    const named = i < rows.length && rows[i].token !== null;
    return svg("line", {
      class: "mark",
      x1: at,
      x2: at,
      y1: BASE - (named ? 14 : 8),
      y2: BASE,
      "data-row": named ? String(i) : null,
    });
  });
  container.replaceChildren(
    svg(
      "svg",
      { role: "img", "aria-label": label, height: String(HEIGHT) },
      svg("line", { class: "axis", x1: "0%", x2: "100%", y1: BASE, y2: BASE }),
      ...ticks(best).map((tick) =>
        svg("text", { class: "tick", x: percent(place(tick)), y: BASE + 18, "text-anchor": "middle" }, number(tick, 0)),
      ),
      beyond > 0 && svg("text", { class: "tick", x: "0%", y: HEIGHT - 1 }, `← ${number(beyond, 0)}`),
      ...marks,
      ...names(rows, values, place, container.clientWidth || 600),
    ),
  );
}

/** Names in rows over the line; one for which there is no room in any row is left out. */
function names(rows, values, place, lineWidth) {
  const taken = Array.from({ length: NAME_ROWS }, () => 2);
  return rows.flatMap(({ token }, i) => {
    const at = place(values[i]);
    if (token === null || at < 0) return [];
    const width = (SIGN * (token.length + 0.5)) / lineWidth;
    const row = taken.findIndex((left) => left - at >= width);
    if (row < 0) return [];
    taken[row] = at;
    return [
      svg(
        "text",
        {
          class: "name",
          x: percent(at),
          y: BASE - 20 - row * 15,
          "text-anchor": at > 0.97 ? "end" : "middle",
          "data-row": String(i),
        },
        glyph(token),
      ),
    ];
  });
}

function ticks(best) {
  const step = 2;
  const first = Math.floor(best / step) * step;
  return [0, 1, 2, 3, 4, 5].map((i) => first - i * step).filter((tick) => tick > best - SPAN);
}

const percent = (share) => `${(100 * share).toFixed(2)}%`;
