import * as tf from "@tensorflow/tfjs";
import { givenInWords, hasShape } from "../backend/given.js";
import type { PairLengths, PairLogps } from "./types.js";

/**
 * Implicit rewards beta * (logp - ref) of both completions, `[B]`, and their difference h = beta * Delta (Rafailov et al. 2023).
 * @param loss names what they are of in errors
 * @throws RangeError when beta is not a positive number, or as `checkPairs`
 */
export function implicitRewards(
  loss: string,
  policy: PairLogps,
  reference: PairLogps,
  beta: number,
): { rewards: PairLogps; margin: tf.Tensor1D } {
  checkBeta(loss, beta);
  checkPairs(loss, { policy, reference });
  const reward = (side: keyof PairLogps) => tf.mul(beta, tf.sub(policy[side], reference[side])) as tf.Tensor1D; // [B]
  const rewards = { chosen: reward("chosen"), rejected: reward("rejected") };
  return { rewards, margin: tf.sub(rewards.chosen, rewards.rejected) };
}

/** -log sigmoid(x) = softplus(-x), elementwise. */
export const negLogSigmoid = <T extends tf.Tensor>(x: T): T => tf.softplus(tf.neg(x));

/** @throws RangeError naming the loss, when beta is not a positive number */
export function checkBeta(loss: string, beta: number): void {
  if (!(beta > 0 && Number.isFinite(beta))) throw new RangeError(`${loss}: beta must be > 0, got ${beta}`);
}

/** @throws RangeError naming the loss and the weight, when it is not a finite number >= 0 */
export function checkWeight(loss: string, name: string, weight: number): void {
  if (!(weight >= 0 && Number.isFinite(weight))) throw new RangeError(`${loss}: ${name} must be >= 0, got ${weight}`);
}

/**
 * Holds log-probs and lengths to one shape `[B]`: others would broadcast, and give a number too.
 * @throws RangeError naming the loss and what differs
 */
export function checkPairs(loss: string, sides: Readonly<Record<string, PairLogps | PairLengths>>): void {
  const named = Object.entries(sides).flatMap(([name, side]) =>
    (["chosen", "rejected"] as const).map((which) => [`${name}.${which}`, side[which]] as const),
  );
  checkRows(loss, Object.fromEntries(named));
}

/** The same of tensors that have a number per row each. @throws RangeError as `checkPairs` */
export function checkRows(loss: string, tensors: Readonly<Record<string, tf.Tensor1D>>): void {
  const named = Object.entries(tensors);
  const [first, { size }] = named[0]!;
  const [name, other] = named.find(([, tensor]) => !hasShape(tensor, [size])) ?? [];
  if (name !== undefined)
    throw new RangeError(
      `${loss}: ${name} is ${givenInWords(other)}; it must be a tensor [B]${name === first ? "" : `, as ${first} is with ${size}`}`,
    );
}
