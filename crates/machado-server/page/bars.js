// Candidates as a list of bars: the token, a bar as long as its probability, and the number.

import { glyph, percent, spoken, t } from "./language.js";
import { h, setStyles } from "./dom.js";

/**
 * A list in `container` (an `ol`). Rows are `{ id, token, p, ghost }`; `ghost` is a second probability, drawn as a mark, to
 * compare with. With `onPick` each row is a button that calls it with the row.
 */
export class Bars {
  #container;
  #onPick;
  #rows = new Map();

  constructor(container, onPick = null) {
    this.#container = container;
    this.#onPick = onPick;
    container.classList.add("candidates");
  }

  /** Shows `rows`. Where the tokens are those of before, elements stay, so that bars glide and focus is kept. */
  show(rows, chosenId = null) {
    const ids = rows.map(({ id }) => String(id));
    const same = ids.length === this.#rows.size && ids.every((id) => this.#rows.has(id));
    if (!same) this.#rows = new Map(ids.map((id) => [id, this.#row()]));
    const elements = rows.map((row) => {
      const element = this.#rows.get(String(row.id));
      this.#update(element, row, chosenId);
      return element;
    });
    const hadFocus = this.#container.contains(document.activeElement);
    const inOrder = elements.every((element, i) => this.#container.children[i] === element);
    if (!inOrder || this.#container.children.length !== elements.length) this.#container.replaceChildren(...elements);
    // Who goes from choice to choice by keyboard is not thrown back to the top of the page.
    if (hadFocus && !this.#container.contains(document.activeElement))
      this.#container.querySelector("button")?.focus({ preventScroll: true });
  }

  #row() {
    const parts = [
      h("span", { class: "glyph" }),
      h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "fill" }), h("span", { class: "ghost" })),
      h("span", { class: "value" }),
    ];
    if (!this.#onPick) return h("li", {}, h("span", { class: "candidate" }, ...parts));
    return h("li", {}, h("button", { type: "button", class: "candidate" }, ...parts));
  }

  #update(element, row, chosenId) {
    const line = element.firstChild;
    const [name, track, value] = line.children;
    name.textContent = glyph(row.token);
    value.textContent = row.p === 0 ? t("bars.out") : percent(row.p);
    setStyles(track.firstChild, { width: `${100 * row.p}%` });
    track.lastChild.hidden = row.ghost === undefined;
    if (row.ghost !== undefined) setStyles(track.lastChild, { left: `${100 * row.ghost}%` });
    line.dataset.token = row.token;
    line.classList.toggle("out", row.p === 0);
    line.classList.toggle("chosen", row.id === chosenId);
    if (!this.#onPick) return;
    line.onclick = () => this.#onPick(row);
    line.setAttribute("aria-label", t("bars.pick", { token: spoken(row.token), probability: percent(row.p) }));
  }
}
