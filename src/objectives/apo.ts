import * as tf from "@tensorflow/tfjs";
import { implicitRewards } from "./rewards.js";
import type { PairLogps, PairLoss } from "./types.js";

/**
 * Anchored preference optimization, zero (D'Oosterlinck et al. 2024, eq. 7), for winners that are better than what the model writes: it makes them likelier and the
 * losers less likely,
 *
 *     L = 1 - sigmoid(r_w) + sigmoid(r_l),   r = beta * (logp - ref)
 *
 * @throws RangeError when beta is not a positive number, or the shapes differ
 */
export function apoZero(policy: PairLogps, reference: PairLogps, beta: number): PairLoss {
  const { rewards } = implicitRewards("apoZero", policy, reference, beta);
  return { loss: tf.mean(tf.add(tf.sub(1, tf.sigmoid(rewards.chosen)), tf.sigmoid(rewards.rejected))), rewards };
}

/**
 * Anchored preference optimization, down (D'Oosterlinck et al. 2024, eq. 8), for winners that are worse than what the model writes: it makes both less likely, the losers
 * more so,
 *
 *     L = sigmoid(r_w) + 1 - sigmoid(r_w - r_l)
 *
 * @throws RangeError when beta is not a positive number, or the shapes differ
 */
export function apoDown(policy: PairLogps, reference: PairLogps, beta: number): PairLoss {
  const { rewards, margin } = implicitRewards("apoDown", policy, reference, beta);
  return { loss: tf.mean(tf.add(tf.sigmoid(rewards.chosen), tf.sub(1, tf.sigmoid(margin)))), rewards };
}
