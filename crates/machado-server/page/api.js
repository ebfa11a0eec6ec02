// Every request of the page. All go to the server that the page came from, wherever that is.

import { eventsOf } from "./sse.js";
import { memory } from "./dom.js";

const BASE = new URL("./", document.baseURI);

/** The server answered, and the answer is an error. */
export class ApiError extends Error {
  constructor(status, { message, type, param, code } = {}, retryAfter = null) {
    super(message ?? `HTTP ${status}`);
    Object.assign(this, { status, type, param, code, retryAfter });
  }
}

/** The server did not answer, or stopped in the middle. */
export class Gone extends Error {}

/** Asks the person for a key; main.js puts a dialog here. Resolves to true if there is one now. */
export const keyholder = { ask: async () => false };

export const key = {
  get: () => memory.read("key", ""),
  set: (value) => memory.write("key", value),
};

/** Where the server is, as other programs should be told. */
export const origin = () => BASE.href.replace(/\/$/, "");

/** GET without `body`, POST with; returns what the answer's JSON says. */
export async function call(path, options = {}) {
  const response = await answer(path, options);
  try {
    return await response.json();
  } catch (error) {
    throw lost(error, options.signal);
  }
}

/**
 * The same, but for a server that says it is still loading: asks again when it said to.
 * `waiting` is called each time with what the server said.
 */
export async function patient(path, options, waiting) {
  for (;;) {
    try {
      return await call(path, options);
    } catch (error) {
      if (error.code !== "loading") throw error;
      waiting(error.message);
      await pause((error.retryAfter ?? 1) * 1000, options.signal);
    }
  }
}

/**
 * The JSON events of a streamed completion. It ends with `[DONE]`; a stream that breaks off without it means that the
 * server is gone, since HTTP alone does not always tell.
 */
export async function* stream(path, body, signal) {
  const response = await answer(path, { body: { ...body, stream: true }, signal });
  try {
    for await (const { data } of eventsOf(response)) {
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new ApiError(response.status, event.error);
      yield event;
    }
  } catch (error) {
    throw lost(error, signal);
  }
  throw new Gone("the stream broke off");
}

/** The events of a GET that never ends by itself, as `{ id, data }`. */
export async function* follow(path, query, signal) {
  const response = await answer(path, { query, signal });
  try {
    for await (const { id, data } of eventsOf(response)) yield { id, data: JSON.parse(data) };
  } catch (error) {
    throw lost(error, signal);
  }
  throw new Gone("the stream ended");
}

/** Whether the server is there; never throws. */
export async function alive() {
  try {
    return (await fetch(new URL("health", BASE), { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

async function answer(path, { body, query, signal }) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  for (;;) {
    const headers = {};
    if (key.get()) headers.authorization = `Bearer ${key.get()}`;
    if (body) headers["content-type"] = "application/json";
    let response;
    try {
      const method = body ? "POST" : "GET";
      response = await fetch(url, { method, headers, signal, body: body && JSON.stringify(body), cache: "no-store" });
    } catch (error) {
      throw lost(error, signal);
    }
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    if (response.status === 401 && (await keyholder.ask())) continue;
    const after = Number(response.headers.get("retry-after")) || null;
    throw new ApiError(response.status, problem.error, after);
  }
}

/** Stopping on purpose and errors of our own stay what they are; all else is a lost connection. */
function lost(error, signal) {
  if (signal?.aborted || error instanceof ApiError || error instanceof Gone) return error;
  return new Gone(error.message);
}
