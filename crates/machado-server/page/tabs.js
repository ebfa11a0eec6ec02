// The views: one at a time, each with an address (#write, #score, …), moved between with a click or the arrow keys.

import { $ } from "./dom.js";

/** What each view does when it comes up; a view that needs data asks for it then and not before. */
const entering = new Map();

export const onEnter = (name, enter) => entering.set(name, enter);

const tabs = () => [...document.querySelectorAll("[role=tab]")];
const nameOf = (tab) => tab.hash.slice(1);

/** The name of the view that is shown. */
export const currentView = () => nameOf(tabs().find((tab) => tab.ariaSelected === "true"));

/** Goes to a view, and so that the browser's back button comes back. */
export function goTo(name) {
  if (location.hash === `#${name}`) show();
  else location.hash = name;
}

/** Has the shown view ask for its data again, for instance as another model was chosen. */
export const refresh = () => entering.get(currentView())?.();

export function start() {
  $("tabs").addEventListener("keydown", (event) => {
    const all = tabs();
    const at = all.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = all[(to + all.length) % all.length];
    goTo(nameOf(tab));
    tab.focus();
  });
  window.addEventListener("hashchange", show);
  show();
}

function show() {
  const all = tabs();
  const named = all.find((tab) => tab.hash === location.hash);
  // An address of something else, such as the content that one can skip to, changes no view.
  if (!named && all.some((tab) => tab.ariaSelected === "true")) return;
  const wanted = named ?? all[0];
  for (const tab of all) {
    const chosen = tab === wanted;
    tab.ariaSelected = String(chosen);
    tab.tabIndex = chosen ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !chosen;
  }
  wanted.scrollIntoView({ block: "nearest", inline: "nearest" });
  refresh();
}
