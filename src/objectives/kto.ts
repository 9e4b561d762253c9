import * as tf from "@tensorflow/tfjs";
import { givenInWords, hasShape } from "../backend/given.js";
import { checkBeta, checkRows, checkWeight } from "./rewards.js";

/** Labelled completions of a batch. */
export interface UnpairedBatch {
  /** Sums of log-probabilities over completion tokens under the model being trained, `[B]`, in nats. */
  policy: tf.Tensor1D;
  /** The same under the reference. */
  reference: tf.Tensor1D;
  /** 1 where the completion is desirable, 0 where it is not, `[B]`. */
  labels: tf.Tensor1D;
  /** Estimated KL of the policy from the reference, a scalar >= 0 in nats, without gradients: from completions of other prompts. */
  kl: tf.Scalar;
}

/** What a loss makes of labelled completions. */
export interface UnpairedLoss {
  /** Mean over the batch, a scalar. */
  loss: tf.Scalar;
  /** beta * log(pi/ref) of each completion, `[B]`. */
  rewards: tf.Tensor1D;
}

/**
 * Kahneman-Tversky optimization (Ethayarajh et al. 2024, eq. 7 and 8), from completions that are labelled one by one:
 *
 *     L = lambda_D * (1 - sigmoid( beta * (log(pi/ref) - KL) ))    of a desirable completion
 *     L = lambda_U * (1 - sigmoid( beta * (KL - log(pi/ref)) ))    of another one
 *
 * @param batch sums of log-probs under policy and reference, labels, KL
 * @param options hyperparameters
 * @param options.desirableWeight lambda_D, >= 0; with lambda_U it makes up for unequal numbers of the two. Default 1, both.
 * @throws RangeError when beta is not > 0, a weight is negative or not finite, or the batch's tensors are of other shapes
 */
export function kto(
  { policy, reference, labels, kl }: UnpairedBatch,
  { beta, desirableWeight = 1, undesirableWeight = 1 }: { beta: number; desirableWeight?: number; undesirableWeight?: number },
): UnpairedLoss {
  checkBeta("kto", beta);
  for (const weight of [desirableWeight, undesirableWeight]) checkWeight("kto", "weights", weight);
  checkRows("kto", { policy, reference, labels });
  if (!hasShape(kl, [])) throw new RangeError(`kto: kl is ${givenInWords(kl)}; it must be a scalar tensor`);
  const ratio = tf.sub(policy, reference); // [B], nats
  const sign = tf.sub(tf.mul(labels, 2), 1); // [B], 1 or -1
  const value = tf.sigmoid(tf.mul(beta, tf.mul(sign, tf.sub(ratio, kl)))); // [B]
  const weights = tf.add(tf.mul(labels, desirableWeight - undesirableWeight), undesirableWeight); // [B]
  return { loss: tf.mean(tf.mul(weights, tf.sub(1, value))), rewards: tf.mul(beta, ratio) };
}
