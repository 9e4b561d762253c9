import * as tf from "@tensorflow/tfjs";
import type { PairLogps } from "./types.js";

/** Implicit rewards beta * (logp - ref) of both completions, `[B]`, and their difference h = beta * Delta (Rafailov et al. 2023). */
export function implicitRewards(policy: PairLogps, reference: PairLogps, beta: number): { rewards: PairLogps; margin: tf.Tensor1D } {
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
