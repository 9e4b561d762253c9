import * as tf from "@tensorflow/tfjs";
import { isNative, run } from "./native.js";

/** a b of matrices, each optionally transposed first: the library's MatMul. Not recorded for gradients. */
export function matMul(a: tf.Tensor2D, b: tf.Tensor2D, transposeA = false, transposeB = false): tf.Tensor2D {
  if (!isNative()) return tf.matMul(a, b, transposeA, transposeB);
  return run("MatMul", { T: "float32", transpose_a: transposeA, transpose_b: transposeB }, [a, b]) as tf.Tensor2D;
}
