import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { openRanges } from "../../src/model/files.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import type { Lora } from "../../src/model/lora.js";
import { readSafetensors } from "../../src/model/safetensors.js";
import expected from "../fixtures/llama-tiny.json" with { type: "json" };
import { apart, fixture } from "./open.js";

let model: LanguageModel;
let adapter: Lora;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  adapter = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
});
afterAll(() => {
  adapter.dispose();
  model.dispose();
});

const row = expected.rows[0]!;

/** Minus the log-probs of a row's tokens but the first, in nats. */
const loss = (states: tf.Tensor2D): tf.Scalar => {
  const before = tf.slice(states, [0, 0], [row.length - 1, -1]);
  return tf.sum(tf.neg(model.decoder.tokenLogps(before, tf.tensor1d(row.slice(1), "int32"))));
};
/** The same by way of all logits. */
const lossOfLogits = (states: tf.Tensor2D): tf.Scalar => {
  const logps = tf.logSoftmax(model.decoder.logits(states)); // [T, V]
  const next = tf.oneHot(tf.tensor1d([...row.slice(1), -1], "int32"), model.config.vocabSize); // no token after the last
  return tf.sum(tf.neg(tf.mul(logps, next)));
};

test.each([
  ["log-probs", loss],
  ["logits", lossOfLogits],
])("gradients by embeddings and by one-hot inputs agree with PyTorch: a loss of %s", (_, loss) => {
  const file = openRanges(fixture("states-torch.safetensors")); // made by test/fixtures/states_fixture.py
  const stored = readSafetensors(file);
  const before = tf.memory().numTensors;
  const byEmbedding = model.decoder.inputGradient(row, loss);
  const byToken = model.decoder.oneHotGradient(row, loss);
  expect(byEmbedding.shape).toEqual([12, 32]);
  expect(byToken.shape).toEqual([12, 280]);
  const wanted = stored.read("input_gradient").data;
  expect(Math.max(...wanted.map(Math.abs))).toBeGreaterThan(1);
  expect(apart(byEmbedding.dataSync(), wanted)).toBeLessThan(2e-4);
  expect(apart(byToken.dataSync(), stored.read("one_hot_gradient").data)).toBeLessThan(2e-4);
  tf.dispose([byEmbedding, byToken]);
  expect(tf.memory().numTensors).toBe(before);
  file.close();
});

test("with an adapter the gradient agrees with numeric differences", () => {
  const C = model.config.hiddenSize;
  const slope = tf.tidy(() => model.decoder.inputGradient(row, loss, { lora: adapter }).dataSync());
  const plain = tf.tidy(() => model.decoder.inputGradient(row, loss).dataSync());
  expect(apart(slope, plain)).toBeGreaterThan(0.1);
  const moved = (place: number, by: number) =>
    tf.tidy(() => {
      const delta = tf.buffer([1, row.length, C]);
      delta.set(by, 0, Math.floor(place / C), place % C);
      const edit = { [-1]: (x: tf.Tensor3D) => tf.add(x, delta.toTensor()) as tf.Tensor3D };
      const { states } = model.decoder.forward(tf.tensor2d([row], [1, row.length], "int32"), { lora: adapter, edit });
      return loss(tf.reshape(states, [row.length, C])).dataSync()[0]!;
    });
  for (const place of [0, 5 * C + 3, 11 * C - 1, 12 * C - 1]) {
    const numeric = (moved(place, 0.01) - moved(place, -0.01)) / 0.02;
    expect(Math.abs(numeric - slope[place]!), `place ${place}`).toBeLessThan(0.02 * Math.max(1, Math.abs(slope[place]!)));
  }
});

test("the last token, which predicts nothing in the loss, has no gradient", () => {
  const last = tf.tidy(() => model.decoder.inputGradient(row, loss).slice([11, 0], [1, -1]).abs().max().dataSync()[0]);
  expect(last).toBe(0);
});

test("a loss that fails leaves no tensor behind", () => {
  const before = tf.memory().numTensors;
  const broken = () => {
    throw new Error("no such loss");
  };
  expect(() => model.decoder.inputGradient(row, broken)).toThrow("no such loss");
  expect(tf.memory().numTensors).toBe(before);
});
