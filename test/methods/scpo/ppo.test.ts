import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDevice } from "../../../src/backend/device.js";
import { createRng } from "../../../src/backend/random.js";
import { collect, criticOf, formOf, look, newSlot } from "../../../src/methods/scpo/acting.js";
import { type Algorithm, ppo, ppoLagrangian, ppoSettings, scpo } from "../../../src/methods/scpo/algorithms.js";
import { cartPole } from "../../../src/methods/scpo/environments/cart-pole.js";
import type { Environment } from "../../../src/methods/scpo/environments/environment.js";
import { lanesCmdp, tabularEnvironment } from "../../../src/methods/scpo/environments/lanes.js";
import { initialNetworks, outputs } from "../../../src/methods/scpo/networks.js";
import { ppoLoss } from "../../../src/methods/scpo/ppo.js";
import { numbers, readTrained, type Trained, type Training, train, trainedFile } from "../../../src/methods/scpo/train.js";
import { KeptError } from "../../../src/runs/claim.js";

const root = mkdtempSync(join(tmpdir(), "erpo-scpo-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeAll(async () => {
  await openDevice();
});

const folder = (name: string) => ({ dir: join(root, name), parents: [] });
const mean = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;
const nullifying = scpo({ power: 2, penalty: 0, bias: 0 });
const inLanes = (algorithm: Algorithm, steps: number, seeds = 2): Training => ({
  ...{ environment: tabularEnvironment("lanes", lanesCmdp, 2), algorithm, seeds, steps, seed: 1 },
});

async function trained(name: string, training: Training): Promise<Trained> {
  for await (const _ of train(folder(name), training));
  return readTrained(folder(name), training);
}

test("networks in one batched product are those of each alone: outputs and gradients of a plain two-layer network", () => {
  const form = { observed: 3, hidden: 4, actions: 2 };
  const theta = initialNetworks(form, [createRng(1), createRng(2)], 1); // [6, P]
  const x = tf.tensor3d([0.1, -0.2, 0.3, 0.5, 0.4, -0.6], [2, 1, 3]);
  const { logps, value, critic } = outputs(theta, x, form);
  const rows = theta.arraySync();
  const alone = (row: number[], input: number[]) => {
    const layer = (from: number, ins: readonly number[], outs: number) =>
      Array.from({ length: outs }, (_, o) =>
        ins.reduce((sum, v, i) => sum + v * row[from + i * outs + o]!, row[from + ins.length * outs + o]!),
      );
    const [first, second] = [3 * 4 + 4, 4 * 4 + 4];
    return layer(first + second, layer(first, layer(0, input, 4).map(Math.tanh), 4).map(Math.tanh), 2);
  };
  const inputs = x.arraySync();
  for (const s of [0, 1]) {
    const logits = alone(rows[s]!, inputs[s]![0]!);
    const logsum = Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0));
    for (const a of [0, 1]) expect(logps.arraySync()[s]![0]![a]).toBeCloseTo(logits[a]! - logsum, 5);
    expect(value.arraySync()[s]![0]).toBeCloseTo(alone(rows[2 + s]!, inputs[s]![0]!)[0]!, 5);
    expect(critic.arraySync()[s]![0]).toBeCloseTo(alone(rows[4 + s]!, inputs[s]![0]!)[0]!, 5);
  }
});

test("the loss by hand: clipped ratio, entropy, and both squared errors; the safety critic is clamp(tanh, 0, 1)", () => {
  const logps = tf.log(tf.tensor3d([0.75, 0.25, 0.5, 0.5], [1, 2, 2])) as tf.Tensor3D;
  const said = { logps, value: tf.tensor2d([[1, 2]]), critic: tf.tensor2d([[-3, 0.5]]) };
  const batch = {
    x: tf.zeros([1, 2, 1]) as tf.Tensor3D,
    chosen: tf.tensor3d([1, 0, 0, 1], [1, 2, 2]),
    logps: tf.log(tf.tensor2d([[0.5, 0.5]])) as tf.Tensor2D, // ratios 1.5 and 1
    advantages: tf.tensor2d([[2, -1]]),
    returns: tf.tensor2d([[1.5, 2]]),
    critic: tf.tensor2d([[1, 1]]),
  };
  const entropy = -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25)) + Math.LN2;
  const squares = 0.25 + (0 - 1) ** 2 + (Math.tanh(0.5) - 1) ** 2;
  const wanted = (-(1.2 * 2 - 1) - ppoSettings.entropy * entropy + 0.5 * squares) / 2;
  expect(ppoLoss(said, batch, nullifying).arraySync()).toBeCloseTo(wanted, 5);
  expect([...criticOf(nullifying, tf.tensor2d([[-2, 0.5, 9]])).dataSync()]).toEqual([0, expect.closeTo(Math.tanh(0.5), 5), 1]);
});

test("what is collected: the value behind the last step, and in each observation what the episode has cost before, as a share of the limit", async () => {
  const environment = tabularEnvironment("lanes", lanesCmdp, 2);
  const rngs = [createRng(1)];
  const theta = initialNetworks(formOf(environment), rngs, 0);
  const slots = [[1, 2].map(() => newSlot(environment, rngs[0]!))];
  const { rollouts } = await collect(theta, slots, environment, ppo, rngs);
  const said = await look(theta, slots, environment, ppo);
  const D = formOf(environment).observed;
  for (const [e, { spent, ends, observations, lastValue, lastCritic }] of rollouts[0]!.entries()) {
    expect([lastValue, lastCritic]).toEqual([said(0, e).value, said(0, e).critic].map((x) => expect.closeTo(x, 3)));
    expect(Math.abs(lastValue)).toBeGreaterThan(0.01);
    const before = spent.map((_, t) => (t === 0 || ends[t - 1] ? 0 : spent[t - 1]!));
    expect(Math.max(...before)).toBeGreaterThan(2);
    expect(before.map((_, t) => observations[(t + 1) * D - 1])).toEqual(before.map((cost) => Math.min(cost / 2, 1)));
  }
  theta.dispose();
});

test("a Lagrangian's multiplier grows beyond the limit, falls within it and never below 0; PPO's stays at 0", () => {
  expect(ppoLagrangian.ascend(1, 3, 2)).toBeCloseTo(1.125, 12);
  expect(ppoLagrangian.ascend(1, 100, 2)).toBeCloseTo(1.25, 12);
  expect(ppoLagrangian.ascend(0.01, 0, 2)).toBe(0);
  expect(ppo.ascend(0, 100, 2)).toBe(0);
});

test("a Lagrangian's advantage by hand: that of the reward less the multiplier times that of the cost, over 1 and the multiplier", () => {
  const path = { rewards: [3], costs: [2], spent: [2], ends: [true], values: [1], critic: [0.5], lastValue: 9, lastCritic: 9 };
  // an episode's last step: 3 - 1 = 2 of the reward, 2 - 0.5 = 1.5 of the cost
  expect(ppoLagrangian.targets(path, 1, 1)).toEqual({ advantages: [(2 - 1.5) / 2], returns: [3], critic: [2] });
  expect(ppo.targets(path, 1, 0)).toEqual({ advantages: [2], returns: [3], critic: [2] });
});

test("a seed's numbers do not depend on how many are trained with it, and a stopped training goes on to the same result", async () => {
  const steps = 7 * ppoSettings.copies * ppoSettings.steps;
  const both = await trained("both", inLanes(nullifying, steps));
  const tensors = tf.memory().numTensors;
  const one = await trained("one", inLanes(nullifying, steps, 1));
  expect(tf.memory().numTensors).toBe(tensors);
  expect(one.curve).toEqual(both.curve.filter(({ seed }) => seed === 1));
  expect(one.episodes[0]).toEqual(both.episodes[0]);

  let rows = 0;
  for await (const _ of train(folder("stopped"), inLanes(nullifying, steps))) if (++rows === 2 * 6) break; // one iteration behind the checkpoint
  expect(existsSync(join(root, "stopped", trainedFile(inLanes(nullifying, steps))))).toBe(false);
  expect(await trained("stopped", inLanes(nullifying, steps))).toEqual(both);
  await expect(trained("stopped", inLanes(nullifying, 2 * steps))).rejects.toThrow(KeptError);
}, 600_000);

test("an iteration in which no episode ends leaves the multiplier as it is, and training goes on", async () => {
  const { steps, copies } = ppoSettings;
  const long: Environment = {
    ...{ name: "long", observed: 1, actions: 2, horizon: steps + 1, limit: 1 },
    reset: () => [0],
    step: (state, action) => ({ state: [...state], reward: action, cost: action, done: false }),
    observe: (state) => [...state],
  };
  for (const algorithm of [ppo, ppoLagrangian]) {
    const { curve, networks } = await trained("long", { environment: long, algorithm, seeds: 1, steps: 3 * copies * steps, seed: 1 });
    const [first, second, third] = curve;
    expect(first!.cost).toBeNull();
    expect(second!.cost).toBeGreaterThan(100); // of 321 steps each second one costs 1 in the mean
    expect([first, second, third].map((row) => row!.multiplier)).toEqual([0, 0, algorithm === ppo ? 0 : 0.25]);
    expect(numbers(networks).every(Number.isFinite)).toBe(true);
  }
});

test("SCPO comes near the linear program's optimum of the lanes, 23 coins for 2 hot tiles: 21 or more, with nine of ten episodes within the limit", async () => {
  const { episodes } = await trained("optimum", inLanes(nullifying, 20 * ppoSettings.copies * ppoSettings.steps, 1));
  expect(mean(episodes[0]!.map(({ reward }) => reward))).toBeGreaterThan(21);
  expect(mean(episodes[0]!.map(({ cost }) => Number(cost <= 2)))).toBeGreaterThan(0.9);
}, 600_000);

test("PPO solves CartPole-v1: a mean of 475 steps, which is what counts as solved", async () => {
  const training = { environment: cartPole, algorithm: ppo, seeds: 1, steps: 44 * ppoSettings.copies * ppoSettings.steps, seed: 1 };
  const { episodes } = await trained("cart-pole", training);
  expect(mean(episodes[0]!.map(({ reward }) => reward))).toBeGreaterThan(475);
}, 600_000);
