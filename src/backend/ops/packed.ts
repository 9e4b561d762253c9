import * as tf from "@tensorflow/tfjs";
import { hasKernels, run, runToBf16 } from "./native.js";

/** Frozen matrices in BF16 as products with few rows read them: each number once, in the order of memory. */
const packs = new WeakMap<tf.Tensor, tf.Tensor>();

/** More rows than this are quicker by the library's own product, which sorts the matrix anew each time. */
const FEW = 256;

/** Keeps a packed BF16 form of a matrix [K, N] that never changes, 2 bytes a value, until `disposePack`. Needs our kernels. */
export function pack(matrix: tf.Tensor2D): void {
  if (!packs.has(matrix)) packs.set(matrix, tf.keep(runToBf16("ErpoPack", {}, [matrix])[0]!));
}

export function disposePack(matrix: tf.Tensor2D): void {
  packs.get(matrix)?.dispose();
  packs.delete(matrix);
}

/**
 * a b, or c + a b, for few rows and a packed b: a [M, K], b [K, N], c [M, N] -> [M, N], or null where there is no packed form or the rows are many. Both factors
 * are rounded to BF16, sums and result are float32. Not recorded for gradients.
 */
export function packedProduct(a: tf.Tensor2D, b: tf.Tensor2D, c?: tf.Tensor2D): tf.Tensor2D | null {
  const packed = a.shape[0] <= FEW && hasKernels() ? packs.get(b) : undefined;
  if (!packed) return null;
  const behind = c ?? tf.tensor1d([]);
  const value = run("ErpoProduct", { columns: { int: b.shape[1] } }, [a, packed, behind]) as tf.Tensor2D;
  if (!c) behind.dispose();
  return value;
}
