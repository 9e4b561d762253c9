import * as tf from "@tensorflow/tfjs";
import { checkPairs, checkWeight, implicitRewards, negLogSigmoid } from "./rewards.js";
import type { PairLengths, PairLogps, PairLoss } from "./types.js";

/**
 * DPO with a length margin (R-DPO, Park et al. 2024):
 *
 *     L = -log sigmoid( beta * Delta + alpha * (|w| - |l|) )
 *
 * PLUS, since maximising E[r] - alpha |y| - beta KL makes the implicit reward beta log(pi/ref) + alpha |y|: a longer winner has part of its
 * margin already and is pushed less, a shorter one more.
 *
 * @param lengths completion tokens of each pair
 * @param options hyperparameters
 * @param options.alpha price of a token, >= 0, in nats of reward; 0 is DPO
 * @throws RangeError when beta is not > 0, alpha is negative, or the shapes differ
 */
export function lengthMargin(
  policy: PairLogps,
  reference: PairLogps,
  lengths: PairLengths,
  { beta, alpha }: { beta: number; alpha: number },
): PairLoss {
  checkWeight("lengthMargin", "alpha", alpha);
  checkPairs("lengthMargin", { policy, lengths });
  const { rewards, margin } = implicitRewards("lengthMargin", policy, reference, beta);
  const length = tf.mul(alpha, tf.sub(lengths.chosen, lengths.rejected)); // [B]
  return { loss: tf.mean(negLogSigmoid(tf.add(margin, length))), rewards };
}
