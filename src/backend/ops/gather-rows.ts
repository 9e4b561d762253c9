import * as tf from "@tensorflow/tfjs";

/**
 * Rows of a matrix by index: x [R, C], rows [n] int32 (any, repeats too) -> [n, C]. Like tf.gather, but with a gradient that the WebAssembly
 * backend has as well.
 */
export function gatherRows(x: tf.Tensor2D, rows: tf.Tensor1D): tf.Tensor2D {
  const { shape } = x;
  return tf.customGrad((input, save) => {
    (save as tf.GradSaveFunc)([rows]);
    return {
      value: tf.gather(input, rows),
      gradFunc: (dy: tf.Tensor2D, [at]: tf.Tensor[]) => tf.scatterND(tf.reshape(at!, [at!.size, 1]), dy, shape),
    };
  })(x) as tf.Tensor2D;
}

/** The plain twin, with tfjs's own gradients (not on WebAssembly). */
export const gatherRowsPlain = (x: tf.Tensor2D, rows: tf.Tensor1D): tf.Tensor2D => tf.gather(x, rows);
