import * as tf from "@tensorflow/tfjs";
import type { Rng } from "../../backend/random.js";
import { readLast } from "../../backend/read.js";
import { type Algorithm, discounts, ppoSettings } from "./algorithms.js";
import type { Environment } from "./environments/environment.js";
import { type Form, outputs } from "./networks.js";
import type { Path } from "./returns.js";

/** Values and costs to come are predicted in units of this many steps' worth. */
export const horizonUnit = 1 / (1 - discounts.gamma);

/** Networks see the observation and min(C / d, 1), what the episode has cost as a share of its limit. */
export const formOf = ({ observed, actions }: Environment): Form => ({ observed: observed + 1, hidden: ppoSettings.hidden, actions });

/** An episode under way. */
export interface Slot {
  state: number[];
  reward: number;
  cost: number;
  steps: number;
}

export const newSlot = (environment: Environment, rng: Rng): Slot => ({ state: environment.reset(rng), reward: 0, cost: 0, steps: 0 });

/** What networks see of a slot, [D]. */
const seen = (environment: Environment, { state, cost }: Pick<Slot, "state" | "cost">): number[] => [
  ...environment.observe(state),
  Math.min(cost / environment.limit, 1),
];

/** The critic's reading of its network's output: for safety clamp(tanh, 0, 1), whose gradient is 0 below 0. */
export const criticOf = ({ critic }: Pick<Algorithm, "critic">, output: tf.Tensor2D): tf.Tensor2D =>
  critic === "safety" ? tf.clipByValue(tf.tanh(output), 0, 1) : output;

/** In what units the critic is predicted. */
export const criticUnit = ({ critic }: Algorithm): number => (critic === "safety" ? 1 : horizonUnit);

/** What networks say of the slots of all seeds, in units of rewards and costs. */
export async function look(theta: tf.Tensor2D, slots: readonly (readonly Slot[])[], environment: Environment, algorithm: Algorithm) {
  const [S, B] = [slots.length, slots[0]!.length];
  const form = formOf(environment);
  const width = form.actions + 2;
  const values = await readLast(
    tf.tidy(() => {
      const x = tf.tensor3d(Float32Array.from(slots.flatMap((own) => own.flatMap((slot) => seen(environment, slot)))), [
        S,
        B,
        form.observed,
      ]);
      const { logps, value, critic } = outputs(theta, x, form);
      return tf.concat([logps, tf.expandDims(value, 2), tf.expandDims(criticOf(algorithm, critic), 2)], 2); // [S, B, A + 2]
    }),
  );
  return (seed: number, slot: number) => {
    const row = values.subarray((seed * B + slot) * width, (seed * B + slot + 1) * width);
    return {
      logps: row.subarray(0, form.actions),
      value: horizonUnit * row[form.actions]!,
      critic: criticUnit(algorithm) * row[form.actions + 1]!,
    };
  };
}

/** An action of given log-probabilities. */
function draw(logps: Float32Array | Int32Array, rng: Rng): number {
  let left = rng.uniform();
  for (let action = 0; action < logps.length - 1; action++) {
    left -= Math.exp(logps[action]!);
    if (left < 0) return action;
  }
  return logps.length - 1;
}

/** One step of a slot, in place. @returns what happened, and the finished episode where it ends */
function advance(environment: Environment, slot: Slot, action: number) {
  const { state, reward, cost, done } = environment.step(slot.state, action);
  slot.state = state;
  slot.reward += reward;
  slot.cost += cost;
  slot.steps += 1;
  return { reward, cost, spent: slot.cost, ends: done || slot.steps >= environment.horizon };
}

/** A path with what PPO needs beside it: observations [T, D], actions and their log-probabilities [T]. */
export interface Rollout extends Path {
  observations: Float32Array;
  actions: number[];
  logps: number[];
}

/** Return and cost of an episode. */
export interface Episode {
  reward: number;
  cost: number;
}

/** T steps of all slots of all seeds side by side. @returns per seed a rollout of each slot, and the episodes that have ended */
export async function collect(
  theta: tf.Tensor2D,
  slots: readonly Slot[][],
  environment: Environment,
  algorithm: Algorithm,
  rngs: readonly Rng[],
): Promise<{ rollouts: Rollout[][]; episodes: Episode[][] }> {
  const episodes: Episode[][] = slots.map(() => []);
  const rollouts = slots.map((own) =>
    own.map(() => ({
      ...{ rewards: [] as number[], costs: [] as number[], spent: [] as number[], ends: [] as boolean[] },
      ...{ values: [] as number[], critic: [] as number[], lastValue: 0, lastCritic: 0 },
      ...{
        observations: new Float32Array(ppoSettings.steps * formOf(environment).observed),
        actions: [] as number[],
        logps: [] as number[],
      },
    })),
  );
  for (let t = 0; t <= ppoSettings.steps; t++) {
    const said = await look(theta, slots, environment, algorithm);
    for (const [s, own] of slots.entries()) {
      for (const [e, slot] of own.entries()) {
        const rollout = rollouts[s]![e]!;
        const { logps, value, critic } = said(s, e);
        if (t === ppoSettings.steps) {
          Object.assign(rollout, { lastValue: value, lastCritic: critic });
          continue;
        }
        const action = draw(logps, rngs[s]!);
        rollout.observations.set(seen(environment, slot), t * formOf(environment).observed);
        const { reward, cost, spent, ends } = advance(environment, slot, action);
        rollout.actions.push(action);
        rollout.logps.push(logps[action]!);
        rollout.rewards.push(reward);
        rollout.costs.push(cost);
        rollout.spent.push(spent);
        rollout.ends.push(ends);
        rollout.values.push(value);
        rollout.critic.push(critic);
        if (ends) {
          episodes[s]!.push({ reward: slot.reward, cost: slot.cost });
          own[e] = newSlot(environment, rngs[s]!);
        }
      }
    }
  }
  return { rollouts, episodes };
}

/** Episodes of trained policies. */
export interface Played {
  /** Of each seed. */
  episodes: Episode[][];
  /** The states of each seed's first episode, from its beginning. */
  watched: number[][][];
}

/** Whole episodes of each seed's policy, actions sampled as in training. @param theta [3 S, P]; @param count episodes per seed */
export async function play(
  theta: tf.Tensor2D,
  environment: Environment,
  algorithm: Algorithm,
  rngs: readonly Rng[],
  count: number,
): Promise<Played> {
  const slots = rngs.map((rng) => Array.from({ length: count }, () => newSlot(environment, rng)));
  const running = slots.map((own) => own.map(() => true));
  const watched = slots.map(([slot]) => [slot!.state]);
  while (running.flat().some((goes) => goes)) {
    const said = await look(theta, slots, environment, algorithm);
    for (const [s, own] of slots.entries()) {
      for (const [e, slot] of own.entries()) {
        if (!running[s]![e]) continue;
        running[s]![e] = !advance(environment, slot, draw(said(s, e).logps, rngs[s]!)).ends;
        if (e === 0) watched[s]!.push(slot.state);
      }
    }
  }
  return { episodes: slots.map((own) => own.map(({ reward, cost }) => ({ reward, cost }))), watched };
}
