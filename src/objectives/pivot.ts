import * as tf from "@tensorflow/tfjs";
import { checkWeight } from "./rewards.js";

/** What the loss of a micro-batch is made of: any of the three may be empty. */
export interface PivotBatch {
  /** Log-probs of all learned tokens, pivots among them, `[N]`, in nats. */
  logps: tf.Tensor1D;
  /** logit([SAFE]) - logit([UNSAFE]) where [SAFE] is the label, `[S]`. A difference of log-probs of the same place is the same number. */
  safe: tf.Tensor1D;
  /** logit([UNSAFE]) - logit([SAFE]) where [UNSAFE] is the label, `[U]`. */
  unsafe: tf.Tensor1D;
}

/**
 * R2D's loss of a micro-batch (Zhu et al. 2025; the authors' `compute_loss_func`): cross-entropy, and contrastive pivot optimisation,
 *
 *     L = mean_t -log p_t  +  weight ( mean_{t in P_S} -log sigmoid(l_t[SAFE] - l_t[UNSAFE])  +  mean_{t in P_U} -log sigmoid(l_t[UNSAFE] - l_t[SAFE]) )
 *
 * each mean left out where it is of nothing. No other token's logit is in the pivot terms.
 *
 * @param weight of the pivot terms, >= 0; the authors have 1, and 0 is cross-entropy alone
 * @returns a scalar, in nats
 * @throws RangeError when the weight is out of range
 */
export function pivotLoss({ logps, safe, unsafe }: PivotBatch, weight = 1): tf.Scalar {
  checkWeight("pivotLoss", "the weight", weight);
  const mean = (x: tf.Tensor1D): tf.Scalar => (x.size === 0 ? tf.scalar(0) : tf.mean(x));
  const contrast = (differences: tf.Tensor1D) => mean(tf.softplus(tf.neg(differences)) as tf.Tensor1D); // -log sigmoid(x) = softplus(-x)
  return tf.add(tf.neg(mean(logps)), tf.mul(weight, tf.add(contrast(safe), contrast(unsafe)))) as tf.Scalar;
}
