import * as tf from "@tensorflow/tfjs";
import { hasKernels, run } from "./native.js";

/** silu(gate) * up (Shazeer 2020). gateUp [N, 2 I], gate first -> [N, I]. Not recorded for gradients. */
export function swigluForward(gateUp: tf.Tensor2D): tf.Tensor2D {
  return hasKernels() ? (run("ErpoSwiglu", {}, [gateUp]) as tf.Tensor2D) : swigluPlain(gateUp);
}

/** Gradient: dy [N, I] -> d gateUp [N, 2 I]. */
export function swigluBackward(dy: tf.Tensor2D, gateUp: tf.Tensor2D): tf.Tensor2D {
  if (hasKernels()) return run("ErpoSwigluGrad", {}, [dy, gateUp]) as tf.Tensor2D;
  const [gate, up] = tf.split(gateUp, 2, 1) as [tf.Tensor2D, tf.Tensor2D];
  const s = tf.sigmoid(gate); // [N, I]
  const silu = tf.mul(gate, s);
  // d silu / d gate = s (1 + gate (1 - s)) = s + silu - silu s
  const slope = tf.add(s, tf.sub(silu, tf.mul(silu, s)));
  return tf.concat([tf.mul(tf.mul(dy, up), slope) as tf.Tensor2D, tf.mul(dy, silu) as tf.Tensor2D], 1);
}

/** SwiGLU with its own gradient, which keeps only its input. */
export function swiglu(gateUp: tf.Tensor2D): tf.Tensor2D {
  return tf.customGrad((input, save) => {
    (save as tf.GradSaveFunc)([input as tf.Tensor]);
    return {
      value: swigluForward(input as tf.Tensor2D),
      gradFunc: (dy: tf.Tensor2D, [x]: tf.Tensor[]) => swigluBackward(dy, x as tf.Tensor2D),
    };
  })(gateUp) as tf.Tensor2D;
}

/** The plain twin, with tfjs's own gradients. */
export function swigluPlain(gateUp: tf.Tensor2D): tf.Tensor2D {
  const [gate, up] = tf.split(gateUp, 2, 1) as [tf.Tensor2D, tf.Tensor2D];
  return tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
}
