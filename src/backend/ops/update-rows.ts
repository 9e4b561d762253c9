import * as tf from "@tensorflow/tfjs";
import { isNative, run } from "./native.js";

/**
 * x with some rows replaced: x [R, D], rows [n] int32 (distinct), values [n, D] -> [R, D].
 *
 * On the native backend the rows are written into x's own buffer (InplaceUpdate), which the result shares: nothing else may hold
 * that buffer, and x is to be disposed and forgotten. Elsewhere the result is a copy. Not recorded for gradients.
 */
export function updateRows(x: tf.Tensor2D, rows: tf.Tensor1D, values: tf.Tensor2D): tf.Tensor2D {
  if (!isNative()) return tf.tensorScatterUpdate(x, tf.reshape(rows, [rows.size, 1]), values) as tf.Tensor2D;
  return run("InplaceUpdate", { T: "float32" }, [x, rows, values]) as tf.Tensor2D;
}
