import * as tf from "@tensorflow/tfjs";
import { checkRows, implicitRewards, negLogSigmoid } from "./rewards.js";
import type { PairLogps, PairLoss } from "./types.js";

/**
 * DPO with a soft label of each pair: a preference that is known as a probability p, such as a Bradley-Terry model's,
 *
 *     L = -p log sigmoid(h) - (1 - p) log sigmoid(-h),    h = beta * [ (logp_w - ref_w) - (logp_l - ref_l) ]
 *
 * which is the expectation of DPO's loss over labels drawn with that probability: the same gradient in the mean, without the noise of drawing. It is least at
 * h = log(p / (1 - p)). With p = 1 everywhere it is `dpo`, with p = 1 - epsilon `conservativeDpo`.
 *
 * @param policy log-probs under the model being trained; gradients flow through these only
 * @param reference log-probs under the frozen reference
 * @param preferred p, the probability that the chosen completion is the better one, `[B]`, each in [0, 1]
 * @param beta strength of the KL anchor, > 0
 * @throws RangeError when beta is not a positive number, the shapes differ, or there is not one label per pair; the labels' range is for the caller to hold
 */
export function softDpo(policy: PairLogps, reference: PairLogps, preferred: tf.Tensor1D, beta: number): PairLoss {
  if (preferred.size !== policy.chosen.size) throw new RangeError(`softDpo: ${preferred.size} labels for ${policy.chosen.size} pairs`);
  checkRows("softDpo", { preferred });
  const { rewards, margin } = implicitRewards("softDpo", policy, reference, beta);
  const first = tf.mul(preferred, negLogSigmoid(margin)); // [B]
  const second = tf.mul(tf.sub(1, preferred), negLogSigmoid(tf.neg(margin))); // [B]
  return { loss: tf.mean(tf.add(first, second)), rewards };
}
