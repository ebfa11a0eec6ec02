// Server-sent events from a fetch. The browser's own EventSource cannot send a body or a key.

/**
 * Takes text as it comes in, in pieces of any size, and returns the events that are complete.
 * An event is `{ id, data }`; comments (`: ping`) and fields of other names are skipped.
 */
export class EventParser {
  #rest = "";
  #id = null;
  #data = [];

  push(text) {
    const events = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length) events.push({ id: this.#id, data: this.#data.join("\n") });
        this.#data = [];
        continue;
      }
      const colon = line.indexOf(":");
      if (colon === 0) continue;
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "data") this.#data.push(value);
      if (field === "id") this.#id = value;
    }
    return events;
  }
}

/** The events of a response's body, one after the other. */
export async function* eventsOf(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    // Whoever stops reading lets the server stop, too.
    reader.cancel().catch(() => {});
  }
}
