import * as tf from "@tensorflow/tfjs";

/** What a caller's function gave in place of a tensor, for an error: "[3,4]", "undefined", "a Promise". */
export function givenInWords(value: unknown): string {
  if (value instanceof tf.Tensor) return `[${value.shape}]`;
  if (value instanceof Promise) return "a Promise";
  return value === null || value === undefined ? String(value) : `a value of type ${typeof value}`;
}

/** Whether a value is a tensor of this shape. */
export const hasShape = (value: unknown, shape: readonly number[]): boolean =>
  value instanceof tf.Tensor && value.shape.join() === shape.join() && value.rank === shape.length;
