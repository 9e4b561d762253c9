import fc from "fast-check";
import { expect, test } from "vitest";
import { dpo } from "../../src/objectives/dpo.js";
import { ipo } from "../../src/objectives/ipo.js";
import { conservativeDpo, robustDpo } from "../../src/objectives/robust.js";
import { sigmoidNorm } from "../../src/objectives/sigmoid-norm.js";
import { simpo } from "../../src/objectives/simpo.js";
import type { PreferenceObjective } from "../../src/objectives/types.js";
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
  // h = 0.3: 0.8 * 0.554355 + 0.2 * 0.854355 = 0.614355;  (0.9 * 0.554355 - 0.1 * 0.854355) / 0.8 = 0.516855
  expect(conservativeDpo(policy, reference, { beta: 0.1, epsilon: 0.2 }).loss.dataSync()[0]).toBeCloseTo(0.614355, 5);
  expect(robustDpo(policy, reference, { beta: 0.1, epsilon: 0.1 }).loss.dataSync()[0]).toBeCloseTo(0.516855, 5);
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
});
