// A completion as it streams in: chunks become tokens.

import { stream } from "./api.js";
import { withModel } from "./models.js";

/** Alternatives that come with each token, to be shown at once; all others are asked for when somebody looks. */
const ALTERNATIVES = 10;

/**
 * Yields `{ text, ids, logprob, top }` for each token, and at the end `{ end: { reason, usage, skipped } }`.
 * `request` is as in the API.
 */
export async function* complete(request, signal) {
  const body = withModel({
    ...request,
    logprobs: ALTERNATIVES,
    return_token_ids: true,
    stream_options: { include_usage: true },
  });
  const end = { reason: null, usage: null, skipped: [] };
  for await (const chunk of stream("v1/completions", body, signal)) {
    if (chunk.usage) end.usage = chunk.usage;
    if (chunk.machado?.skipped?.length) end.skipped = chunk.machado.skipped;
    const [choice] = chunk.choices;
    if (!choice) continue;
    end.reason = choice.finish_reason ?? end.reason;
    yield* tokensOf(choice);
  }
  yield { end };
}

/** A chunk has any number of tokens, and its text can be shorter than they are: a part of a character, or a stop. */
function tokensOf({ text, logprobs, token_ids: ids }) {
  const tokens = logprobs?.tokens ?? [];
  if (!tokens.length) return text ? [{ text, ids: ids ?? null, logprob: null, top: [] }] : [];
  const whole = tokens.join("") === text;
  return tokens.map((token, i) => ({
    text: whole ? token : i === tokens.length - 1 ? text : "",
    ids: ids?.length === tokens.length ? [ids[i]] : null,
    logprob: logprobs.token_logprobs[i],
    top: Object.entries(logprobs.top_logprobs?.[i] ?? {}).sort((a, b) => b[1] - a[1]),
  }));
}
