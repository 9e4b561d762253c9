import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { apoDown, apoZero } from "../../src/objectives/apo.js";
import { dpo } from "../../src/objectives/dpo.js";
import { hinge } from "../../src/objectives/hinge.js";
import { ipo } from "../../src/objectives/ipo.js";
import { kto } from "../../src/objectives/kto.js";
import { lengthDesensitized } from "../../src/objectives/ld-dpo.js";
import { tokenNll } from "../../src/objectives/nll.js";
import { conservativeDpo, robustDpo } from "../../src/objectives/robust.js";
import { sigmoidNorm } from "../../src/objectives/sigmoid-norm.js";
import { simpo } from "../../src/objectives/simpo.js";
import type { PreferenceObjective } from "../../src/objectives/types.js";
import { weightedLosses } from "../../src/objectives/weighted.js";
import trl from "../fixtures/dpo-trl.json" with { type: "json" }; // made by test/fixtures/dpo_trl.py
import torch from "../fixtures/losses-torch.json" with { type: "json" }; // made by test/fixtures/losses_torch.py
import { evaluate, expectClose, pair, pairOf } from "./pairs.js";

type Case = (typeof trl.cases)[number];
const losses: Record<string, (c: Case) => PreferenceObjective> = {
  ipo:
    ({ beta }) =>
    (p, r, n) =>
      ipo(p, r, n, beta),
  robust:
    ({ beta, label_smoothing }) =>
    (p, r) =>
      robustDpo(p, r, { beta, epsilon: label_smoothing! }),
  sigmoid_norm:
    ({ beta }) =>
    (p, r, n) =>
      sigmoidNorm(p, r, n, beta),
  simpo:
    ({ beta, gamma }) =>
    (p, _, n) =>
      simpo(p, n, { beta, gamma: gamma! }),
  hinge:
    ({ beta }) =>
    (p, r) =>
      hinge(p, r, beta),
  apo_zero:
    ({ beta }) =>
    (p, r) =>
      apoZero(p, r, beta),
  apo_down:
    ({ beta }) =>
    (p, r) =>
      apoDown(p, r, beta),
  "sigmoid apo_zero sft":
    ({ beta, loss_weights }) =>
    (p, r, n) => {
      const first = dpo(p, r, beta);
      return weightedLosses([first, apoZero(p, r, beta), { ...first, loss: tokenNll(p, n) }], loss_weights!);
    },
};

test.each(trl.cases.filter((c) => c.loss_type in losses))("agrees with TRL 1.16: $name", (c) => {
  const objective = losses[c.loss_type]!(c);
  const ours = evaluate(c.policy, (p) => objective(p, pairOf(c.reference), pairOf(c.lengths)));
  expectClose(ours.loss, c.loss);
  expectClose(ours.gradient.chosen, c.gradient.chosen);
  expectClose(ours.gradient.rejected, c.gradient.rejected);
});

test("by hand", () => {
  const [policy, reference, lengths] = [pair([-10], [-9]), pair([-12], [-8]), pair([4], [2])];
  // lr_w / 4 = 0.5, lr_l / 2 = -0.5;  (0.5 - -0.5 - 1 / (2 * 0.5))^2 = 0
  expect(ipo(policy, reference, lengths, 0.5).loss.dataSync()[0]).toBeCloseTo(0, 6);
  // beta * 1 = 2;  log(1 + e^-2) = 0.126928
  expect(sigmoidNorm(policy, reference, lengths, 2).loss.dataSync()[0]).toBeCloseTo(0.126928, 5);
  // -10 / 4 - -9 / 2 = 2; 2 * 2 - 1 = 3;  log(1 + e^-3) = 0.048587
  expect(simpo(policy, lengths, { beta: 2, gamma: 1 }).loss.dataSync()[0]).toBeCloseTo(0.048587, 5);
  // without a target margin log(1 + e^-4) = 0.018150
  expect(simpo(policy, lengths, { beta: 2, gamma: 0 }).loss.dataSync()[0]).toBeCloseTo(0.01815, 5);
  // h = 0.3: 0.8 * 0.554355 + 0.2 * 0.854355 = 0.614355;  (0.9 * 0.554355 - 0.1 * 0.854355) / 0.8 = 0.516855
  expect(conservativeDpo(policy, reference, { beta: 0.1, epsilon: 0.2 }).loss.dataSync()[0]).toBeCloseTo(0.614355, 5);
  expect(robustDpo(policy, reference, { beta: 0.1, epsilon: 0.1 }).loss.dataSync()[0]).toBeCloseTo(0.516855, 5);
  // 1 - 0.3 = 0.7; at beta 0.5 h is 1.5, and nothing is left to push
  expect(hinge(policy, reference, 0.1).loss.dataSync()[0]).toBeCloseTo(0.7, 6);
  expect(hinge(policy, reference, 0.5).loss.dataSync()[0]).toBe(0);
  // r_w = 0.2, r_l = -0.1: 1 - 0.549834 + 0.475021 = 0.925187;  0.549834 + 1 - 0.574443 = 0.975391
  expect(apoZero(policy, reference, 0.1).loss.dataSync()[0]).toBeCloseTo(0.925187, 5);
  expect(apoDown(policy, reference, 0.1).loss.dataSync()[0]).toBeCloseTo(0.975391, 5);
});

test("KTO by hand", () => {
  // log-ratios 2 and -1, KL 0.5, beta 0.1. desirable: 1 - sigmoid(0.1 * (2 - 0.5)) = 0.462570; other: 1 - sigmoid(0.1 * (0.5 - -1)) = 0.462570
  const batch = { policy: tf.tensor1d([-10, -9]), reference: tf.tensor1d([-12, -8]), labels: tf.tensor1d([1, 0]), kl: tf.scalar(0.5) };
  expect(kto(batch, { beta: 0.1 }).loss.dataSync()[0]).toBeCloseTo(0.46257, 5);
  // weights 2 and 0.5: 0.462570 * 2.5 / 2
  const { loss, rewards } = kto(batch, { beta: 0.1, desirableWeight: 2, undesirableWeight: 0.5 });
  expect(loss.dataSync()[0]).toBeCloseTo(0.578212, 5);
  expectClose([...rewards.dataSync()], [0.2, -0.1]);
});

test("LD-DPO counts what is behind the shorter completion alpha times", () => {
  const pair = { prompt: [1], chosen: [2, 3, 4, 5], rejected: [6, 7] };
  expect(lengthDesensitized([pair], 0.25)).toEqual([{ ...pair, weights: { chosen: [1, 1, 0.25, 0.25], rejected: [1, 1] } }]);
  expect(() => lengthDesensitized([pair], 1.5)).toThrow("lengthDesensitized: alpha must be in [0, 1], got 1.5");
});

test("conservative DPO agrees with PyTorch", () => {
  const { loss, gradient, beta, epsilon } = torch.cases.find((c) => c.name === "conservative")!;
  const ours = evaluate(torch.policy, (p) => conservativeDpo(p, pairOf(torch.reference), { beta: beta!, epsilon: epsilon! }));
  expectClose(ours.loss, loss);
  expectClose(ours.gradient.chosen, gradient.chosen);
});

test("both smoothed losses are DPO at epsilon 0", () => {
  fc.assert(
    fc.property(fc.integer({ min: -300, max: 0 }), fc.integer({ min: -300, max: 0 }), (w, l) => {
      const [policy, reference] = [pair([w], [l]), pair([-150], [-150])];
      const plain = dpo(policy, reference, 0.1).loss.dataSync()[0]!;
      expectClose(conservativeDpo(policy, reference, { beta: 0.1, epsilon: 0 }).loss.dataSync()[0]!, plain);
      expectClose(robustDpo(policy, reference, { beta: 0.1, epsilon: 0 }).loss.dataSync()[0]!, plain);
    }),
  );
});

test("wrong hyperparameters are named", () => {
  const p = pair([0], [0]);
  expect(() => robustDpo(p, p, { beta: 0.1, epsilon: 0.5 })).toThrow("robustDpo: epsilon must be in [0, 0.5), got 0.5");
  expect(() => simpo(p, p, { beta: 2, gamma: -1 })).toThrow("simpo: gamma must be >= 0, got -1");
  const batch = { policy: p.chosen, reference: p.chosen, labels: p.chosen, kl: tf.scalar(0) };
  expect(() => kto(batch, { beta: 0.1, desirableWeight: -1 })).toThrow("kto: weights must be >= 0, got -1");
  expect(() => kto(batch, { beta: 0.1, undesirableWeight: Number.NaN })).toThrow("kto: weights must be >= 0, got NaN");
  expect(() => weightedLosses([dpo(p, p, 0.1)], [1, 2])).toThrow("weightedLosses: 2 weights for 1 losses");
  expect(() => weightedLosses([], [])).toThrow("weightedLosses: 0 weights for 0 losses");
});
