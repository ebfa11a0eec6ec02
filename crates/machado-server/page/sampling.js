// From logits to probabilities, as the server does it, so that sliders can reshape them while one looks. No page, no
// server: numbers in, numbers out. What each setting does: docs/sampling.md.

/** Numbers made positive and to sum to 1; the largest is subtracted first so that e^x cannot overflow. */
export function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/**
 * The probability of each of `logits` (the largest first) to be drawn, in this order: temperature, top-k, top-p, min-p,
 * typical-p.
 * After each filter what is left is divided by its sum; what is filtered out has 0. Temperature 0 takes the first.
 */
export function reshape(logits, { temperature = 1, top_k = 0, top_p = 1, min_p = 0, typical_p = 1 } = {}) {
  if (temperature === 0) return logits.map((_, i) => (i === 0 ? 1 : 0));
  let kept = softmax(logits.map((logit) => logit / temperature));
  if (top_k > 0) kept = normalized(kept.map((p, i) => (i < top_k ? p : 0)));
  if (top_p < 1) {
    let before = 0;
    kept = normalized(
      kept.map((p, i) => {
        const stays = before < top_p || i === 0;
        before += p;
        return stays ? p : 0;
      }),
    );
  }
  if (min_p > 0) kept = normalized(kept.map((p) => (p >= min_p * kept[0] ? p : 0)));
  if (typical_p < 1) kept = normalized(typical(kept, typical_p));
  return kept;
}

/** Keeps those whose surprise is nearest to the mean surprise, until together they reach `share`. */
function typical(probabilities, share) {
  const entropy = probabilities.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0);
  const distance = (p) => Math.abs(-Math.log(p) - entropy);
  const order = probabilities.map((p, i) => ({ p, i })).filter(({ p }) => p > 0);
  order.sort((a, b) => distance(a.p) - distance(b.p) || a.i - b.i);
  const kept = probabilities.map(() => 0);
  let sum = 0;
  for (const { p, i } of order) {
    if (sum >= share) break;
    kept[i] = p;
    sum += p;
  }
  return kept;
}

/** Logits of tokens that just came, divided by the penalty if positive, multiplied if negative. */
export function penalize(candidates, recent, penalty) {
  if (penalty === 1) return candidates;
  const came = new Set(recent);
  const penalized = candidates.map((candidate) => {
    if (!came.has(candidate.id)) return candidate;
    const { logit } = candidate;
    return { ...candidate, logit: logit > 0 ? logit / penalty : logit * penalty };
  });
  return penalized.sort((a, b) => b.logit - a.logit);
}

/** The index into which a number from 0 to 1 falls, where each takes as much room as its probability. */
export function indexAt(probabilities, uniform) {
  let sum = 0;
  for (let i = 0; i < probabilities.length; i++) {
    sum += probabilities[i];
    if (uniform < sum) return i;
  }
  return probabilities.findLastIndex((p) => p > 0);
}

/** How far the second is from the first, in nats: Σ p ln(p/q). 0 if they are the same. */
export function divergence(from, to) {
  return from.reduce((sum, p, i) => (p > 0 ? sum + p * Math.log(p / Math.max(to[i], 1e-300)) : sum), 0);
}

/** Surprise in bits of a log-probability in nats. */
export const bits = (logprob) => -logprob / Math.LN2;

/** How warm a token is coloured, 0 to 1: not at all if it was sure, fully from 10 bits (1 in 1,024) on. */
export const warmth = (logprob) => Math.min(1, Math.max(0, bits(logprob) / 10));

function normalized(values) {
  const sum = values.reduce((a, b) => a + b, 0);
  return values.map((value) => value / sum);
}
