// Portuguese or English: what is said, and how numbers and tokens are written.

import { words } from "./words.js";

const TAGS = { en: "en", pt: "pt-BR" };
const COLUMN = { en: 0, pt: 1 };
const KEY = "machado.language";

let language = stored() ?? (navigator.language.toLowerCase().startsWith("pt") ? "pt" : "en");

/** What to fill into the `{…}` of an element's words; kept so that switching the language can do it again. */
const valuesOf = new WeakMap();

/** The attributes that can have words, and where an element names them. */
const PLACES = { t: null, tLabel: "aria-label", tTitle: "title", tPlaceholder: "placeholder" };

export const currentLanguage = () => language;

/** The words for a key of words.js; `{name}` is filled in, from a value or from a function that makes one. */
export function t(key, values = {}) {
  const pair = words[key];
  if (!pair) throw new Error(`words.js has no "${key}"`);
  return pair[COLUMN[language]].replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "function" ? value() : value;
  });
}

/**
 * Lets an element say something, in this language and in any that is switched to. Functions in `values` are called again
 * then, so they must not look at what may have changed.
 */
export function say(element, key, values = {}) {
  valuesOf.set(element, values);
  element.dataset.t = key;
  element.textContent = key ? t(key, values) : "";
  return element;
}

/** Puts the words into all elements that name some by `data-t`, `data-t-label` and so on. */
export function translate(root = document) {
  for (const [name, attribute] of Object.entries(PLACES)) {
    const selector = `data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    for (const element of root.querySelectorAll(`[${selector}]`)) {
      const key = element.dataset[name];
      if (!key) continue;
      const text = t(key, valuesOf.get(element));
      if (attribute) element.setAttribute(attribute, text);
      else element.textContent = text;
    }
  }
}

/** Switches, remembers it, and tells the views, which draw again what they wrote themselves. */
export function setLanguage(next) {
  language = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Not remembered, but switched.
  }
  start();
  document.dispatchEvent(new Event("languagechange"));
}

export function start() {
  document.documentElement.lang = TAGS[language];
  document.title = t("title");
  translate();
}

/** Has a view draw again when the language changes. */
export const onLanguage = (draw) => document.addEventListener("languagechange", draw);

function stored() {
  try {
    const value = localStorage.getItem(KEY);
    return value in COLUMN ? value : null;
  } catch {
    return null;
  }
}

/** A number with at most so many decimals, or with the `Intl.NumberFormat` options given. */
export function number(value, options = 2) {
  if (value === null || value === undefined) return "–";
  const chosen = typeof options === "number" ? { maximumFractionDigits: options } : options;
  return new Intl.NumberFormat(TAGS[language], chosen).format(value);
}

/** A number with always so many decimals, for columns. */
export const fixed = (value, digits = 2) =>
  number(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** A probability or share as a percentage that never pretends to be 0. */
export function percent(share) {
  if (share > 0 && share < 0.0001) return `<${number(0.0001, { style: "percent", maximumFractionDigits: 2 })}`;
  const digits = share >= 0.0995 ? 1 : 2;
  return number(share, { style: "percent", maximumFractionDigits: digits });
}

/** Seconds as 45 s, 3 min 20 s, 2 h 5 min. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** A token so that one sees all of it: spaces and line ends have signs. */
export function glyph(token) {
  if (token === "") return "·";
  const signs = { " ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍", "\u00a0": "⍽" };
  return token.replace(/[ \n\t\r\u00a0]/g, (sign) => signs[sign]);
}

/** A token in a sentence that is both seen and heard: nothing but a space is called so, in words it is a sign. */
export const named = (token) => (token.trim() ? glyph(token) : spoken(token));

/** A token so that a screen reader says all of it. */
export function spoken(token) {
  if (token === "") return t("token.part");
  const names = { " ": t("token.space"), "\n": t("token.newline"), "\t": t("token.tab") };
  return names[token] ?? token.replace(/^ /, `${t("token.space")} `).replaceAll("\n", ` ${t("token.newline")} `);
}
