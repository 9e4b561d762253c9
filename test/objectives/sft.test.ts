import * as tf from "@tensorflow/tfjs";
import { expect, test } from "vitest";
import { sft } from "../../src/objectives/sft.js";
import torch from "../fixtures/losses-torch.json" with { type: "json" }; // made by test/fixtures/losses_torch.py
import { expectClose } from "./pairs.js";

test("three tokens by hand", () => {
  // (12 * 1 + 1 * 2 + 0.2 * 5) / 13.2 = 15 / 13.2 = 1.136364
  expect(sft(tf.tensor1d([-1, -2, -5]), tf.tensor1d([12, 1, 0.2])).dataSync()[0]).toBeCloseTo(1.136364, 5);
});

test("agrees with PyTorch's cross-entropy, weighted and not", () => {
  const { logps, weights, loss, unweighted } = torch.sft;
  expectClose(sft(tf.tensor1d(logps), tf.tensor1d(weights)).dataSync()[0]!, loss);
  expectClose(sft(tf.tensor1d(logps), tf.onesLike(tf.tensor1d(logps))).dataSync()[0]!, unweighted);
});

test("parts of a step add up to the whole", () => {
  const { logps, weights, loss } = torch.sft;
  const total = weights.reduce((a, b) => a + b);
  const part = (from: number, to: number) =>
    sft(tf.tensor1d(logps.slice(from, to)), tf.tensor1d(weights.slice(from, to)), total).dataSync()[0]!;
  expectClose(part(0, 2) + part(2, 5), loss);
});
