import * as tf from "@tensorflow/tfjs";
import { hasKernels, run } from "./native.js";

/** GELU's approximation by tanh, x / 2 (1 + tanh(u)), is x sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3). */
const SLOPE = 2 * Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** gelu(gate) * up with GELU's approximation by tanh (Hendrycks & Gimpel 2016; Shazeer 2020). gateUp [N, 2 I], gate first -> [N, I]. Not recorded for gradients. */
export function gegluForward(gateUp: tf.Tensor2D): tf.Tensor2D {
  return hasKernels() ? (run("ErpoGeglu", {}, [gateUp]) as tf.Tensor2D) : gegluPlain(gateUp);
}

/** Gradient: dy [N, I] -> d gateUp [N, 2 I]. */
export function gegluBackward(dy: tf.Tensor2D, gateUp: tf.Tensor2D): tf.Tensor2D {
  if (hasKernels()) return run("ErpoGegluGrad", {}, [dy, gateUp]) as tf.Tensor2D;
  const [gate, up] = tf.split(gateUp, 2, 1) as [tf.Tensor2D, tf.Tensor2D];
  const square = tf.square(gate);
  const s = tf.sigmoid(tf.mul(gate, tf.add(SLOPE, tf.mul(square, SLOPE * CUBIC)))); // [N, I]
  const gelu = tf.mul(gate, s);
  const inner = tf.add(SLOPE, tf.mul(square, 3 * SLOPE * CUBIC)); // d 2u / d gate
  const slope = tf.add(s, tf.mul(tf.mul(gelu, tf.sub(1, s)), inner));
  return tf.concat([tf.mul(tf.mul(dy, up), slope) as tf.Tensor2D, tf.mul(dy, gelu) as tf.Tensor2D], 1);
}

/** The plain twin, with tfjs's own gradients. */
export function gegluPlain(gateUp: tf.Tensor2D): tf.Tensor2D {
  const [gate, up] = tf.split(gateUp, 2, 1) as [tf.Tensor2D, tf.Tensor2D];
  const twice = tf.mul(gate, tf.add(SLOPE, tf.mul(tf.square(gate), SLOPE * CUBIC)));
  return tf.mul(tf.mul(gate, tf.sigmoid(twice)), up);
}
