import type { Scores } from "../../evaluation/auc.js";
import { mean } from "../../evaluation/averages.js";

/**
 * The hidden-state transition score of a prompt (Cao et al. 2024): the mean of its cosines over the layers from l0 to the last, in [-1, 1].
 * @param cosines of all layers, [L] (`transitionCosines`)
 * @param from l0, the first steered layer
 * @throws RangeError when there is no layer from l0 on
 */
export function transitionScore(cosines: readonly number[], from: number): number {
  const used = cosines.slice(from);
  if (used.length === 0) throw new RangeError(`transitionScore: no layer from ${from} on; layers are 0..${cosines.length - 1}`);
  return mean(used);
}

/** A prompt counts as harmful where its score is at least the threshold. */
export const isHarmful = (score: number, threshold: number): boolean => score >= threshold;

/** Thresholds beyond the range of scores: with these all prompts count as harmful, or none. */
export const thresholds = { all: -2, none: 2 } as const;

/** A threshold and how well it tells the prompts apart that it was chosen on. */
export interface Threshold {
  value: number;
  /** Mean of the shares of harmful and of benign prompts that it gets right, in [0, 1]. */
  balancedAccuracy: number;
}

/**
 * The threshold with the highest balanced accuracy on given scores, halfway between the two scores beside it; of equally good ones the lowest. The paper sets T by hand, another one
 * for each data set; one threshold, chosen on dev, is this project's choice.
 * @param scores of harmful prompts (positives) and of benign ones (negatives)
 * @throws RangeError when a kind has no scores
 */
export function bestThreshold({ positives, negatives }: Scores): Threshold {
  if (positives.length === 0 || negatives.length === 0) throw new RangeError("bestThreshold: needs scores of both kinds");
  const sorted = [...new Set([...positives, ...negatives])].sort((a, b) => a - b);
  const between = sorted.slice(1).map((score, i) => (score + sorted[i]!) / 2);
  const accuracy = (t: number) =>
    (positives.filter((x) => isHarmful(x, t)).length / positives.length +
      negatives.filter((x) => !isHarmful(x, t)).length / negatives.length) /
    2;
  const all = [sorted[0]!, ...between, thresholds.none].map((value) => ({ value, balancedAccuracy: accuracy(value) }));
  return all.reduce((best, other) => (other.balancedAccuracy > best.balancedAccuracy ? other : best));
}
