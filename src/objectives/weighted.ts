import * as tf from "@tensorflow/tfjs";
import type { PairLoss } from "./types.js";

/**
 * A weighted sum of losses over the same pairs (TRL's `loss_type` and `loss_weights` as lists). Its rewards are those of the first.
 * @throws RangeError when there are none, or not as many weights
 */
export function weightedLosses(losses: readonly PairLoss[], weights: readonly number[]): PairLoss {
  const [first] = losses;
  if (!first || weights.length !== losses.length)
    throw new RangeError(`weightedLosses: ${weights.length} weights for ${losses.length} losses`);
  return { loss: tf.addN(losses.map(({ loss }, i) => tf.mul(loss, weights[i]!))) as tf.Scalar, rewards: first.rewards };
}
