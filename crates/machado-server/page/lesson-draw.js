// The end of the lesson: a number between 0 and 1 falls on a strip on which each token has as much room as its
// probability. Drawn often enough, the counts come near to the probabilities.

import { $, h, setStyles, svg } from "./dom.js";
import { fixed, glyph, number, onLanguage, percent, say, t } from "./language.js";
import { indexAt } from "./sampling.js";

const HEIGHT = 70;
const SPIN_MS = 900;
const MANY = 100;

export class Drawing {
  #numbers = null;
  #counts = [];
  #total = 0;
  #drawn = null;
  #uniform = null;
  #spinning = null;
  #playing = false;
  #onAppend;
  #onLink;

  constructor({ onAppend, onLink }) {
    this.#onAppend = onAppend;
    this.#onLink = onLink;
    $("lesson-draw").addEventListener("click", () => this.#spin());
    $("lesson-draw-many").addEventListener("click", () => this.#many());
    $("lesson-clear").addEventListener("click", () => this.show(this.#numbers));
    $("lesson-append").addEventListener("click", () => this.#append());
    $("lesson-play").addEventListener("click", () => this.#play(!this.#playing));
    for (const place of [$("lesson-strip"), $("lesson-histogram")]) {
      place.addEventListener("pointerover", (event) => {
        const row = event.target.closest("[data-row]");
        onLink(row ? Number(row.dataset.row) : null);
      });
      place.addEventListener("pointerleave", () => onLink(null));
    }
    onLanguage(() => this.#numbers && this.#show());
  }

  /** Takes other probabilities; what was drawn by the old ones counts no more. */
  show(numbers) {
    cancelAnimationFrame(this.#spinning);
    this.#numbers = numbers;
    this.#counts = numbers.rows.map(() => 0);
    this.#total = 0;
    this.#drawn = null;
    this.#uniform = null;
    this.#show();
    if (this.#playing) this.#later(() => this.#spin());
  }

  #show() {
    this.#showStrip();
    this.#showHistogram();
    this.#showResult();
  }

  /** Places are in percent, so that the strip has any width and its letters keep their shape. */
  #showStrip() {
    let left = 0;
    const parts = this.#numbers.rows.map(({ token, probability }, row) => {
      const name = token === null ? "…" : glyph(token);
      const part = svg(
        "g",
        { "data-row": String(row), class: token === null ? "others" : `part${row % 2}` },
        svg("rect", { x: percentage(left), y: 14, width: percentage(probability), height: HEIGHT - 34 }),
        probability > 0.025 * name.length &&
          svg("text", { x: percentage(left + probability / 2), y: 38, "text-anchor": "middle" }, name),
      );
      left += probability;
      return part;
    });
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((at) =>
      svg(
        "text",
        {
          x: percentage(at),
          y: HEIGHT - 4,
          class: "tick",
          "text-anchor": at === 0 ? "start" : at === 1 ? "end" : "middle",
        },
        number(at),
      ),
    );
    const needle = svg(
      "svg",
      { id: "lesson-needle", overflow: "visible" },
      svg("path", { d: `M-8 0 L8 0 L0 12 V${HEIGHT - 20} V12 Z` }),
    );
    if (this.#uniform === null) needle.setAttribute("visibility", "hidden");
    $("lesson-strip").replaceChildren(
      svg("svg", { role: "img", "aria-label": t("lesson.strip"), height: String(HEIGHT) }, ...parts, ...ticks, needle),
    );
    if (this.#uniform !== null) this.#point(this.#uniform);
  }

  #point(uniform) {
    const needle = $("lesson-needle");
    needle.setAttribute("visibility", "visible");
    needle.setAttribute("x", percentage(uniform));
  }

  /** The needle runs along the strip and comes to rest where the number fell. */
  #spin() {
    if (!this.#numbers) return;
    const uniform = Math.random();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (still) return this.#land(uniform);
    const begun = performance.now();
    cancelAnimationFrame(this.#spinning);
    const frame = (now) => {
      const done = Math.min(1, (now - begun) / SPIN_MS);
      if (done === 1) return this.#land(uniform);
      // Three times to and fro, slower and slower, ending at the number.
      const way = 1 - (1 - done) ** 3;
      const at = Math.abs((((uniform + 6 * (1 - way)) % 2) + 2) % 2);
      this.#point(at > 1 ? 2 - at : at);
      this.#spinning = requestAnimationFrame(frame);
    };
    this.#spinning = requestAnimationFrame(frame);
  }

  #land(uniform) {
    this.#count(uniform);
    this.#point(uniform);
    this.#showHistogram();
    this.#showResult();
    if (this.#playing) this.#later(() => this.#append());
  }

  #many() {
    if (!this.#numbers) return;
    for (let i = 0; i < MANY; i++) this.#count(Math.random());
    this.#point(this.#uniform);
    this.#showHistogram();
    this.#showResult();
  }

  #count(uniform) {
    const { candidates, probabilities, rows } = this.#numbers;
    const index = indexAt(probabilities, uniform);
    this.#uniform = uniform;
    this.#drawn = candidates[index].token;
    this.#counts[Math.min(index, rows.length - 1)] += 1;
    this.#total += 1;
  }

  #showResult() {
    $("lesson-append").disabled = this.#drawn === null;
    if (this.#drawn === null) {
      say($("lesson-result"), "lesson.result.none");
      say($("lesson-append"), "lesson.append.none");
      return;
    }
    const uniform = this.#uniform;
    say($("lesson-result"), "lesson.result", { uniform: () => fixed(uniform, 4), token: glyph(this.#drawn) });
    say($("lesson-append"), "lesson.append", { token: glyph(this.#drawn) });
  }

  /** What came, as bars, and what was to be expected, as marks. */
  #showHistogram() {
    const { rows } = this.#numbers;
    const shares = this.#counts.map((count) => (this.#total ? count / this.#total : 0));
    const largest = Math.max(...shares, ...rows.map(({ probability }) => probability));
    const items = rows.map(({ token, probability }, row) => {
      const bar = h("span", { class: "fill" });
      const mark = h("span", { class: "ghost" });
      setStyles(bar, { width: `${(100 * shares[row]) / largest}%` });
      setStyles(mark, { left: `${(100 * probability) / largest}%` });
      return h(
        "li",
        { "data-row": String(row) },
        h(
          "span",
          { class: "candidate" },
          h("span", { class: "glyph" }, token === null ? "…" : glyph(token)),
          h("span", { class: "track", "aria-hidden": "true" }, bar, mark),
          h(
            "span",
            { class: "value" },
            t("lesson.count", {
              count: number(this.#counts[row], 0),
              expected: number(probability * this.#total, 1),
            }),
          ),
        ),
      );
    });
    $("lesson-histogram").replaceChildren(...items);
    // Half the sum of all gaps: the share of the draws that fell elsewhere than expected.
    const gap = rows.reduce((sum, { probability }, row) => sum + Math.abs(probability - shares[row]), 0) / 2;
    const total = this.#total;
    if (total) {
      say($("lesson-total"), "lesson.total", { total: () => number(total, 0), gap: () => percent(gap) });
    } else {
      say($("lesson-total"), "lesson.total.none");
    }
  }

  #append() {
    if (this.#drawn === null) return;
    const token = this.#drawn;
    this.#drawn = null;
    $("lesson-append").disabled = true;
    this.#onAppend(token);
  }

  /** By itself: draw, append, draw, … until stopped or the view is left. */
  #play(on) {
    this.#playing = on;
    $("lesson-play").setAttribute("aria-pressed", String(on));
    say($("lesson-play"), on ? "lesson.pause" : "lesson.play");
    if (on) this.#spin();
  }

  #later(step) {
    setTimeout(() => {
      if ($("view-lesson").hidden) this.#play(false);
      if (this.#playing) step();
    }, 600);
  }
}

const percentage = (share) => `${(100 * share).toFixed(3)}%`;
