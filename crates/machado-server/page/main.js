// Starts the page. index.html has the markup of all views; each view's module brings it to life.

import { $ } from "./dom.js";
import * as features from "./features.js";
import * as howto from "./howto.js";
import { currentLanguage, setLanguage, start as startLanguage } from "./language.js";
import * as lesson from "./lesson.js";
import * as models from "./models.js";
import * as notice from "./notice.js";
import * as score from "./score.js";
import * as tabs from "./tabs.js";
import * as training from "./training.js";
import * as write from "./write.js";

startLanguage();
for (const part of [notice, models, write, lesson, score, features, training, howto]) part.start();
tabs.start();

$("language").addEventListener("click", () => setLanguage(currentLanguage() === "pt" ? "en" : "pt"));
document.addEventListener("modelchange", tabs.refresh);

async function load() {
  try {
    await models.load();
    notice.answered("models");
  } catch (error) {
    notice.problem(error, $("model-facts"), "models", load);
  }
}
load();
