import * as tf from "@tensorflow/tfjs";
import { expect } from "vitest";
import type { PairLoss } from "../../src/objectives/types.js";

export interface Numbers {
  chosen: number[];
  rejected: number[];
}

export const pair = (chosen: number[], rejected: number[]) => ({ chosen: tf.tensor1d(chosen), rejected: tf.tensor1d(rejected) });
export const pairOf = ({ chosen, rejected }: Numbers) => pair(chosen, rejected);

/** The loss, its gradient by the policy's log-probs, and the rewards, as plain numbers. */
export function evaluate(policy: Numbers, loss: (policy: ReturnType<typeof pair>) => PairLoss) {
  return tf.tidy(() => {
    const inputs = pairOf(policy);
    const run = tf.valueAndGrads((chosen, rejected) => loss({ chosen: chosen as tf.Tensor1D, rejected: rejected as tf.Tensor1D }).loss);
    const { value, grads } = run([inputs.chosen, inputs.rejected]);
    const { rewards } = loss(inputs);
    return {
      loss: value.dataSync()[0]!,
      gradient: { chosen: [...grads[0]!.dataSync()], rejected: [...grads[1]!.dataSync()] },
      rewards: { chosen: [...rewards.chosen.dataSync()], rejected: [...rewards.rejected.dataSync()] },
    };
  });
}

/** Equal to within a part in 10^5, and 10^-6 near zero. */
export function expectClose(actual: number[] | number, expected: number[] | number): void {
  const [a, b] = [[actual].flat(), [expected].flat()];
  expect(a.length).toBe(b.length);
  for (const [i, x] of b.entries()) expect(Math.abs(a[i]! - x), `${a[i]} against ${x}`).toBeLessThanOrEqual(1e-6 + 1e-5 * Math.abs(x));
}
