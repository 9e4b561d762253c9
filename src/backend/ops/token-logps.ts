import * as tf from "@tensorflow/tfjs";
import { isHalved, matMul, matMulF32, matMulHalf } from "./mat-mul.js";
import { hasKernels, isNative, runMany, runToBf16 } from "./native.js";

/** Rows of logits held at once: [128, V] is 25 MB for V = 49,152. */
const CHUNK = 128;

/**
 * Log-probabilities [n] of targets [n] int32 given states [n, C], head [V, C] and, where `slopes`, their gradient by the states [n, C].
 */
function chunkLogps(states: tf.Tensor2D, head: tf.Tensor2D, targets: tf.Tensor1D, slopes: boolean): tf.Tensor[] {
  const logits = matMulF32(states, head, false, true); // [n, V]
  if (hasKernels()) {
    const half = isHalved(head);
    const attributes = { T: half ? "bfloat16" : "float32", slopes: { int: slopes ? 1 : 0 } } as const;
    const [logps, slope] = runToBf16("ErpoTokenLogps", attributes, [logits, targets], 2) as [tf.Tensor1D, tf.Tensor2D];
    if (!slopes) return [logps];
    return [logps, half ? matMulHalf(slope, head) : matMulF32(slope, head)];
  }
  if (isNative()) {
    const [loss, gradient] = runMany("SparseSoftmaxCrossEntropyWithLogits", { T: "float32", Tlabels: "int32" }, [logits, targets], 2);
    return [tf.neg(loss!), ...(slopes ? [tf.neg(matMul(gradient as tf.Tensor2D, head))] : [])];
  }
  const logps = tf.logSoftmax(logits);
  const hot = tf.oneHot(targets, logits.shape[1]);
  return [tf.sum(tf.mul(logps, hot), 1), ...(slopes ? [matMul(tf.sub(hot, tf.exp(logps)), head)] : [])];
}

/**
 * Log-probabilities, in nats, of given tokens: log softmax(states head^T)[target]. states [N, C], head [V, C] (frozen), targets [N] int32 -> [N].
 * Worked in chunks; where gradients are being recorded, d/d states [N, C] is computed at once, so that no [N, V] is kept.
 */
export function tokenLogps(states: tf.Tensor2D, head: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D {
  return tf.customGrad((input, save) => {
    const x = input as tf.Tensor2D;
    const recording = tf.engine().state.gradientDepth > 0;
    const [N, C] = x.shape;
    const logps: tf.Tensor1D[] = [];
    const slopes: tf.Tensor2D[] = [];
    for (let at = 0; at < N; at += CHUNK) {
      const n = Math.min(CHUNK, N - at);
      const [logp, slope] = tf.tidy(() => chunkLogps(tf.slice(x, [at, 0], [n, C]), head, tf.slice(targets, [at], [n]), recording));
      logps.push(logp as tf.Tensor1D);
      if (slope) slopes.push(slope as tf.Tensor2D);
    }
    if (recording) (save as tf.GradSaveFunc)([tf.concat(slopes, 0)]);
    return {
      value: tf.concat(logps, 0),
      gradFunc: (dy: tf.Tensor1D, [slope]: tf.Tensor[]) => tf.mul(slope as tf.Tensor2D, tf.expandDims(dy, 1)),
    };
  })(states) as tf.Tensor1D;
}

/** The plain twin, with tfjs's own gradients. */
export const tokenLogpsPlain = (states: tf.Tensor2D, head: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D =>
  tf.sum(tf.mul(tf.logSoftmax(tf.matMul(states, head, false, true)), tf.oneHot(targets, head.shape[0])), 1);
