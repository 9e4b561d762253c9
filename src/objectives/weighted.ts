import * as tf from "@tensorflow/tfjs";
import type { BareLoss, PairLoss } from "./types.js";

/**
 * A weighted sum of losses over the same pairs (TRL's `loss_type` and `loss_weights` as lists). Its rewards are those of the first.
 * @throws RangeError when there are none, not as many weights, or a weight is not finite
 */
export function weightedLosses<Loss extends BareLoss<PairLoss>>(losses: readonly Loss[], weights: readonly number[]): Loss {
  const [first] = losses;
  if (!first || weights.length !== losses.length)
    throw new RangeError(`weightedLosses: ${weights.length} weights for ${losses.length} losses`);
  const wrong = weights.findIndex((weight) => !Number.isFinite(weight));
  if (wrong >= 0) throw new RangeError(`weightedLosses: weight ${wrong} is ${weights[wrong]}`);
  return { ...first, loss: tf.addN(losses.map(({ loss }, i) => tf.mul(loss, weights[i]!))) as tf.Scalar };
}
