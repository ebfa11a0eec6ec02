// What went wrong: a banner when the server is gone, a line in the view for all else.

import { alive, ApiError, Gone, keyholder, key, pause } from "./api.js";
import { $, h } from "./dom.js";
import { say, t } from "./language.js";

const LOOK_AGAIN_MS = 2000;

/** What to do again when the server is back, by name, so that the same thing is not done twice. */
const waiting = new Map();
let watching = false;

/**
 * Shows `error`: a lost connection as a banner over all views, whose button does `retry`; anything else in `status`, the
 * line of the view. Stopping on purpose is no error. `name` tells retries apart.
 */
export function problem(error, status, name, retry) {
  if (error.name === "AbortError") return;
  if (error instanceof Gone) {
    if (retry) waiting.set(name, retry);
    if (status) say(status, "gone.short");
    showGone();
    return;
  }
  if (!(error instanceof ApiError)) console.error(error);
  const again = retry && h("button", { type: "button", class: "plain", "data-t": "again", onclick: retry });
  status.dataset.t = "";
  status.replaceChildren(h("span", { class: "bad" }, t("failed", { message: error.message })), " ");
  if (again) {
    status.append(again);
    say(again, "again");
  }
}

/** Adds which characters the model left out, if any, to what `element` says. */
export function saySkipped(element, skipped) {
  if (!skipped?.length) return;
  const characters = skipped.map(({ character, count }) => `${character} ×${count}`).join(", ");
  element.append(" ", say(h("span", { class: "bad" }), "skipped", { characters }));
}

function showGone() {
  $("gone").hidden = false;
  $("gone").classList.remove("back");
  say($("gone-text"), "gone.text");
  say($("gone-retry"), "again");
  watch();
}

/** Looks now and then whether the server is back, and says so; what to do then is the person's choice. */
async function watch() {
  if (watching) return;
  watching = true;
  do await pause(LOOK_AGAIN_MS);
  while (!$("gone").hidden && !(await alive()));
  watching = false;
  if ($("gone").hidden) return;
  $("gone").classList.add("back");
  say($("gone-text"), "gone.back");
  say($("gone-retry"), waiting.size ? "gone.goon" : "close");
}

async function retryAll() {
  if (!(await alive())) {
    // Said anew, so that a screen reader says it too.
    say($("gone-text"), "gone.still");
    watch();
    return;
  }
  $("gone").hidden = true;
  const retries = [...waiting.values()];
  waiting.clear();
  for (const retry of retries) retry();
}

/** Takes the banner away if something was answered after all. */
export function answered(name) {
  waiting.delete(name);
  if (!waiting.size) $("gone").hidden = true;
}

export function start() {
  $("gone-retry").addEventListener("click", retryAll);
  let asked = null;
  keyholder.ask = () => (asked ??= askForKey().finally(() => (asked = null)));
}

/** One dialog for all requests that wait for a key. */
function askForKey() {
  const dialog = $("key");
  say($("key-text"), key.get() ? "key.wrong" : "key.wanted");
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const closed = () => {
      const given = dialog.returnValue === "ok" && $("key-value").value.trim();
      if (given) key.set(given);
      resolve(Boolean(given));
    };
    dialog.addEventListener("close", closed, { once: true });
  });
}
