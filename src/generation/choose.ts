import type { Rng } from "../backend/random.js";

/** How the next token is drawn. At temperature 0 the rest is of no effect. */
export interface Choice {
  /** >= 0: above 0 it divides the logits; 0 takes the likeliest token. */
  temperature: number;
  /** Only the k likeliest tokens, k >= 1; default all. */
  topK?: number;
  /** Only the smallest set of likeliest tokens whose probabilities sum to at least p, in (0, 1]; default all (Holtzman et al. 2020). */
  topP?: number;
}

/**
 * Draws one token from its logits `[V]`: temperature, then top-k, then top-p, in the order of transformers' warpers.
 * @throws RangeError for a temperature <= 0, k < 1 or p outside (0, 1]
 */
export function chooseToken(logits: Float32Array, { temperature, topK, topP }: Choice, rng: Rng): number {
  if (!(temperature > 0)) throw new RangeError(`temperature must be > 0 to draw, got ${temperature}`);
  if (topK !== undefined && !(topK >= 1)) throw new RangeError(`top-k must be >= 1, got ${topK}`);
  if (topP !== undefined && !(topP > 0 && topP <= 1)) throw new RangeError(`top-p must be in (0, 1], got ${topP}`);
  let highest = Number.NEGATIVE_INFINITY;
  for (const value of logits) if (value > highest) highest = value;
  const weights = Float64Array.from(logits, (value) => Math.exp((value - highest) / temperature));

  if (topK === undefined && topP === undefined) return draw(weights, undefined, rng);
  let kept = Array.from(weights.keys()).sort((a, b) => weights[b]! - weights[a]!);
  if (topK !== undefined) kept = kept.slice(0, topK);
  if (topP !== undefined) kept = nucleus(weights, kept, topP);
  return draw(weights, kept, rng);
}

/** The likeliest tokens up to and including the one with which they reach `p` of the kept mass. */
function nucleus(weights: Float64Array, ranked: number[], p: number): number[] {
  const total = ranked.reduce((sum, id) => sum + weights[id]!, 0);
  let mass = 0;
  const end = ranked.findIndex((id) => {
    mass += weights[id]! / total;
    return mass >= p;
  });
  return end < 0 ? ranked : ranked.slice(0, end + 1);
}

/** A token in proportion to its weight. */
function draw(weights: Float64Array, ids: number[] | undefined, rng: Rng): number {
  let total = 0;
  if (ids) for (const id of ids) total += weights[id]!;
  else for (const w of weights) total += w;
  let rest = rng.uniform() * total;
  const count = ids?.length ?? weights.length;
  let last = 0;
  for (let i = 0; i < count; i++) {
    const id = ids ? ids[i]! : i;
    if (weights[id]! === 0) continue;
    last = id;
    rest -= weights[id]!;
    if (rest < 0) return id;
  }
  return last; // rounding left a sliver
}
