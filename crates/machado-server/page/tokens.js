// A text as tokens, each coloured and each to be picked: with the mouse, or with the arrow keys and Enter. To a screen
// reader it is one list, so that nobody has to tab through a thousand letters.

import { glyph } from "./language.js";
import { h, setStyles } from "./dom.js";

let lists = 0;

/**
 * Shows `{ text, warmth (0 to 1, or null), label, by }` in `container`. `onLook(index)` is called for the token under the
 * pointer or the cursor (null when there is none any more), `onPick(index)` for a click or Enter.
 */
export class TokenText {
  #container;
  #tokens = [];
  #cursor = -1;
  #id = `tokens${lists++}`;
  #onLook;
  #onPick;

  constructor(container, { onLook = () => {}, onPick = () => {} } = {}) {
    this.#container = container;
    this.#onLook = onLook;
    this.#onPick = onPick;
    setAll(container, { role: "listbox", tabindex: "0", "aria-orientation": "horizontal" });
    container.classList.add("tokens");
    container.addEventListener("click", (event) => this.#clicked(event));
    container.addEventListener("pointerover", (event) => {
      const index = this.#indexOf(event.target);
      if (index >= 0) this.#onLook(index);
    });
    container.addEventListener("pointerleave", () => this.#onLook(this.#cursor >= 0 ? this.#cursor : null));
    container.addEventListener("keydown", (event) => this.#pressed(event));
    container.addEventListener("focus", () => {
      // A click brings its own token; were the first one scrolled to now, the click would miss it.
      const byKey = container.matches(":focus-visible");
      if (byKey && this.#cursor < 0 && this.#tokens.length) this.#moveTo(0);
    });
  }

  /** Shows other tokens instead; the cursor stays where it is if there is still something. */
  show(tokens) {
    this.#tokens = [];
    this.#container.replaceChildren();
    for (const token of tokens) this.append(token);
    this.#moveTo(Math.min(this.#cursor, tokens.length - 1), false);
    if (!tokens.length) this.#container.removeAttribute("aria-activedescendant");
  }

  append(token) {
    const index = this.#tokens.push(token) - 1;
    const span = h("span", {
      role: "option",
      id: `${this.#id}-${index}`,
      "data-index": String(index),
      "data-token": token.text,
      "aria-label": token.label,
      "aria-selected": "false",
      "data-by": token.by,
    });
    paint(span, token);
    // A line end is seen as a sign, and still ends the line.
    if (token.text.includes("\n")) span.append(h("span", { class: "sign" }, "↵"), token.text);
    else span.append(token.text || glyph(token.text));
    this.#container.append(span);
  }

  /** Colours anew, by `warmthOf(index)`. */
  recolour(warmthOf) {
    this.#tokens.forEach((token, index) => paint(this.#at(index), { ...token, warmth: warmthOf(index) }));
  }

  /** Marks one token as the one that is spoken of elsewhere, or none with null. */
  mark(index) {
    for (const span of this.#container.querySelectorAll("[aria-selected=true]")) span.ariaSelected = "false";
    if (index === null || !this.#at(index)) return;
    this.#at(index).ariaSelected = "true";
    this.#moveTo(index, false);
  }

  #at(index) {
    return this.#container.children[index];
  }

  #indexOf(target) {
    return Number(target.closest?.("[role=option]")?.dataset.index ?? -1);
  }

  #clicked(event) {
    const index = this.#indexOf(event.target);
    // Who marks text to copy it does not want to pick a letter.
    if (index < 0 || !getSelection().isCollapsed) return;
    this.#moveTo(index);
    this.#onPick(index);
  }

  #pressed(event) {
    const last = this.#tokens.length - 1;
    const at = this.#cursor;
    if ((event.key === "Enter" || event.key === " ") && at >= 0) {
      event.preventDefault();
      this.#onPick(at);
      return;
    }
    const to = {
      ArrowRight: () => at + 1,
      ArrowLeft: () => at - 1,
      Home: () => 0,
      End: () => last,
      ArrowDown: () => this.#lineFrom(at, 1),
      ArrowUp: () => this.#lineFrom(at, -1),
    }[event.key];
    if (!to || last < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.#moveTo(Math.max(0, Math.min(last, to())));
  }

  /** The token nearest to right above or below. */
  #lineFrom(index, direction) {
    const from = this.#at(index);
    let line = null;
    let best = index;
    for (let i = index + direction; this.#at(i); i += direction) {
      const { offsetTop, offsetLeft } = this.#at(i);
      if (Math.abs(offsetTop - from.offsetTop) < 4) continue;
      line ??= offsetTop;
      if (Math.abs(offsetTop - line) > 4) break;
      if (
        best === index ||
        Math.abs(offsetLeft - from.offsetLeft) < Math.abs(this.#at(best).offsetLeft - from.offsetLeft)
      )
        best = i;
    }
    return best;
  }

  #moveTo(index, look = true) {
    this.#at(this.#cursor)?.classList.remove("cursor");
    this.#cursor = index;
    const span = this.#at(index);
    if (!span) return;
    span.classList.add("cursor");
    this.#container.setAttribute("aria-activedescendant", span.id);
    if (!look) return;
    if (document.activeElement === this.#container) span.scrollIntoView({ block: "nearest" });
    this.#onLook(index);
  }
}

/** The warmer, the more surprising; below the text a line says it again for those who do not see the colour. */
function paint(span, { warmth, by }) {
  setStyles(span, { "--a": String(warmth ?? 0) });
  const level = warmth === null || warmth === undefined ? "" : warmth >= 0.66 ? "2" : warmth >= 0.33 ? "1" : "0";
  span.dataset.level = level;
  if (by) span.dataset.by = by;
}

function setAll(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}
