import * as tf from "@tensorflow/tfjs";
import { hasKernels, run } from "./native.js";

/** The largest float32 below 1: what lies between would be rounded to 1, where no token is. */
const BELOW_ONE = 1 - 2 ** -24;
/** Takes the likeliest token, as anything colder would if float32 held it. */
const COLDEST = 1e-30;

/**
 * Draws a token per row from softmax(logits / temperature) by inverting its cumulative sum at one number per row: logits [B, V], at [B] in [0, 1), temperature > 0 ->
 * ids [B] int32.
 */
export function drawTokens(logits: tf.Tensor2D, at: readonly number[], temperature: number): tf.Tensor1D {
  const places = at.map((x) => Math.min(x, BELOW_ONE));
  const warm = Math.max(temperature, COLDEST);
  return tf.tidy(() => {
    if (!hasKernels()) return drawTokensPlain(logits, places, warm);
    return run("ErpoDraw", { temperature: { float: warm } }, [logits, tf.tensor1d(places)]) as tf.Tensor1D;
  });
}

/** The plain twin. */
export function drawTokensPlain(logits: tf.Tensor2D, at: readonly number[], temperature: number): tf.Tensor1D {
  const [B, V] = logits.shape;
  const cumulative = tf.cumsum(tf.softmax(tf.div(logits, temperature)), 1); // [B, V], up to 1
  const total = tf.slice(cumulative, [0, V - 1], [B, 1]);
  const below = tf.lessEqual(cumulative, tf.mul(total, tf.tensor2d([...at], [B, 1])));
  return tf.minimum(tf.sum(tf.cast(below, "int32"), 1), V - 1) as tf.Tensor1D;
}
