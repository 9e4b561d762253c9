import * as tf from "@tensorflow/tfjs";
import type { Rng } from "../../backend/random.js";

/**
 * Policy, value and critic of several seeds: networks of one form, tanh(tanh(x W1 + b1) W2 + b2) W3 + b3, that share nothing. What such small products cost is their dispatch, so
 * all networks of all seeds are one batched product; theta [3 S, P] has a network in each row: the policies of all seeds, then the values, then the critics.
 */
export interface Form {
  /** D, numbers of an observation; H, hidden units of both layers; A, actions. */
  observed: number;
  hidden: number;
  actions: number;
}

const sizes = ({ observed: D, hidden: H, actions: A }: Form): number[] => [D * H, H, H * H, H, H * A, A];

/**
 * Networks to begin with: weights are normal with variance 1 / inputs, in a policy's last layer a hundredth of that, so that all actions are about as likely.
 * @param rngs one per seed
 * @param criticBias the last bias of the critics
 * @returns [3 S, P]
 */
export function initialNetworks(form: Form, rngs: readonly Rng[], criticBias: number): tf.Tensor2D {
  const inputs = [form.observed, 0, form.hidden, 0, form.hidden, 0];
  const network = (rng: Rng, last: number, bias: number) =>
    sizes(form).flatMap((size, part) => {
      const scale = part % 2 === 1 ? 0 : (part === 4 ? last : 1) / Math.sqrt(inputs[part]!);
      return Array.from({ length: size }, () => (part === 5 ? bias : scale * rng.normal()));
    });
  const kinds = [(rng: Rng) => network(rng, 0.01, 0), (rng: Rng) => network(rng, 1, 0), (rng: Rng) => network(rng, 0.1, criticBias)];
  return tf.tensor2d(kinds.flatMap((kind) => rngs.map(kind)));
}

/** What the networks say of observations. */
export interface Outputs {
  /** Log-probabilities of the actions, [S, B, A]. */
  logps: tf.Tensor3D;
  /** First outputs of the value and the critic networks, [S, B] each. */
  value: tf.Tensor2D;
  critic: tf.Tensor2D;
}

/** @param theta [3 S, P]; @param x observations [S, B, D] */
export function outputs(theta: tf.Tensor2D, x: tf.Tensor3D, form: Form): Outputs {
  const { observed: D, hidden: H, actions: A } = form;
  const [S, B] = x.shape;
  const parts = tf.split(theta, sizes(form), 1);
  const part = (i: number, rows: number, columns: number) => tf.reshape(parts[i]!, [3 * S, rows, columns]);
  const first = tf.tanh(tf.add(tf.matMul(tf.tile(x, [3, 1, 1]), part(0, D, H)), part(1, 1, H))); // [3 S, B, H]
  const second = tf.tanh(tf.add(tf.matMul(first, part(2, H, H)), part(3, 1, H))); // [3 S, B, H]
  const last = tf.add(tf.matMul(second, part(4, H, A)), part(5, 1, A)); // [3 S, B, A]
  const [policy, value, critic] = tf.split(last, 3, 0) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
  const firstOf = (x: tf.Tensor3D) => tf.reshape(tf.slice(x, [0, 0, 0], [S, B, 1]), [S, B]) as tf.Tensor2D;
  return { logps: tf.logSoftmax(policy), value: firstOf(value), critic: firstOf(critic) };
}
