import * as tf from "@tensorflow/tfjs";
import { matMulF32 } from "./mat-mul.js";

/** Rows that stand for those of some tokens in a matrix with a row per token, [V, C]. */
export interface TokenRows {
  /** The tokens, [n]; distinct, each < V. */
  ids: readonly number[];
  rows: tf.Tensor2D; // [n, C]
}

/** Which tokens [N] int32 are which of the ids [n]: 1 or 0, [N, n]. */
export const whichRows = (tokens: tf.Tensor1D, ids: readonly number[]): tf.Tensor2D =>
  tf.cast(tf.equal(tf.reshape(tokens, [-1, 1]), tf.tensor2d([...ids], [1, ids.length], "int32")), "float32") as tf.Tensor2D;

/** The matrix with its own rows replaced: a copy, [V, C]. Not recorded for gradients. */
export function replaceRows(matrix: tf.Tensor2D, { ids, rows }: TokenRows): tf.Tensor2D {
  return tf.gather(tf.concat([matrix, rows], 0), places(matrix.shape[0], ids)) as tf.Tensor2D;
}

/** Where the rows of a matrix [V, C] are found in it with the own rows behind. */
function places(V: number, ids: readonly number[]): tf.Tensor1D {
  const at = Int32Array.from({ length: V }, (_, i) => i);
  ids.forEach((id, i) => {
    at[id] = V + i;
  });
  return tf.tensor1d(at, "int32");
}

/** Embeddings of tokens [N] int32, of a frozen matrix [V, C] with its own rows replaced -> [N, C]. Gradients flow to these rows. */
export function embedTokens(embedding: tf.Tensor2D, tokens: tf.Tensor1D, own: TokenRows | null): tf.Tensor2D {
  if (!own) return tf.gather(embedding, tokens) as tf.Tensor2D;
  return tf.customGrad((rows, save) => {
    const hot = whichRows(tokens, own.ids); // [N, n]
    (save as tf.GradSaveFunc)([hot]);
    return {
      value: tf.where(tf.greater(tf.max(hot, 1, true), 0), tf.gather(rows as tf.Tensor2D, tf.argMax(hot, 1)), tf.gather(embedding, tokens)),
      gradFunc: (dy: tf.Tensor2D, [hot]: tf.Tensor[]) => matMulF32(hot as tf.Tensor2D, dy, true, false),
    };
  })(own.rows) as tf.Tensor2D;
}

/** x [N, C] times the transpose of a frozen matrix [V, C] with its own rows replaced -> [N, V]. Gradients flow to x and to these rows. */
export function timesTokens(x: tf.Tensor2D, matrix: tf.Tensor2D, own: TokenRows | null): tf.Tensor2D {
  const product = tf.matMul(x, matrix, false, true) as tf.Tensor2D;
  if (!own) return product;
  const { ids } = own;
  const V = matrix.shape[0];
  // replaces columns; the gradient of tf.gather needs an operation that WebAssembly lacks
  return tf.customGrad((product, columns) => ({
    value: tf.gather(tf.concat([product as tf.Tensor2D, columns as tf.Tensor2D], 1), places(V, ids), 1),
    gradFunc: (dy: tf.Tensor) => [
      tf.mul(dy, tf.sub(1, tf.max(whichRows(tf.range(0, V, 1, "int32"), ids), 1))),
      tf.gather(dy, tf.tensor1d([...ids], "int32"), 1),
    ],
  }))(product, tf.matMul(x, own.rows, false, true)) as tf.Tensor2D;
}
