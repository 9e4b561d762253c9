import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { giveWay } from "../../backend/give-way.js";
import { createRng, type Rng, restoreRng } from "../../backend/random.js";
import { digestOf, type Identity, type IdentityValue } from "../../data/identity.js";
import { readJson } from "../../data/jsonl.js";
import type { KeptFolder } from "../../runs/claim.js";
import { takePlace } from "../../runs/keep.js";
import { writeAtomic } from "../../setup/atomic.js";
import { AdamW } from "../../training/optimizer.js";
import { collect, type Episode, formOf, look, newSlot, type Played, play, type Slot } from "./acting.js";
import { type Algorithm, discounts, ppoSettings } from "./algorithms.js";
import type { Environment } from "./environments/environment.js";
import { initialNetworks } from "./networks.js";
import { adamEps, improve } from "./ppo.js";

/** Raised when the same settings would give something else than before. */
const version = 1;

/** An iteration of a seed: means over the episodes that ended in it, all of them sampled; NaN where none did, and null once it was stored. */
export interface CurveRow {
  algorithm: string;
  /** From 1. */
  seed: number;
  /** Steps of the environment so far. */
  steps: number;
  reward: number;
  cost: number;
  /** Share of episodes within the limit. */
  within: number;
  /** lambda of a Lagrangian. */
  multiplier: number;
}

/** What is trained: an algorithm in an environment, several seeds at once. */
export interface Training {
  environment: Environment;
  algorithm: Algorithm;
  /** How many seeds, from 1. */
  seeds: number;
  /** Steps of the environment per seed, rounded to whole iterations. */
  steps: number;
  /** Seed of all randomness; a seed's own stream does not depend on the algorithm nor on how many others there are. */
  seed: number;
}

/** A finished training. */
export interface Trained extends Played {
  curve: CurveRow[];
  /** theta [3 S, P], float32 little-endian in base 64. */
  networks: string;
}

/** Everything that training goes on from. */
interface State {
  /** Of the identity that it belongs to. */
  digest: string;
  curve: CurveRow[];
  slots: Slot[][];
  rngs: number[][];
  multipliers: number[];
  optimizer: { step: number; m: string; v: string };
  networks: string;
}

/** Iterations from one checkpoint to the next. */
const checkpointEvery = 5;

/** Sampled episodes by which a trained policy of each seed is measured. */
const measuredEpisodes = 100;

/** Iterations of a training. */
export const iterationsOf = ({ steps }: Pick<Training, "steps">): number =>
  Math.max(1, Math.round(steps / (ppoSettings.copies * ppoSettings.steps)));

/** A training's result in a run's folder. */
export const trainedFile = ({ environment, algorithm }: Training): string => `methods/scpo/${environment.name}/${algorithm.name}.json`;

function identityOf({ environment, algorithm, seeds, seed, ...training }: Training): Identity {
  const { name, limit, horizon } = environment;
  return {
    ...{
      recipe: "SCPO, training",
      version,
      environment: { name, limit, horizon },
      algorithm: algorithm.name,
      settings: algorithm.settings,
    },
    ...{ ppo: ppoSettings, discounts, iterations: iterationsOf(training), seeds, seed },
  };
}

/**
 * PPO on several seeds at once: collect steps, make targets of them as the algorithm does, improve on them. Kept; one that was stopped goes on from its last checkpoint to the same
 * result.
 * @returns a row per seed and iteration, those of earlier calls too
 * @throws KeptError when another training is kept in its place
 */
export async function* train(run: KeptFolder, training: Training, signal?: AbortSignal): AsyncGenerator<CurveRow> {
  const file = trainedFile(training);
  const identity = identityOf(training);
  const checkpoint = join(run.dir, file.replace(/json$/, "checkpoint.json"));
  using place = await takePlace(run, file, [file], identity, signal);
  if (place.whole) {
    rmSync(checkpoint, { force: true }); // where it was stopped just before
    yield* readTrained(run, training).curve;
    return;
  }
  const { environment, algorithm, seeds } = training;
  const digest = digestOf(identity as IdentityValue);
  const before = existsSync(checkpoint) ? readJson<State>(checkpoint) : undefined;
  const state = before?.digest === digest ? before : begin(training, digest);
  const rngs = state.rngs.map(restoreRng);
  const theta = tf.tidy(() => tf.variable(tf.reshape(tf.tensor1d(numbers(state.networks)), [3 * seeds, -1]) as tf.Tensor2D));
  const optimizer = new AdamW([theta], { eps: adamEps });
  optimizer.restore({ step: state.optimizer.step, m: numbers(state.optimizer.m), v: numbers(state.optimizer.v) });
  const iterations = iterationsOf(training);
  try {
    yield* state.curve;
    for (let done = state.curve.length / seeds; done < iterations; done++) {
      await giveWay(signal);
      const { rollouts, episodes } = await collect(theta, state.slots, environment, algorithm, rngs);
      const targets = rollouts.map((own, s) => own.map((path) => algorithm.targets(path, environment.limit, state.multipliers[s]!)));
      const learningRate = ppoSettings.learningRate * (1 - done / iterations);
      improve(theta, optimizer, rollouts, targets, environment, algorithm, rngs, learningRate);
      const rows = episodes.map((own, s) => rowOf(training, s, done + 1, own, state.multipliers[s]!));
      state.multipliers = rows.map(({ multiplier, cost }) =>
        Number.isNaN(cost) ? multiplier : algorithm.ascend(multiplier, cost, environment.limit),
      );
      state.curve.push(...rows);
      if ((done + 1) % checkpointEvery === 0 && done + 1 < iterations) {
        const { step, m, v } = await optimizer.state();
        Object.assign(state, { rngs: rngs.map((rng) => rng.state()), optimizer: { step, m: base64(m), v: base64(v) } });
        state.networks = base64(await theta.data());
        writeAtomic(checkpoint, [JSON.stringify(state)]);
      }
      yield* rows;
    }
    const played = await play(theta, environment, algorithm, rngs, measuredEpisodes);
    const result: Trained = { curve: state.curve, ...played, networks: base64(await theta.data()) };
    place.write([`${JSON.stringify(result)}\n`]);
    rmSync(checkpoint, { force: true });
  } finally {
    theta.dispose();
    optimizer.dispose();
  }
}

function rowOf(
  { algorithm, environment }: Training,
  s: number,
  iterations: number,
  episodes: readonly Episode[],
  multiplier: number,
): CurveRow {
  const mean = (read: (episode: Episode) => number) => episodes.reduce((sum, episode) => sum + read(episode), 0) / episodes.length;
  return {
    ...{ algorithm: algorithm.name, seed: s + 1, steps: iterations * ppoSettings.copies * ppoSettings.steps },
    ...{ reward: mean(({ reward }) => reward), cost: mean(({ cost }) => cost), multiplier },
    within: mean(({ cost }) => Number(cost <= environment.limit)),
  };
}

/** Networks, slots and streams before the first iteration. */
function begin({ environment, algorithm, seeds, seed }: Training, digest: string): State {
  const rngs = Array.from({ length: seeds }, (_, s) => createRng(seed).fork(`SCPO, ${environment.name}, seed ${s + 1}`));
  const networks = tf.tidy(
    () => initialNetworks(formOf(environment), rngs, algorithm.critic === "safety" ? 1 : 0).dataSync() as Float32Array,
  );
  const zeros = base64(new Float32Array(networks.length));
  const slots = rngs.map((rng: Rng) => Array.from({ length: ppoSettings.copies }, () => newSlot(environment, rng)));
  return {
    ...{ digest, curve: [], slots, rngs: rngs.map((rng) => rng.state()), multipliers: rngs.map(() => 0) },
    ...{ optimizer: { step: 0, m: zeros, v: zeros }, networks: base64(networks) },
  };
}

/** A training that is finished. @throws DataError where the run has none */
export const readTrained = (run: KeptFolder, training: Training): Trained => readJson<Trained>(join(run.dir, trainedFile(training)));

/**
 * What the critic of a trained seed says of states: V_s in [0, 1], or costs to come.
 * @param which of the seeds, from 1
 * @param states with what the episode has cost until then
 */
export async function criticAt(
  training: Training,
  { networks }: Trained,
  which: number,
  states: readonly Pick<Slot, "state" | "cost">[],
): Promise<number[]> {
  const { environment, algorithm, seeds } = training;
  const all = numbers(networks);
  const size = all.length / (3 * seeds);
  const theta = tf.tensor2d(Float32Array.from([0, 1, 2].flatMap((kind) => [...all.subarray((kind * seeds + which - 1) * size, (kind * seeds + which) * size)])), [3, size]); // biome-ignore format: one thought
  const said = await look(theta, [states.map((state) => ({ ...state, reward: 0, steps: 0 }))], environment, algorithm);
  theta.dispose();
  return states.map((_, i) => said(0, i).critic);
}

const base64 = (values: ArrayLike<number>): string => Buffer.from(Float32Array.from(values).buffer).toString("base64");

/** Numbers of `networks`. */
export function numbers(text: string): Float32Array {
  const bytes = Buffer.from(text, "base64");
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
