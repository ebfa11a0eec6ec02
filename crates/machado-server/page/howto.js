// How to call this server from a program, with the prompt and settings of the page as the example.

import { key, origin } from "./api.js";
import { $, h } from "./dom.js";
import { onLanguage, say } from "./language.js";
import { model, onModel } from "./models.js";
import { asRequest, onSettings } from "./settings.js";
import { onEnter } from "./tabs.js";

/** What OpenAI's client knows by name; all else goes in its `extra_body`. */
const OPENAI = ["prompt", "max_tokens", "temperature", "top_p", "seed", "stop"];

const snippets = { curl, python, javascript, probs };

export function start() {
  onEnter("api", draw);
  onModel(draw);
  onLanguage(draw);
  onSettings(draw);
  $("api-key-set").addEventListener("click", () => {
    key.set("");
    draw();
  });
}

function draw() {
  const request = { model: model()?.id ?? "machado", prompt: $("write-prompt").value, ...asRequest() };
  $("api-key-set").hidden = !key.get();
  $("api-list").replaceChildren(
    ...Object.entries(snippets).map(([name, make]) => {
      const code = make(request);
      const copied = h("span", { role: "status", class: "soft" });
      const copy = async () => {
        try {
          await navigator.clipboard.writeText(code);
          say(copied, "copied");
        } catch {
          say(copied, "copy.failed");
        }
      };
      return h(
        "section",
        {},
        say(h("h2"), `api.${name}`),
        h("pre", { tabindex: "0", "data-snippet": name }, h("code", {}, code)),
        h("p", {}, say(h("button", { type: "button", "data-copy": name, onclick: copy }), "copy"), " ", copied),
      );
    }),
  );
}

/** What a key is written as in an example: never the real one, since examples are copied into chats. */
const header = () => (key.get() ? "YOUR_KEY" : null);

function curl(request) {
  const body = JSON.stringify({ ...request, stream: true }).replaceAll("'", "'\\''");
  const authorization = header() ? `  -H 'authorization: Bearer ${header()}' \\\n` : "";
  return `curl -N ${origin()}/v1/completions \\\n${authorization}  -H 'content-type: application/json' \\\n  -d '${body}'`;
}

function python(request) {
  const literal = (value) => JSON.stringify(value);
  const known = OPENAI.filter((name) => name in request)
    .map((name) => `    ${name}=${literal(request[name])},\n`)
    .join("");
  const others = Object.fromEntries(
    Object.entries(request).filter(([name]) => name !== "model" && !OPENAI.includes(name)),
  );
  const extra = Object.keys(others).length ? `    extra_body=${literal(others)},\n` : "";
  return `from openai import OpenAI

client = OpenAI(base_url="${origin()}/v1", api_key="${header() ?? "none"}")
stream = client.completions.create(
    model=${literal(request.model)},
${known}${extra}    stream=True,
)
for chunk in stream:
    print(chunk.choices[0].text, end="", flush=True)
`;
}

function javascript(request) {
  const authorization = header() ? `, authorization: "Bearer ${header()}"` : "";
  return `const response = await fetch("${origin()}/v1/completions", {
  method: "POST",
  headers: { "content-type": "application/json"${authorization} },
  body: JSON.stringify(${JSON.stringify(request, null, 2).replaceAll("\n", "\n  ")}),
});
const { choices } = await response.json();
console.log(choices[0].text);
`;
}

function probs({ model: id, prompt }) {
  const body = JSON.stringify({ model: id, prompt, top: 5 }).replaceAll("'", "'\\''");
  const authorization = header() ? `  -H 'authorization: Bearer ${header()}' \\\n` : "";
  return `curl ${origin()}/v1/probs \\\n${authorization}  -H 'content-type: application/json' \\\n  -d '${body}'`;
}
