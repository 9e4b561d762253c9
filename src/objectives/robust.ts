import * as tf from "@tensorflow/tfjs";
import { implicitRewards, negLogSigmoid } from "./rewards.js";
import type { PairLogps, PairLoss } from "./types.js";

/**
 * Conservative DPO (Mitchell 2023): labels are wrong with probability epsilon,
 *
 *     L = -(1 - epsilon) log sigmoid(h) - epsilon log sigmoid(-h)
 *
 * @param options hyperparameters
 * @param options.epsilon in [0, 0.5); 0 is DPO
 * @throws RangeError when beta or epsilon is out of range, or the shapes differ
 */
export function conservativeDpo(policy: PairLogps, reference: PairLogps, { beta, epsilon }: { beta: number; epsilon: number }): PairLoss {
  const { rewards, right, flipped } = flippable("conservativeDpo", policy, reference, beta, epsilon);
  return { loss: tf.mean(tf.add(right, flipped)), rewards };
}

/**
 * Robust DPO (Chowdhury et al. 2024; TRL's `robust`): an unbiased estimate of DPO's loss on clean labels,
 *
 *     L = [ -(1 - epsilon) log sigmoid(h) + epsilon log sigmoid(-h) ] / (1 - 2 epsilon)
 *
 * @param options hyperparameters
 * @param options.epsilon in [0, 0.5), typically 0.1; 0 is DPO
 * @throws RangeError when beta or epsilon is out of range, or the shapes differ
 */
export function robustDpo(policy: PairLogps, reference: PairLogps, { beta, epsilon }: { beta: number; epsilon: number }): PairLoss {
  const { rewards, right, flipped } = flippable("robustDpo", policy, reference, beta, epsilon);
  return { loss: tf.mean(tf.div(tf.sub(right, flipped), 1 - 2 * epsilon)), rewards };
}

/** Losses of labels as they are and flipped, times their probabilities: [B] each, in nats. */
function flippable(loss: string, policy: PairLogps, reference: PairLogps, beta: number, epsilon: number) {
  if (!(epsilon >= 0 && epsilon < 0.5)) throw new RangeError(`${loss}: epsilon must be in [0, 0.5), got ${epsilon}`);
  const { rewards, margin } = implicitRewards(loss, policy, reference, beta);
  const right = tf.mul(1 - epsilon, negLogSigmoid(margin));
  return { rewards, right, flipped: tf.mul(epsilon, negLogSigmoid(tf.neg(margin))) };
}
