// Making elements. Text always becomes a text node, so what a model wrote can never turn into markup.

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id, which index.html promises. */
export const $ = (id) => document.getElementById(id);

/** An HTML element: `h("button", { class: "plain", onclick }, "text", child)`. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") setStyles(element, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The server's policy forbids style attributes in markup; what script sets by property is allowed. */
export function setStyles(element, styles) {
  for (const [name, value] of Object.entries(styles)) element.style.setProperty(name, value);
}

/** Calls `run` once nothing was asked for during `ms`; the last arguments count. */
export function debounce(ms, run) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), ms);
  };
}

/** Session storage may be switched off; then nothing is remembered, and nothing breaks. */
export const memory = {
  read(key, otherwise) {
    try {
      return JSON.parse(sessionStorage.getItem(`machado.${key}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  /** Returns whether there was room for it. */
  write(key, value) {
    try {
      sessionStorage.setItem(`machado.${key}`, JSON.stringify(value));
      return true;
    } catch {
      // Full or forbidden: the page works on without it.
      return false;
    }
  },
};
