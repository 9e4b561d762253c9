import * as tf from "@tensorflow/tfjs";
import { isNative, run, runToBf16 } from "./native.js";

/** The BF16 forms of frozen matrices. */
const halves = new WeakMap<tf.Tensor, tf.Tensor>();

/** Whether products with frozen matrices take BF16 inputs in this process; the device sets it when it opens. */
export const BF16_FLAG = "ERPO_BF16";
tf.env().registerFlag(BF16_FLAG, () => false);

/**
 * a b of matrices, each optionally transposed first: the library's MatMul. Not recorded for gradients. Where b is frozen and the process computes in BF16, a and b
 * are rounded to it (8 bits of mantissa, relative error up to 2^-9), sums are float32 and so is the result, rounded once more.
 */
export function matMul(a: tf.Tensor2D, b: tf.Tensor2D, transposeA = false, transposeB = false): tf.Tensor2D {
  const half = halves.get(b);
  if (!half) return matMulF32(a, b, transposeA, transposeB);
  const transposed = { transpose_a: transposeA, transpose_b: transposeB };
  const left = toBf16(a);
  const product = runToBf16("MatMul", { T: "bfloat16", ...transposed }, [left, half]);
  const value = run("Cast", { SrcT: "bfloat16", DstT: "float32", Truncate: false }, [product]) as tf.Tensor2D;
  tf.dispose([left, product]);
  return value;
}

/** The same, never rounded. */
export function matMulF32(a: tf.Tensor2D, b: tf.Tensor2D, transposeA = false, transposeB = false): tf.Tensor2D {
  if (!isNative()) return tf.matMul(a, b, transposeA, transposeB);
  return run("MatMul", { T: "float32", transpose_a: transposeA, transpose_b: transposeB }, [a, b]) as tf.Tensor2D;
}

/** Says that a matrix never changes: in BF16 mode its rounded form is kept, 2 bytes a value, until `disposeFrozen`. Returns the matrix. */
export function freeze(matrix: tf.Tensor2D): tf.Tensor2D {
  if (isNative() && tf.env().getBool(BF16_FLAG)) halves.set(matrix, tf.keep(toBf16(matrix)));
  return matrix;
}

/** Disposes of a matrix and its rounded form. */
export function disposeFrozen(matrix: tf.Tensor2D): void {
  halves.get(matrix)?.dispose();
  halves.delete(matrix);
  matrix.dispose();
}

const toBf16 = (x: tf.Tensor): tf.Tensor => runToBf16("Cast", { SrcT: "float32", DstT: "bfloat16", Truncate: false }, [x]);
