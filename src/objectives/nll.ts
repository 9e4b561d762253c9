import * as tf from "@tensorflow/tfjs";
import { checkPairs, checkRows, checkWeight } from "./rewards.js";
import type { BareLoss, PairLengths, PairLogps, PairLoss } from "./types.js";

/**
 * Negative log-likelihood of the winners, each divided by its own length and averaged over pairs: mean( -logp_w / |w| ), in nats per token
 * (the NLL term of Iterative RPO, Pang et al. 2024). It keeps the winners' likelihood from sinking with the losers'.
 * @throws RangeError when the shapes differ
 */
export function nll(policy: PairLogps, lengths: PairLengths): tf.Scalar {
  checkPairs("nll", { policy, lengths });
  return tf.neg(tf.mean(tf.div(policy.chosen, lengths.chosen)) as tf.Scalar);
}

/**
 * `nll` of pairs of which is known with what probability p the chosen one is the winner: mean( -p logp_1 / |1| - (1 - p) logp_2 / |2| ), its expectation.
 * @param preferred p, `[B]`, each in [0, 1]; the range is for the caller to hold
 * @throws RangeError when the shapes differ, or there is not one label per pair
 */
export function softNll(policy: PairLogps, lengths: PairLengths, preferred: tf.Tensor1D): tf.Scalar {
  checkPairs("softNll", { policy, lengths });
  if (preferred.size !== policy.chosen.size) throw new RangeError(`softNll: ${preferred.size} labels for ${policy.chosen.size} pairs`);
  checkRows("softNll", { preferred });
  const first = tf.mul(preferred, tf.div(policy.chosen, lengths.chosen)); // [B]
  const second = tf.mul(tf.sub(1, preferred), tf.div(policy.rejected, lengths.rejected)); // [B]
  return tf.neg(tf.mean(tf.add(first, second))) as tf.Scalar;
}

/**
 * Negative log-likelihood of the winners, the mean over all their tokens, in nats per token (`sft` among TRL's losses of DPO): long ones count more than in `nll`.
 * @throws RangeError when the shapes differ
 */
export function tokenNll(policy: PairLogps, lengths: PairLengths): tf.Scalar {
  checkPairs("tokenNll", { policy, lengths });
  return tf.neg(tf.div(tf.sum(policy.chosen), tf.sum(lengths.chosen)) as tf.Scalar);
}

/**
 * A preference loss plus lambda * nll.
 * @throws RangeError when lambda is negative or not finite, or the shapes differ
 */
export function withNll<Loss extends BareLoss<PairLoss>>(pairLoss: Loss, policy: PairLogps, lengths: PairLengths, lambda: number): Loss {
  checkWeight("nll", "the weight", lambda);
  if (lambda === 0) return pairLoss;
  return { ...pairLoss, loss: tf.add(pairLoss.loss, tf.mul(lambda, nll(policy, lengths))) };
}
