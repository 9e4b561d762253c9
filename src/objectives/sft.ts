import * as tf from "@tensorflow/tfjs";
import { checkRows } from "./rewards.js";

/**
 * Supervised fine-tuning: the weighted mean of token cross-entropies,
 *
 *     L = - sum_t w_t log p_t / W
 *
 * over all completion tokens of an optimizer step, whatever row they stand in (TRL 1.16's meaning for weights of 1).
 *
 * @param logps log-probs of completion tokens, `[N]`, in nats
 * @param weights of those tokens, `[N]`, >= 0
 * @param total W, the sum of the weights of the whole step; of these tokens where it is left out. The loss is NaN where it is 0
 * @throws RangeError when there is not one weight per token
 */
export function sft(logps: tf.Tensor1D, weights: tf.Tensor1D, total: number | tf.Scalar = tf.sum(weights) as tf.Scalar): tf.Scalar {
  checkRows("sft", { logps, weights });
  return tf.neg(tf.div(tf.sum(tf.mul(logps, weights)), total) as tf.Scalar);
}
