// Texts that were left for another choice; a click brings one back.

import { $, h } from "./dom.js";

/** How much of the text is shown around the place where a version goes another way. */
const BEFORE = 20;
const AFTER = 60;

/** Lists the versions of `story`; `restored()` is called after one was put back. */
export function showVersions(story, restored) {
  $("write-versions").hidden = !story.versions.length;
  $("write-version-list").replaceChildren(
    ...story.versions.map((version) => {
      const whole = version.prompt + version.pieces.map(({ text }) => text).join("");
      const same = commonLength(whole, story.text());
      const shown = whole.slice(Math.max(0, same - BEFORE), same + AFTER);
      const restore = () => {
        story.restore(version);
        restored();
      };
      return h("li", {}, h("button", { type: "button", class: "plain version", onclick: restore }, `…${shown}`));
    }),
  );
}

function commonLength(a, b) {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i += 1;
  return i;
}
