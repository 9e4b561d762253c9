import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { dpo } from "../../src/objectives/dpo.js";
import { conservativeDpo } from "../../src/objectives/robust.js";
import { softDpo } from "../../src/objectives/soft-dpo.js";
import torch from "../fixtures/cdpo-torch.json" with { type: "json" }; // made by test/fixtures/cdpo_torch.py
import { evaluate, expectClose, pair, pairOf } from "./pairs.js";

const logp = fc.double({ min: -60, max: 0, noNaN: true });
const pairs = fc.array(
  fc.record({ chosen: logp, rejected: logp, refChosen: logp, refRejected: logp, p: fc.double({ min: 0, max: 1, noNaN: true }) }),
  {
    minLength: 1,
    maxLength: 6,
  },
);
type Drawn = { chosen: number; rejected: number; refChosen: number; refRejected: number; p: number }[];
const policyOf = (rows: Drawn) => ({ chosen: rows.map((r) => r.chosen), rejected: rows.map((r) => r.rejected) });
const referenceOf = (rows: Drawn) =>
  pair(
    rows.map((r) => r.refChosen),
    rows.map((r) => r.refRejected),
  );

test("one pair by hand", () => {
  // h = 0.1 * ((-10 - -12) - (-9 - -8)) = 0.3; L = 0.75 log(1 + e^-0.3) + 0.25 log(1 + e^0.3) = 0.75 * 0.554355 + 0.25 * 0.854355
  const { loss, rewards } = evaluate({ chosen: [-10], rejected: [-9] }, (p) => softDpo(p, pair([-12], [-8]), tf.tensor1d([0.75]), 0.1));
  expect(loss).toBeCloseTo(0.629355, 5);
  expect(rewards.chosen[0]).toBeCloseTo(0.2, 6);
});

test("agrees with PyTorch, gradients too", () => {
  const { policy, reference, preferred, beta, loss, gradient } = torch.soft_dpo;
  const ours = evaluate(policy, (p) => softDpo(p, pairOf(reference), tf.tensor1d(preferred), beta));
  expectClose(ours.loss, loss);
  expectClose(ours.gradient.chosen, gradient.chosen);
  expectClose(ours.gradient.rejected, gradient.rejected);
});

test("sure labels are DPO's, and one label for all is conservative DPO's", () => {
  fc.assert(
    fc.property(pairs, fc.double({ min: 0, max: 0.49, noNaN: true }), (rows, epsilon) => {
      const of = (p: number) =>
        evaluate(policyOf(rows), (policy) => softDpo(policy, referenceOf(rows), tf.tensor1d(rows.map(() => p)), 0.1));
      expectClose(of(1).loss, evaluate(policyOf(rows), (policy) => dpo(policy, referenceOf(rows), 0.1)).loss);
      expectClose(
        of(1 - epsilon).loss,
        evaluate(policyOf(rows), (policy) => conservativeDpo(policy, referenceOf(rows), { beta: 0.1, epsilon })).loss,
      );
    }),
    { numRuns: 40 },
  );
});

test("it does not matter which answer is called chosen", () => {
  fc.assert(
    fc.property(pairs, (rows) => {
      const turned = rows.map(({ chosen, rejected, refChosen, refRejected, p }) => ({
        chosen: rejected,
        rejected: chosen,
        refChosen: refRejected,
        refRejected: refChosen,
        p: 1 - p,
      }));
      const of = (some: Drawn) =>
        evaluate(policyOf(some), (policy) => softDpo(policy, referenceOf(some), tf.tensor1d(some.map(({ p }) => p)), 0.1)).loss;
      expectClose(of(rows), of(turned));
    }),
    { numRuns: 40 },
  );
});

test("the gradient raises the chosen completion exactly where the model is less sure than the label", () => {
  fc.assert(
    fc.property(pairs, (rows) => {
      const { gradient } = evaluate(policyOf(rows), (policy) =>
        softDpo(policy, referenceOf(rows), tf.tensor1d(rows.map(({ p }) => p)), 0.1),
      );
      for (const [i, { chosen, rejected, refChosen, refRejected, p }] of rows.entries()) {
        const model = 1 / (1 + Math.exp(-0.1 * (chosen - refChosen - rejected + refRejected)));
        if (Math.abs(model - p) > 1e-3) expect(Math.sign(-gradient.chosen[i]!)).toBe(Math.sign(p - model));
      }
    }),
    { numRuns: 60 },
  );
});

test("a wrong beta and missing labels are named", () => {
  const one = pair([-1], [-2]);
  expect(() => softDpo(one, one, tf.tensor1d([1]), 0)).toThrow("softDpo: beta must be > 0, got 0");
  expect(() => softDpo(one, one, tf.tensor1d([1, 0]), 0.1)).toThrow("softDpo: 2 labels for 1 pairs");
  expect(() => softDpo(pair([0, 0], [0, 0]), pair([0, 0], [0, 0]), tf.tensor1d([1]), 0.1)).toThrow("softDpo: 1 labels for 2 pairs");
});
