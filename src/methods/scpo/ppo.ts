import * as tf from "@tensorflow/tfjs";
import type { Rng } from "../../backend/random.js";
import { clippedSurrogate } from "../../objectives/clipped-surrogate.js";
import type { AdamW } from "../../training/optimizer.js";
import { criticOf, criticUnit, formOf, horizonUnit, type Rollout } from "./acting.js";
import { type Algorithm, ppoSettings, type Targets } from "./algorithms.js";
import type { Environment } from "./environments/environment.js";
import { type Outputs, outputs } from "./networks.js";

/** Adam's epsilon, as in Stable-Baselines3. */
export const adamEps = 1e-5;

/** What an update reads of all seeds, [S, B] each but for x [S, B, D] and chosen [S, B, A], which has 1 at the action taken. */
export interface Minibatch {
  x: tf.Tensor3D;
  chosen: tf.Tensor3D;
  logps: tf.Tensor2D;
  advantages: tf.Tensor2D;
  /** In units of the networks. */
  returns: tf.Tensor2D;
  critic: tf.Tensor2D;
}

/**
 * The loss of all seeds, a sum over them of means over their steps: PPO's clipped surrogate (Schulman et al. 2017, equation 7), less entropy, and half the squared errors of value
 * and critic. Seeds and networks share no weights, so the sum's gradient is that of each.
 */
export function ppoLoss(said: Outputs, batch: Minibatch, algorithm: Algorithm): tf.Scalar {
  const { clip, entropy } = ppoSettings;
  const logps = tf.sum(tf.mul(said.logps, batch.chosen), 2); // [S, B]
  const surrogate = clippedSurrogate(logps as tf.Tensor2D, batch.logps, batch.advantages, clip);
  const negentropy = tf.sum(tf.mul(tf.exp(said.logps), said.logps), 2); // [S, B]
  const errors = tf.add(tf.square(tf.sub(said.value, batch.returns)), tf.square(tf.sub(criticOf(algorithm, said.critic), batch.critic)));
  const each = tf.add(tf.sub(tf.mul(negentropy, entropy), surrogate), tf.mul(errors, 0.5)); // [S, B]
  return tf.div(tf.sum(each), batch.logps.shape[1]) as tf.Scalar;
}

/** PPO's epochs over what was collected. @param rngs by which each seed's steps are shuffled */
export function improve(
  theta: tf.Variable<tf.Rank.R2>,
  optimizer: AdamW,
  rollouts: readonly Rollout[][],
  targets: readonly Targets[][],
  environment: Environment,
  algorithm: Algorithm,
  rngs: readonly Rng[],
  learningRate: number,
): void {
  const { copies, steps, minibatch, epochs } = ppoSettings;
  const order = Array.from({ length: copies * steps }, (_, i) => [Math.floor(i / steps), i % steps] as const);
  for (let epoch = 0; epoch < epochs; epoch++) {
    const orders = rngs.map((rng) => rng.shuffle(order));
    for (let from = 0; from < order.length; from += minibatch) {
      tf.tidy(() => {
        const batch = minibatchOf(rollouts, targets, orders.map((own) => own.slice(from, from + minibatch)), algorithm, environment.actions); // biome-ignore format: one thought
        const { grads } = tf.variableGrads(() => ppoLoss(outputs(theta, batch.x, formOf(environment)), batch, algorithm), [theta]);
        const gradient = grads[theta.name]! as tf.Tensor2D; // [3 S, P]
        const norms = tf.sqrt(tf.sum(tf.square(gradient), 1, true));
        const clipped = tf.mul(gradient, tf.minimum(1, tf.div(ppoSettings.maxNorm, tf.add(norms, 1e-6))));
        optimizer.update(tf.reshape(clipped, [-1]), learningRate);
      });
    }
  }
}

/** Steps of each seed with their targets; advantages with mean 0 and standard deviation 1 in each seed. */
function minibatchOf(
  rollouts: readonly Rollout[][],
  targets: readonly Targets[][],
  places: readonly (readonly (readonly [number, number])[])[],
  algorithm: Algorithm,
  actions: number,
): Minibatch {
  const [S, B] = [places.length, places[0]!.length];
  const rows = (width: number, write: (into: Float32Array, s: number, slot: number, t: number) => void) => {
    const values = new Float32Array(S * B * width);
    for (const [s, own] of places.entries())
      for (const [b, [slot, t]] of own.entries()) write(values.subarray((s * B + b) * width, (s * B + b + 1) * width), s, slot, t);
    return values;
  };
  const of = (read: (s: number, slot: number, t: number) => number) =>
    tf.tensor2d(
      rows(1, (into, s, slot, t) => {
        into[0] = read(s, slot, t);
      }),
      [S, B],
    );
  const D = rollouts[0]![0]!.observations.length / ppoSettings.steps;
  const raw = of((s, slot, t) => targets[s]![slot]!.advantages[t]!);
  const { mean, variance } = tf.moments(raw, 1, true);
  const x = rows(D, (into, s, slot, t) => into.set(rollouts[s]![slot]!.observations.subarray(t * D, (t + 1) * D)));
  const chosen = rows(actions, (into, s, slot, t) => {
    into[rollouts[s]![slot]!.actions[t]!] = 1;
  });
  return {
    x: tf.tensor3d(x, [S, B, D]),
    chosen: tf.tensor3d(chosen, [S, B, actions]),
    logps: of((s, slot, t) => rollouts[s]![slot]!.logps[t]!),
    advantages: tf.div(tf.sub(raw, mean), tf.add(tf.sqrt(variance), 1e-8)),
    returns: of((s, slot, t) => targets[s]![slot]!.returns[t]! / horizonUnit),
    critic: of((s, slot, t) => targets[s]![slot]!.critic[t]! / criticUnit(algorithm)),
  };
}
