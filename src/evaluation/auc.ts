import type { Rng } from "../backend/random.js";
import { mean, sum } from "./averages.js";
import { clusterBootstrap } from "./bootstrap.js";
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
 * separated that variance is 0, and the interval a point. A single score of a kind says nothing of its variance: the interval is [0, 1].
 *
 * @throws RangeError when a kind has no scores, or a score is not a number
 */
export function auc(positives: readonly number[], negatives: readonly number[]): Auc {
  const { ofPositive, ofNegative } = placements(positives, negatives);
  const [m, n] = [positives.length, negatives.length];
  const { value, half } = ofPlacements(ofPositive, ofNegative);
  return { value, low: Math.max(0, value - half), high: Math.min(1, value + half), positives: m, negatives: n };
}

/** Scores of one system for the same positives and the same negatives as another's, in the same order. */
export interface Scores {
  positives: readonly number[];
  negatives: readonly number[];
}

/**
 * The area under `b`'s ROC curve less that under `a`'s, in [-1, 1], with its 95% interval: both have scored the same rows, so that their areas go together, and the variance is
 * that of the differences of placements (DeLong, DeLong and Clarke-Pearson 1988). It takes rows as independent: of prompts that share a frame the interval is too narrow (`aucDifferenceOverFrames`).
 * With a single score of a kind it is [-1, 1].
 *
 * @throws RangeError as `auc`, and when the two have not equally many scores
 */
export function aucDifference(a: Scores, b: Scores): Estimate {
  assertSameRows(a, b);
  const [was, now] = [placements(a.positives, a.negatives), placements(b.positives, b.negatives)];
  const difference = (side: "ofPositive" | "ofNegative") => now[side].map((v, i) => v - was[side][i]!);
  const { value, half } = ofPlacements(difference("ofPositive"), difference("ofNegative"));
  return { value, low: Math.max(-1, value - half), high: Math.min(1, value + half) };
}

/** A difference of areas whose interval is of a bootstrap over so many whole frames. */
export interface FramedDifference extends Estimate {
  frames: number;
}

/**
 * `aucDifference` of prompts that come in frames and are no independent trials: its 95% interval is of a bootstrap over whole frames (`clusterBootstrap`), and [-1, 1] with a
 * single frame, of which nothing can be drawn.
 *
 * @param frames of the positives and of the negatives, in the order of their scores; of a prompt that has none a name of its own, such as its id
 * @throws RangeError as `aucDifference`
 */
export function aucDifferenceOverFrames(
  a: Scores,
  b: Scores,
  frames: { positives: readonly string[]; negatives: readonly string[] },
  rng: Rng,
): FramedDifference {
  for (const scores of [a, b]) {
    assertScores(scores);
    assertSameRows(scores, frames);
  }
  const names = [...new Set([...frames.positives, ...frames.negatives])];
  const [positives, negatives] = [frames.positives, frames.negatives].map((of) => {
    const rows = new Map<string, number[]>(names.map((name) => [name, []]));
    for (const [row, name] of of.entries()) rows.get(name)!.push(row);
    return [...rows.values()];
  }) as [number[][], number[][]];
  const won = ({ positives: x, negatives: y }: Scores, i: number, j: number) => wins(x[i]!, y[j]!);
  /** Pairs that only `b` has in order less those that only `a` has, of a frame's positives and another's negatives. */
  const gained = positives.map((some) =>
    negatives.map((others) => sum(some.flatMap((i) => others.map((j) => won(b, i, j) - won(a, i, j))))),
  );
  const difference = (drawn: readonly number[]) => {
    let gain = 0;
    for (const f of drawn) for (const g of drawn) gain += gained[f]![g]!;
    return gain / (sum(drawn.map((f) => positives[f]!.length)) * sum(drawn.map((f) => negatives[f]!.length)));
  };
  return { ...clusterBootstrap([...names.keys()], difference, rng, { range: [-1, 1] }), frames: names.length };
}

function assertSameRows(a: Scores, b: { positives: readonly unknown[]; negatives: readonly unknown[] }): void {
  if (a.positives.length !== b.positives.length || a.negatives.length !== b.negatives.length)
    throw new RangeError("aucDifference: both systems need scores of the same rows");
}

function assertScores({ positives, negatives }: Scores): void {
  const [m, n] = [positives.length, negatives.length];
  if (m === 0 || n === 0) throw new RangeError(`auc: needs scores of both kinds, got ${m} positive and ${n} negative`);
  if ([...positives, ...negatives].some(Number.isNaN)) throw new RangeError("auc: a score is NaN");
}

/** Whether a positive's score is above a negative's; a tie is a half. */
const wins = (positive: number, negative: number): number => (positive > negative ? 1 : positive === negative ? 0.5 : 0);

/** The share of negatives below each positive (V10, [m]) and of positives above each negative (V01, [n]); ties count half. */
function placements(positives: readonly number[], negatives: readonly number[]): { ofPositive: number[]; ofNegative: number[] } {
  assertScores({ positives, negatives });
  const [m, n] = [positives.length, negatives.length];
  return {
    ofPositive: positives.map((x) => sum(negatives.map((y) => wins(x, y))) / n),
    ofNegative: negatives.map((y) => sum(positives.map((x) => wins(x, y))) / m),
  };
}

/** An area, or a difference of areas, from placements or their differences, with half the width of its 95% interval. */
function ofPlacements(ofPositive: readonly number[], ofNegative: readonly number[]): { value: number; half: number } {
  const [m, n] = [ofPositive.length, ofNegative.length];
  const value = mean(ofPositive);
  return { value, half: z95 * Math.sqrt(variance(ofPositive, value) / m + variance(ofNegative, value) / n) };
}

/** Over n - 1; of one number nothing is known. */
const variance = (xs: readonly number[], mean: number): number =>
  xs.length < 2 ? Number.POSITIVE_INFINITY : xs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (xs.length - 1);
