import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { dpo } from "../../src/objectives/dpo.js";
import { lengthMargin } from "../../src/objectives/length-margin.js";
import { nll, softNll, withNll } from "../../src/objectives/nll.js";
import torch from "../fixtures/losses-torch.json" with { type: "json" }; // made by test/fixtures/losses_torch.py
import { evaluate, expectClose, pair, pairOf } from "./pairs.js";

const logp = fc.integer({ min: -200, max: 0 });
const length = fc.integer({ min: 1, max: 100 });

test("one pair by hand", () => {
  // h = 0.1 * ((-10 - -12) - (-9 - -8)) = 0.3;  0.02 * (30 - 20) = 0.2;  L = log(1 + e^-0.5) = 0.474077
  const { loss } = lengthMargin(pair([-10], [-9]), pair([-12], [-8]), pair([30], [20]), { beta: 0.1, alpha: 0.02 });
  expect(loss.dataSync()[0]).toBeCloseTo(0.474077, 5);
});

test.each(torch.cases.filter((c) => c.alpha !== undefined))("agrees with PyTorch: $name", ({ beta, alpha, weight, loss, gradient }) => {
  const lengths = pairOf(torch.lengths);
  const ours = evaluate(torch.policy, (p) =>
    withNll(lengthMargin(p, pairOf(torch.reference), lengths, { beta: beta!, alpha: alpha! }), p, lengths, weight ?? 0),
  );
  expectClose(ours.loss, loss);
  expectClose(ours.gradient.chosen, gradient.chosen);
  expectClose(ours.gradient.rejected, gradient.rejected);
});

test("is DPO where lengths are equal, and where alpha is 0", () => {
  fc.assert(
    fc.property(logp, logp, logp, logp, length, length, (w, l, refW, refL, n, m) => {
      const [policy, reference] = [pair([w], [l]), pair([refW], [refL])];
      const plain = dpo(policy, reference, 0.1).loss.dataSync()[0]!;
      expectClose(lengthMargin(policy, reference, pair([n], [n]), { beta: 0.1, alpha: 0.5 }).loss.dataSync()[0]!, plain);
      expectClose(lengthMargin(policy, reference, pair([n], [m]), { beta: 0.1, alpha: 0 }).loss.dataSync()[0]!, plain);
    }),
  );
});

test("the gradient's weight falls as the winner grows longer", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -20, max: 0 }),
      fc.integer({ min: -20, max: 0 }),
      length,
      fc.integer({ min: 1, max: 50 }),
      (w, l, n, more) => {
        const slope = (tokens: number) =>
          -evaluate({ chosen: [w], rejected: [l] }, (p) =>
            lengthMargin(p, pair([-10], [-10]), pair([tokens], [30]), { beta: 0.1, alpha: 0.05 }),
          ).gradient.chosen[0]!;
        expect(slope(n + more)).toBeLessThan(slope(n));
      },
    ),
  );
});

test("of a soft label's winner: by hand, and nll where the label is certain", () => {
  const [policy, lengths] = [pair([-12, -6], [-1, -8]), pair([4, 3], [1, 2])];
  // 3/4 of 12 / 4 and 1/4 of 1 / 1; then 1/2 of 6 / 3 and 1/2 of 8 / 2
  expect(softNll(policy, lengths, tf.tensor1d([0.75, 0.5])).dataSync()[0]).toBeCloseTo((2.5 + 3) / 2, 6);
  expect(softNll(policy, lengths, tf.tensor1d([1, 1])).dataSync()[0]).toBeCloseTo(nll(policy, lengths).dataSync()[0]!, 6);
});

test("nll by hand and by PyTorch; lambda 0 leaves the loss alone", () => {
  // (12 / 4 + 6 / 3) / 2 = 2.5
  expect(nll(pair([-12, -6], [-1, -1]), pair([4, 3], [1, 1])).dataSync()[0]).toBeCloseTo(2.5, 6);
  const expected = torch.cases.find((c) => c.name === "nll")!.loss;
  expectClose(nll(pairOf(torch.policy), pairOf(torch.lengths)).dataSync()[0]!, expected);
  const plain = dpo(pair([-10], [-9]), pair([-12], [-8]), 0.1);
  expect(withNll(plain, pair([-10], [-9]), pair([3], [3]), 0)).toBe(plain);
});

test("wrong hyperparameters are named", () => {
  const p = pair([0], [0]);
  expect(() => lengthMargin(p, p, p, { beta: 0.1, alpha: -1 })).toThrow("lengthMargin: alpha must be >= 0, got -1");
  expect(() => lengthMargin(p, p, p, { beta: Number.NaN, alpha: 0 })).toThrow("lengthMargin: beta must be > 0, got NaN");
  expect(() => lengthMargin(p, p, p, { beta: 0.1, alpha: Number.NaN })).toThrow("lengthMargin: alpha must be >= 0, got NaN");
  expect(() => dpo(p, p, Number.POSITIVE_INFINITY)).toThrow("dpo: beta must be > 0, got Infinity");
  expect(() => withNll(dpo(p, p, 1), p, p, -1)).toThrow("nll: the weight must be >= 0, got -1");
  expect(() => withNll(dpo(p, p, 1), p, p, Number.NaN)).toThrow("nll: the weight must be >= 0, got NaN");
});
