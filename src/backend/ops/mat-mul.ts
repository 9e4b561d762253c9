import * as tf from "@tensorflow/tfjs";
import { hasKernels, isNative, run, runToBf16 } from "./native.js";
import { disposePack, pack, packedProduct } from "./packed.js";

/** The BF16 forms of frozen matrices. */
const halves = new WeakMap<tf.Tensor, tf.Tensor>();

/** Whether products with frozen matrices take BF16 inputs in this process; the device sets it when it opens. */
export const BF16_FLAG = "ERPO_BF16";
tf.env().registerFlag(BF16_FLAG, () => false);

/** Whether those products are float32 products of rounded factors, since the processor does not multiply BF16; read when a matrix is frozen. */
export const EMULATION_FLAG = "ERPO_BF16_EMULATED";
tf.env().registerFlag(EMULATION_FLAG, () => false);

/** Frozen matrices whose rounded form is held in float32. */
const emulated = new WeakSet<tf.Tensor>();

/**
 * a b of matrices, each optionally transposed first: the library's MatMul. Not recorded for gradients. Where b is frozen and the process computes in BF16, a and b
 * are rounded to it (8 bits of mantissa, relative error up to 2^-9), sums are float32 and so is the result, rounded once more.
 */
export function matMul(a: tf.Tensor2D, b: tf.Tensor2D, transposeA = false, transposeB = false): tf.Tensor2D {
  const product = halfProduct(a, b, transposeA, transposeB);
  if (!product) return matMulF32(a, b, transposeA, transposeB);
  const value = toFloat32(product);
  product.dispose();
  return value;
}

/** a b + c, as `matMul` and an addition: the product in BF16 is added as it is widened. */
export function matMulAdd(a: tf.Tensor2D, b: tf.Tensor2D, c: tf.Tensor2D, transposeA = false, transposeB = false): tf.Tensor2D {
  const product = hasKernels() ? halfProduct(a, b, transposeA, transposeB) : null;
  if (!product) return tf.add(c, matMul(a, b, transposeA, transposeB));
  const value = run("ErpoAccumulate", {}, [product, c]) as tf.Tensor2D;
  product.dispose();
  return value;
}

/**
 * a b, or c + a b, for a step of sampling: where b is packed (`packFrozen`) both factors are rounded to BF16 and the product is not. Training and scoring leave
 * packed forms alone, so that their numbers do not depend on what has been sampled before.
 */
export const matMulFew = (a: tf.Tensor2D, b: tf.Tensor2D, c?: tf.Tensor2D): tf.Tensor2D =>
  packedProduct(a, b, c) ?? (c ? matMulAdd(a, b, c) : matMul(a, b));

/** a b for an a that is in BF16 already; b must be frozen in a process that computes in BF16 (`isHalved`). */
export function matMulHalf(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  const product = multiplyHalves(a, halves.get(b)!, false, false);
  const value = toFloat32(product);
  product.dispose();
  return value;
}

/** Whether products with a matrix are taken in BF16. */
export const isHalved = (b: tf.Tensor2D): boolean => halves.has(b);

/** The product in BF16 with a frozen matrix; null where it is not taken in BF16. */
function halfProduct(a: tf.Tensor2D, b: tf.Tensor2D, transposeA: boolean, transposeB: boolean): tf.Tensor | null {
  const half = halves.get(b);
  if (!half) return null;
  const left = toBf16(a);
  const product = multiplyHalves(left, half, transposeA, transposeB);
  left.dispose();
  return product;
}

/** a in BF16, b a rounded form -> their product in BF16. */
function multiplyHalves(a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): tf.Tensor {
  const attributes = { transpose_a: transposeA, transpose_b: transposeB };
  if (!emulated.has(b)) return runToBf16("MatMul", { T: "bfloat16", ...attributes }, [a, b])[0]!;
  const wide = toFloat32(a);
  const product = run("MatMul", { T: "float32", ...attributes }, [wide, b]);
  const half = toBf16(product);
  tf.dispose([wide, product]);
  return half;
}

const toFloat32 = (half: tf.Tensor): tf.Tensor2D =>
  run("Cast", { SrcT: "bfloat16", DstT: "float32", Truncate: false }, [half]) as tf.Tensor2D;

/** The same, never rounded. */
export function matMulF32(a: tf.Tensor2D, b: tf.Tensor2D, transposeA = false, transposeB = false): tf.Tensor2D {
  if (!isNative()) return tf.matMul(a, b, transposeA, transposeB);
  return run("MatMul", { T: "float32", transpose_a: transposeA, transpose_b: transposeB }, [a, b]) as tf.Tensor2D;
}

/** Says that a matrix never changes: in BF16 mode its rounded form is kept, 2 bytes per value (4 where BF16 is emulated), until `disposeFrozen`. Returns the matrix. */
export function freeze(matrix: tf.Tensor2D): tf.Tensor2D {
  if (isNative() && tf.env().getBool(BF16_FLAG)) halves.set(matrix, tf.keep(rounded(matrix)));
  return matrix;
}

function rounded(matrix: tf.Tensor2D): tf.Tensor {
  const half = toBf16(matrix);
  if (!tf.env().getBool(EMULATION_FLAG)) return half;
  const wide = toFloat32(half);
  half.dispose();
  emulated.add(wide);
  return wide;
}

/** Says that products of few rows with a matrix come often (`matMulFew`): where the process computes in BF16 and has our kernels, a form for them is kept until `disposeFrozen`. */
export function packFrozen(matrix: tf.Tensor2D): void {
  if (hasKernels() && tf.env().getBool(BF16_FLAG)) pack(matrix);
}

/** Disposes of a matrix and its rounded forms. */
export function disposeFrozen(matrix: tf.Tensor2D): void {
  disposePack(matrix);
  halves.get(matrix)?.dispose();
  halves.delete(matrix);
  matrix.dispose();
}

const toBf16 = (x: tf.Tensor): tf.Tensor => runToBf16("Cast", { SrcT: "float32", DstT: "bfloat16", Truncate: false }, [x])[0]!;
