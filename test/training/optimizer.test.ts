import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, test } from "vitest";
import { clipByGlobalNorm } from "../../src/training/clip.js";
import { AdamW, flatten, unflatten } from "../../src/training/optimizer.js";
import torch from "../fixtures/adamw-torch.json" with { type: "json" }; // made by test/fixtures/adamw_torch.py
import { open } from "../model/open.js";

beforeAll(open);

const sizes = torch.shapes.map((shape) => shape.reduce((a, b) => a * b));
const total = sizes.reduce((a, b) => a + b);
const gradient = (t: number) => tf.tensor1d(Array.from({ length: total }, (_, k) => Math.sin(0.7 * k + t) * 10 ** ((k % 5) - 2)));

function variables(): tf.Variable[] {
  return tf.tidy(() =>
    unflatten(
      tf.tensor1d(Array.from({ length: total }, (_, k) => Math.cos(k))),
      torch.shapes.map((shape) => tf.zeros(shape)),
    ).map((x) => tf.variable(x)),
  );
}

function update(optimizer: AdamW, t: number): void {
  const g = gradient(t);
  optimizer.update(g, 0.05 / t);
  g.dispose();
}

const values = (vs: tf.Variable[]) => tf.tidy(() => [...flatten(vs).dataSync()]);

test("one step by hand", () => {
  // m = 0.1 g, v = 0.001 g^2; bias-corrected: g and g^2; the change is -lr g / (|g| + eps) = -lr sign(g), after decay by 1 - 0.1 * 0.5 = 0.95
  const weight = tf.variable(tf.tensor1d([2, -4]));
  const optimizer = new AdamW([weight], { weightDecay: 0.5 });
  optimizer.update(tf.tensor1d([3, -0.01]), 0.1);
  const [a, b] = weight.dataSync();
  expect(a).toBeCloseTo(2 * 0.95 - 0.1, 5);
  expect(b).toBeCloseTo(-4 * 0.95 + 0.1, 5);
});

test.each(torch.adamw)(
  "equals torch.optim.AdamW over twenty steps: decay $weight_decay, betas $betas",
  ({ weight_decay, betas, steps }) => {
    const vs = variables();
    const optimizer = new AdamW(vs, { weightDecay: weight_decay, betas: betas as [number, number] | undefined });
    for (let t = 1; t <= 20; t++) {
      update(optimizer, t);
      const expected = steps.find((s) => s.step === t)?.weights;
      const ours = values(vs);
      expected?.forEach((x, k) => {
        expect(Math.abs(ours[k]! - x), `step ${t}, weight ${k}`).toBeLessThan(1e-6);
      });
    }
  },
);

test("options out of their ranges are refused", () => {
  for (const eps of [0, -1e-8, Number.NaN]) expect(() => new AdamW(variables(), { eps })).toThrow(`AdamW: eps must be > 0, got ${eps}`);
  expect(() => new AdamW(variables(), { betas: [0.9, 1] })).toThrow("AdamW: betas must be in [0, 1), got 0.9, 1");
  expect(() => new AdamW(variables(), { weightDecay: -1 })).toThrow("AdamW: the weight decay must be >= 0, got -1");
});

test("goes on from its state bit for bit, and leaks nothing", async () => {
  const [vs, others] = [variables(), variables()];
  const [optimizer, restored] = [new AdamW(vs, { weightDecay: 0.1 }), new AdamW(others, { weightDecay: 0.1 })];
  for (let t = 1; t <= 3; t++) update(optimizer, t);
  const before = tf.memory().numTensors;
  restored.restore(structuredClone(await optimizer.state()));
  tf.tidy(() => others.forEach((v, i) => void v.assign(tf.clone(vs[i]!))));
  for (let t = 4; t <= 6; t++) {
    update(optimizer, t);
    update(restored, t);
  }
  expect(tf.memory().numTensors).toBe(before);
  expect(values(others)).toEqual(values(vs));
  expect(await restored.state()).toEqual(await optimizer.state());
  expect(() => restored.restore({ step: 1, m: new Float32Array(3), v: new Float32Array(3) })).toThrow("3 and 3 numbers for 14 weights");
  expect(() => restored.restore({ step: 1, m: new Float32Array(3), v: new Float32Array(14) })).toThrow("3 and 14 numbers for 14 weights");
});

test.each(torch.clipping)("clips as PyTorch does at $max_norm", async ({ max_norm, norm, gradient: expected }) => {
  const clipped = await clipByGlobalNorm(gradient(3), max_norm);
  expect(clipped.norm).toBeCloseTo(norm, 3);
  const ours = clipped.gradient.dataSync();
  expected.forEach((x, k) => {
    expect(Math.abs(ours[k]! - x)).toBeLessThan(1e-6 + 1e-6 * Math.abs(x));
  });
});

test("a limit of 0 leaves the gradient alone", async () => {
  // |(3, 4)| = 5
  const { gradient, norm } = await clipByGlobalNorm(tf.tensor1d([3, 4]), 0);
  expect(norm).toBeCloseTo(5, 6);
  expect([...gradient.dataSync()]).toEqual([3, 4]);
});
