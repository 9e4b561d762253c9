import { type Estimate, z95 } from "./intervals.js";

/** The area under a ROC curve with its 95% interval. */
export interface Auc extends Estimate {
  /** Numbers of scores of each kind. */
  positives: number;
  negatives: number;
}

/**
 * The probability that a positive scores higher than a negative, ties counting half (Mann and Whitney 1947): the area under the ROC
 * curve. Its 95% interval takes the variance of DeLong, DeLong and Clarke-Pearson (1988), cut to [0, 1]; where the two are perfectly
 * separated that variance is 0, and the interval a point.
 *
 * @throws RangeError when a kind has no scores, or a score is not a number
 */
export function auc(positives: readonly number[], negatives: readonly number[]): Auc {
  const [m, n] = [positives.length, negatives.length];
  if (m === 0 || n === 0) throw new RangeError(`auc: needs scores of both kinds, got ${m} positive and ${n} negative`);
  if ([...positives, ...negatives].some(Number.isNaN)) throw new RangeError("auc: a score is NaN");
  const wins = (x: number, y: number) => (x > y ? 1 : x === y ? 0.5 : 0);
  const ofPositive = positives.map((x) => negatives.reduce((sum, y) => sum + wins(x, y), 0) / n); // placements V10 [m]
  const ofNegative = negatives.map((y) => positives.reduce((sum, x) => sum + wins(x, y), 0) / m); // V01 [n]
  const value = ofPositive.reduce((sum, v) => sum + v, 0) / m;
  const half = z95 * Math.sqrt(variance(ofPositive, value) / m + variance(ofNegative, value) / n);
  return { value, low: Math.max(0, value - half), high: Math.min(1, value + half), positives: m, negatives: n };
}

const variance = (xs: readonly number[], mean: number): number =>
  xs.length < 2 ? 0 : xs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (xs.length - 1);
