import type { Rng } from "../backend/random.js";
import type { Label } from "../data/types.js";
import { mean, quantile } from "./averages.js";
import { clusterBootstrap } from "./bootstrap.js";
import type { Estimate } from "./intervals.js";

/** How two systems differ on the same rows. */
export interface PairedTest {
  /** Rows that only the first, or only the second, got. */
  onlyA: number;
  onlyB: number;
  /** Two-sided probability of a difference at least as large if both were equally good, in (0, 1]. */
  p: number;
}

/**
 * McNemar's exact test for paired answers: among the rows on which exactly one of the two is right, the first's share is compared
 * with 1/2 by a two-sided binomial test.
 * @throws RangeError when the lists differ in length
 */
export function mcnemar(a: readonly boolean[], b: readonly boolean[]): PairedTest {
  if (a.length !== b.length) throw new RangeError(`mcnemar: ${a.length} answers against ${b.length}`);
  return mcnemarOf(a.filter((right, i) => right && !b[i]).length, b.filter((right, i) => right && !a[i]).length);
}

/** `mcnemar` of what two policies do with unsafe and with safe prompts, each label by itself. @throws RangeError as there */
export const mcnemarByLabel = (a: Record<Label, readonly boolean[]>, b: Record<Label, readonly boolean[]>): Record<Label, PairedTest> => ({
  unsafe: mcnemar(a.unsafe, b.unsafe),
  safe: mcnemar(a.safe, b.safe),
});

/** `mcnemar` from the numbers of rows on which only the first, and only the second, is right. */
export function mcnemarOf(onlyA: number, onlyB: number): PairedTest {
  const n = onlyA + onlyB;
  let term = -n * Math.LN2; // log of C(n, i) / 2^n, from i = 0
  let tail = 0;
  for (let i = 0; i <= Math.min(onlyA, onlyB); i++) {
    tail += Math.exp(term);
    term += Math.log((n - i) / (i + 1));
  }
  return { onlyA, onlyB, p: Math.min(1, 2 * tail) };
}

/** A mean difference of two systems on the same rows, with its 95% interval. */
export interface PairedDifference extends Estimate {
  /** Rows that both have. */
  n: number;
  /** Two-sided, in (0, 1]. */
  p: number;
}

/** Random choices for `n` pairs, `resamples` times in a row. Tests on equally many pairs can share them. */
export interface PairDraws {
  /** Rows drawn with replacement, for the interval, `[resamples n]`, each in 0..n - 1. */
  rows: Uint32Array;
  /** 1 or -1 for each row, for the test, `[resamples n]`. */
  signs: Int8Array;
}

/** Draws for lists of `n` pairs. @throws RangeError unless `n` is a whole number >= 0, and `resamples` one >= 1 */
export function drawPairs(n: number, rng: Rng, resamples = 10_000): PairDraws {
  assertCount("drawPairs: the number of pairs", n, 0);
  assertCount("drawPairs: resamples", resamples);
  const length = n * resamples;
  return {
    rows: Uint32Array.from({ length }, () => Math.floor(rng.uniform() * n)),
    signs: Int8Array.from({ length }, () => (rng.uniform() < 0.5 ? -1 : 1)),
  };
}

/**
 * Mean of paired differences. The interval is the paired bootstrap's percentile interval (Efron and Tibshirani 1993, chapter 13), which is
 * too narrow where few pairs differ. The p-value does not suffer from that: it is from randomization (Fisher 1935; Noreen 1989), the share
 * of ways to swap the two systems row by row that give a mean at least as far from 0, (count + 1) / (resamples + 1). Where a list has a single pair nothing
 * can be drawn of it: the interval has no ends (-Infinity, Infinity).
 *
 * @param strata differences `b - a`, a list for each kind of row; every kind weighs the same in the mean. One list is the plain mean;
 *   refusals of unsafe and non-refusals of safe prompts give the difference of balanced accuracies
 * @param draws of each list, equally many of all
 * @throws RangeError when a list is empty or holds NaN, or its draws are not those of a list of its length
 */
export function pairedDifference(strata: readonly (readonly number[])[], draws: readonly PairDraws[]): PairedDifference {
  if (strata.length === 0 || strata.some((list) => list.length === 0)) throw new RangeError("pairedDifference: there are no pairs");
  const resamples = (draws[0]?.rows.length ?? 0) / strata[0]!.length;
  if (strata.some((list, k) => draws[k]?.rows.length !== list.length * resamples)) {
    throw new RangeError("pairedDifference: every list needs draws of its own length, equally many");
  }
  for (const [k, list] of strata.entries()) assertNumbers(`pairedDifference: list ${k}`, list);
  const value = mean(strata.map(mean));
  const [resampled, swapped] = [new Float64Array(resamples), new Float64Array(resamples)];
  for (const [k, list] of strata.entries()) {
    const { rows, signs } = draws[k]!;
    const weight = 1 / (list.length * strata.length);
    for (let r = 0, at = 0; r < resamples; r++) {
      for (let i = 0; i < list.length; i++, at++) {
        resampled[r]! += weight * list[rows[at]!]!;
        swapped[r]! += weight * signs[at]! * list[i]!;
      }
    }
  }
  resampled.sort();
  const single = strata.some((list) => list.length === 1);
  const far = Math.abs(value) * (1 - 1e-9); // equal means count, whatever the order of summation
  return {
    value,
    low: single ? -Infinity : quantile(resampled, 0.025),
    high: single ? Infinity : quantile(resampled, 0.975),
    n: strata.reduce((sum, list) => sum + list.length, 0),
    p: (swapped.filter((mean) => Math.abs(mean) >= far).length + 1) / (resamples + 1),
  };
}

/** The difference of two systems on a row that both have. */
export interface RowDifference {
  difference: number;
  /** Rows of one cluster, such as the prompts of a frame, are no independent trials. */
  cluster: string;
  /** Kinds of rows weigh the same in the mean, such as unsafe and safe prompts. */
  kind?: string;
}

/**
 * `pairedDifference` of rows that come in clusters: the bootstrap draws whole clusters (Cameron, Gelbach and Miller 2008), and the test swaps the two systems in whole clusters.
 * Drawings that lack a kind do not count. Where each row is a cluster of its own, rows are drawn, of all kinds together: how many there are of each then varies, as it does not in `pairedDifference`. Of a single cluster nothing can be drawn: the
 * interval has no ends (-Infinity, Infinity) and p is 1.
 * @throws RangeError when there are no rows, a difference is NaN, or `resamples` is no whole number >= 1
 */
export function clusteredDifference(rows: readonly RowDifference[], rng: Rng, resamples = 4000): PairedDifference {
  if (rows.length === 0) throw new RangeError("clusteredDifference: there are no pairs");
  assertNumbers(
    "clusteredDifference",
    rows.map(({ difference }) => difference),
  );
  assertCount("clusteredDifference: resamples", resamples);
  const kinds = [...new Set(rows.map(({ kind }) => kind))];
  const byCluster = new Map<string, Cluster>();
  for (const { difference, cluster, kind } of rows) {
    const own = byCluster.get(cluster) ?? { sums: kinds.map(() => 0), counts: kinds.map(() => 0) };
    const k = kinds.indexOf(kind);
    own.sums[k]! += difference;
    own.counts[k]! += 1;
    byCluster.set(cluster, own);
  }
  const clusters = [...byCluster.values()];
  const swapped = clusters.map(({ sums, counts }): Cluster => ({ sums: sums.map((sum) => -sum), counts }));
  if (clusters.length === 1) return { value: meanOfKinds(clusters), low: -Infinity, high: Infinity, n: rows.length, p: 1 };
  const { value, low, high } = clusterBootstrap(clusters, meanOfKinds, rng, { resamples });
  const far = Math.abs(value) * (1 - 1e-9);
  const drawn = Array.from({ length: resamples }, () => meanOfKinds(clusters.map((own, i) => (rng.uniform() < 0.5 ? swapped[i]! : own))));
  const p = (drawn.filter((mean) => Math.abs(mean) >= far).length + 1) / (resamples + 1);
  return { value, low, high, n: rows.length, p };
}

/** Of the rows of a cluster: the sum of their differences and how many they are, by kind. */
interface Cluster {
  sums: number[];
  counts: number[];
}

/** The mean over kinds of their rows' mean differences; not finite where a kind has no row. */
function meanOfKinds(clusters: readonly Cluster[]): number {
  const kinds = clusters[0]!.sums.length;
  let mean = 0;
  for (let k = 0; k < kinds; k++) {
    let [sum, count] = [0, 0];
    for (const { sums, counts } of clusters) {
      sum += sums[k]!;
      count += counts[k]!;
    }
    mean += sum / count;
  }
  return mean / kinds;
}

function assertNumbers(of: string, differences: readonly number[]): void {
  const wrong = differences.findIndex(Number.isNaN);
  if (wrong >= 0) throw new RangeError(`${of}: difference ${wrong} is NaN: leave out rows that one of the two lacks`);
}

function assertCount(what: string, count: number, least = 1): void {
  if (!(Number.isInteger(count) && count >= least)) throw new RangeError(`${what} must be a whole number >= ${least}, got ${count}`);
}

/**
 * P-values adjusted for the number of tests (Holm 1979): rejecting where the result is below 0.05 errs in any of the tests with a
 * probability of at most 0.05, however the tests depend on each other. In the order given.
 * @throws RangeError when one is not in [0, 1]
 */
export function holm(p: readonly number[]): number[] {
  const outside = p.findIndex((one) => !(one >= 0 && one <= 1));
  if (outside >= 0) throw new RangeError(`holm: p[${outside}] must be in [0, 1], got ${p[outside]}`);
  const adjusted = new Array<number>(p.length);
  const ascending = p.map((_, i) => i).sort((i, j) => p[i]! - p[j]!);
  let largest = 0;
  for (const [rank, i] of ascending.entries()) {
    largest = Math.max(largest, Math.min(1, (p.length - rank) * p[i]!));
    adjusted[i] = largest;
  }
  return adjusted;
}
