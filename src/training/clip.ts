import * as tf from "@tensorflow/tfjs";
import { readLast } from "../backend/read.js";

/**
 * Scales a gradient down to a global norm, as PyTorch's `clip_grad_norm_` does: g * min(1, maxNorm / (norm + 1e-6)).
 * @param gradient all gradients as one vector `[P]`; it is disposed
 * @param maxNorm > 0; 0 leaves the gradient alone
 * @returns the clipped gradient, and the Euclidean norm before clipping (TRL's `grad_norm`)
 */
export async function clipByGlobalNorm(gradient: tf.Tensor1D, maxNorm: number): Promise<{ gradient: tf.Tensor1D; norm: number }> {
  const [norm = 0] = await readLast(tf.tidy(() => tf.sqrt(tf.sum(tf.square(gradient)))));
  const factor = maxNorm > 0 ? Math.min(1, maxNorm / (norm + 1e-6)) : 1;
  if (factor === 1 || !Number.isFinite(norm)) return { gradient, norm };
  const clipped = tf.mul(gradient, factor) as tf.Tensor1D;
  gradient.dispose();
  return { gradient: clipped, norm };
}
