import * as tf from "@tensorflow/tfjs";
import { readLast } from "../backend/read.js";
import type { LogitsRule } from "./decoding.js";
import type { Policy } from "./policy.js";

/** No token can be drawn from a policy's logits. The message is one line: which policy, prompt and token, and what to do. */
export class LogitsError extends Error {
  override name = "LogitsError";

  /** @param place what the logits are of, such as `prompt 3, token 1` */
  constructor({ name, decoding }: Pick<Policy, "name" | "decoding">, place: string) {
    const rules = decoding.logits || decoding.edits ? ", or look at what the decoding's rules and edits give" : "";
    const remedy = `if its training diverged, train it again with a lower learning rate${rules}`;
    super(`policy "${name}": ${place}: the logits hold NaN or Infinity, or no finite number; ${remedy}`);
  }
}

/**
 * The first row of logits [B, V] from which no token can be drawn; -1 where there is none. Without a rule a NaN comes from a hidden state and is in all logits of its row,
 * so that only the first one is looked at.
 */
export async function unusableRow(logits: tf.Tensor2D, rule: LogitsRule | null): Promise<number> {
  const seen = rule ? tf.tidy(() => tf.where(drawable(logits), 0, Number.NaN)) : tf.slice(logits, [0, 0], [-1, 1]);
  return (await readLast(seen)).findIndex(Number.isNaN);
}

/** Which rows hold a finite number, and neither NaN nor Infinity, with which no token is likelier than another: a rule that forces one takes a large number. */
const drawable = (logits: tf.Tensor2D): tf.Tensor1D =>
  tf.logicalAnd(tf.isFinite(tf.max(logits, 1)), tf.logicalNot(tf.any(tf.isNaN(logits), 1)));
