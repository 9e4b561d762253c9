import { type Proportion, wilson } from "./intervals.js";

/** Predictions whose probability is in `[from, to)`; the last bin has its upper end too. */
export interface ReliabilityBin {
  from: number;
  to: number;
  /** Predictions in the bin, at least one. */
  n: number;
  /** Mean predicted probability. */
  confidence: number;
  /** Share of them for which the event came, with its 95% Wilson interval. */
  frequency: Proportion;
}

/** How far predicted probabilities are from how often the event comes. */
export interface Reliability {
  /** Expected calibration error, in [0, 1]: the mean of |confidence - frequency| over bins, weighed by their predictions. */
  error: number;
  /** Those that have predictions, from low to high. */
  bins: ReliabilityBin[];
}

/**
 * Reliability of predicted probabilities in bins of equal width (Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017, equation 3, there of the predicted class, here of one event).
 *
 * @param probabilities of the event, each in [0, 1]
 * @param labels whether it came, in the same order
 * @param bins how many, at least 1
 * @throws RangeError when there is no prediction, the lists differ in length, a probability is outside of [0, 1], or the number of bins is no whole number of 1 or more
 */
export function reliability(probabilities: readonly number[], labels: readonly boolean[], bins = 10): Reliability {
  const total = probabilities.length;
  if (total === 0) throw new RangeError("reliability: there is no prediction");
  if (labels.length !== total) throw new RangeError(`reliability: ${total} probabilities against ${labels.length} labels`);
  if (!Number.isInteger(bins) || bins < 1) throw new RangeError(`reliability: ${bins} is no number of bins`);
  const outside = probabilities.findIndex((p) => !(p >= 0 && p <= 1));
  if (outside >= 0) throw new RangeError(`reliability: probability ${outside} is ${probabilities[outside]}, outside of [0, 1]`);
  const filled = Array.from({ length: bins }, (_, bin) => {
    const [from, to] = [bin / bins, (bin + 1) / bins];
    const members = probabilities.flatMap((p, i) => (p >= from && (p < to || to === 1) ? [i] : []));
    const n = members.length;
    return {
      from,
      to,
      n,
      confidence: members.reduce((sum, i) => sum + probabilities[i]!, 0) / n,
      frequency: wilson(members.filter((i) => labels[i]).length, n),
    };
  }).filter(({ n }) => n > 0);
  const error = filled.reduce((sum, { n, confidence, frequency }) => sum + (n / total) * Math.abs(confidence - frequency.rate), 0);
  return { error, bins: filled };
}
