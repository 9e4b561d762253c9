import * as tf from "@tensorflow/tfjs";
import { matMul, matMulF32 } from "./mat-mul.js";
import { isNative, runMany } from "./native.js";

/** Rows of logits held at once: [128, V] is 25 MB for V = 49,152. */
const CHUNK = 128;

/** Cross-entropy [n] of logits [n, V] against targets [n] int32, and its gradient softmax - onehot [n, V]. */
function crossEntropy(logits: tf.Tensor2D, targets: tf.Tensor1D): { loss: tf.Tensor1D; gradient: tf.Tensor2D } {
  if (isNative()) {
    const [loss, gradient] = runMany("SparseSoftmaxCrossEntropyWithLogits", { T: "float32", Tlabels: "int32" }, [logits, targets], 2);
    return { loss: loss as tf.Tensor1D, gradient: gradient as tf.Tensor2D };
  }
  const logps = tf.logSoftmax(logits);
  const hot = tf.oneHot(targets, logits.shape[1]);
  return { loss: tf.neg(tf.sum(tf.mul(logps, hot), 1)) as tf.Tensor1D, gradient: tf.sub(tf.exp(logps), hot) as tf.Tensor2D };
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
      const [logp, slope] = tf.tidy(() => {
        const logits = matMulF32(tf.slice(x, [at, 0], [n, C]), head, false, true); // [n, V]
        const { loss, gradient } = crossEntropy(logits, tf.slice(targets, [at], [n]));
        return [tf.neg(loss), recording ? tf.neg(matMul(gradient, head)) : loss];
      });
      logps.push(logp as tf.Tensor1D);
      slopes.push(slope as tf.Tensor2D);
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
