import type { Rng } from "../backend/random.js";
import type { Estimate } from "./intervals.js";

/** A mean difference of two systems on the same rows. */
export interface PairedDifference extends Estimate {
  /** Rows that both have. */
  n: number;
  /** Two-sided, in (0, 1]. */
  p: number;
}

/** Rows drawn with replacement: `resamples` times `n` indices in a row. Tests on equally many pairs can share them. */
export function resampleRows(n: number, rng: Rng, resamples = 10_000): Uint32Array {
  return Uint32Array.from({ length: n * resamples }, () => Math.floor(rng.uniform() * n));
}

/**
 * Mean of paired differences with its 95% percentile interval and p-value by resampling rows (Efron and Tibshirani 1993, chapters 13 and
 * 15): p is twice the smaller share of resamples on one side of 0, each count plus one, so p < 0.05 where the interval leaves out 0, and
 * never less than 2 / (resamples + 1).
 *
 * @param strata differences `b - a`, a list for each kind of row; resampled within, and every kind weighs the same in the mean. One list
 *   is the plain mean; refusals of unsafe and non-refusals of safe prompts give the difference of balanced accuracies
 * @param draws of each list its resampled rows, equally many of all
 * @throws RangeError when a list is empty, or its draws are not those of a list of its length
 */
export function pairedBootstrap(strata: readonly (readonly number[])[], draws: readonly Uint32Array[]): PairedDifference {
  if (strata.length === 0 || strata.some((list) => list.length === 0)) throw new RangeError("pairedBootstrap: no pairs to resample");
  const resamples = (draws[0]?.length ?? 0) / strata[0]!.length;
  if (strata.some((list, k) => draws[k]?.length !== list.length * resamples)) {
    throw new RangeError("pairedBootstrap: every list needs draws of its own length, equally many");
  }
  const means = new Float64Array(resamples);
  for (const [k, list] of strata.entries()) {
    const rows = draws[k]!;
    const scale = 1 / (list.length * strata.length);
    for (let r = 0, at = 0; r < resamples; r++) {
      let sum = 0;
      for (const end = at + list.length; at < end; at++) sum += list[rows[at]!]!;
      means[r]! += sum * scale;
    }
  }
  means.sort();
  const below = means.filter((x) => x <= 0).length;
  const above = means.filter((x) => x >= 0).length;
  return {
    value: strata.reduce((sum, list) => sum + list.reduce((a, b) => a + b, 0) / list.length, 0) / strata.length,
    low: quantile(means, 0.025),
    high: quantile(means, 0.975),
    n: strata.reduce((sum, list) => sum + list.length, 0),
    p: Math.min(1, (2 * (Math.min(below, above) + 1)) / (resamples + 1)),
  };
}

/** Linear between the order statistics, as NumPy's default. */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return low + (at - Math.floor(at)) * (high - low);
}

/**
 * P-values adjusted for the number of tests (Holm 1979): rejecting where the result is below 0.05 errs in any of the tests with a
 * probability of at most 0.05, however the tests depend on each other. In the order given.
 */
export function holm(p: readonly number[]): number[] {
  const adjusted = new Array<number>(p.length);
  const ascending = p.map((_, i) => i).sort((i, j) => p[i]! - p[j]!);
  let largest = 0;
  for (const [rank, i] of ascending.entries()) {
    largest = Math.max(largest, Math.min(1, (p.length - rank) * p[i]!));
    adjusted[i] = largest;
  }
  return adjusted;
}
