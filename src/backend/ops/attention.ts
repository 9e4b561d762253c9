import * as tf from "@tensorflow/tfjs";
import { hasKernels, run } from "./native.js";

/** What the backward pass of attention needs. */
export interface AttentionSaved {
  q: tf.Tensor4D; // [B, KV, G T, D], rotated and scaled
  k: tf.Tensor4D; // [B, KV, S, D], rotated
  v: tf.Tensor4D; // [B, KV, S, D]
  p: tf.Tensor4D; // [B, KV, G T, S], the softmax
}

/** [T, S] with 0 where query t (at position S - T + t) may look, which is at itself and at the `window` - 1 positions before, and -1e9 elsewhere. */
export function causalMask(T: number, S: number, window = S): tf.Tensor2D {
  const mask = new Float32Array(T * S);
  for (let t = 0; t < T; t++) {
    const ahead = S - T + t + 1;
    mask.fill(-1e9, t * S, t * S + Math.max(0, ahead - window));
    mask.fill(-1e9, t * S + ahead, (t + 1) * S);
  }
  return tf.tensor2d(mask, [T, S]);
}

/**
 * Grouped-query causal attention. q [B, H, T, D] (scaled), k and v [B, KV, S, D], the T queries being the last of the S positions;
 * mask [T, S] from `causalMask`. Returns [B, H, T, D].
 */
export function attentionForward(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  mask: tf.Tensor2D,
): { value: tf.Tensor4D; saved: AttentionSaved } {
  const [B, H, T, D] = q.shape;
  const KV = k.shape[1];
  const grouped = tf.reshape(q, [B, KV, (H / KV) * T, D]) as tf.Tensor4D;
  const p = maskedSoftmax(tf.matMul(grouped, k, false, true) as tf.Tensor4D, mask, 1);
  const value = tf.reshape(tf.matMul(p, v), [B, H, T, D]) as tf.Tensor4D;
  return { value, saved: { q: grouped, k, v, p } };
}

/**
 * softmax(scores + mask) over the last axis. scores [..., S]; each row of the mask [..., S], values 0 or -1e9, serves `repeat` rows of scores in turn, and behind its
 * last row comes its first. Not recorded for gradients.
 */
export function maskedSoftmax<T extends tf.Tensor>(scores: T, mask: tf.Tensor, repeat: number): T {
  if (hasKernels()) return run("ErpoMaskedSoftmax", { repeat: { int: repeat } }, [scores, mask]) as T;
  const S = scores.shape.at(-1)!;
  const masked = tf.add(tf.reshape(scores, [-1, mask.size / S, repeat, S]), tf.reshape(mask, [1, -1, 1, S]));
  return tf.reshape(tf.softmax(masked), scores.shape) as T;
}

/** Gradients of `attentionForward`: dy [B, H, T, D] -> dq [B, H, T, D], dk and dv [B, KV, S, D]. */
export function attentionBackward(dy: tf.Tensor4D, { q, k, v, p }: AttentionSaved): { dq: tf.Tensor4D; dk: tf.Tensor4D; dv: tf.Tensor4D } {
  const grouped = tf.reshape(dy, q.shape);
  const dv = tf.matMul(p, grouped, true, false) as tf.Tensor4D;
  const dp = tf.matMul(grouped, v, false, true); // [B, KV, G T, S]
  const ds = hasKernels() ? run("ErpoSoftmaxGrad", {}, [dp, p]) : tf.mul(p, tf.sub(dp, tf.sum(tf.mul(dp, p), 3, true)));
  const dq = tf.reshape(tf.matMul(ds, k), dy.shape) as tf.Tensor4D;
  const dk = tf.matMul(ds, q, true, false) as tf.Tensor4D;
  return { dq, dk, dv };
}

/** Attention with its own gradient. Shapes as in `attentionForward`. */
export function attention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, mask: tf.Tensor2D): tf.Tensor4D {
  return tf.customGrad((q, k, v, save) => {
    const { value, saved } = attentionForward(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, mask);
    (save as tf.GradSaveFunc)([saved.q, saved.k, saved.v, saved.p]);
    return {
      value,
      gradFunc: (dy: tf.Tensor4D, s: tf.Tensor[]) => {
        const [q, k, v, p] = s as tf.Tensor4D[];
        const { dq, dk, dv } = attentionBackward(dy, { q: q!, k: k!, v: v!, p: p! });
        return [dq, dk, dv];
      },
    };
  })(q, k, v) as tf.Tensor4D;
}

/** The plain twin, with tfjs's own gradients. */
export function attentionPlain(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, mask: tf.Tensor2D): tf.Tensor4D {
  const [B, H, , D] = q.shape;
  const KV = k.shape[1];
  const S = k.shape[2];
  const wide = (x: tf.Tensor4D) =>
    tf.reshape(
      tf.stack(
        Array.from({ length: H / KV }, () => x),
        2,
      ),
      [B, H, S, D],
    ); // each head its own keys
  return tf.matMul(tf.softmax(tf.add(tf.matMul(q, wide(k), false, true), mask)), wide(v)) as tf.Tensor4D;
}
