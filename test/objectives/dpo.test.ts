import fc from "fast-check";
import { expect, test } from "vitest";
import { dpo } from "../../src/objectives/dpo.js";
import trl from "../fixtures/dpo-trl.json" with { type: "json" }; // made by test/fixtures/dpo_trl.py
import { evaluate, expectClose, pair, pairOf } from "./pairs.js";

test("one pair by hand", () => {
  // logp_w - ref_w = -10 - -12 = 2;  logp_l - ref_l = -9 - -8 = -1;  h = 0.1 * (2 - -1) = 0.3
  // L = log(1 + e^-0.3) = 0.554355
  const { loss, rewards } = dpo(pair([-10], [-9]), pair([-12], [-8]), 0.1);
  expect(loss.dataSync()[0]).toBeCloseTo(0.554355, 5);
  expect(rewards.chosen.dataSync()[0]).toBeCloseTo(0.2, 6);
});

test.each(trl.cases.filter((c) => c.loss_type === "sigmoid"))(
  "agrees with TRL 1.16: $name",
  ({ policy, reference, beta, loss, gradient, metrics }) => {
    const ours = evaluate(policy, (p) => dpo(p, pairOf(reference), beta));
    expectClose(ours.loss, loss);
    expectClose(ours.gradient.chosen, gradient.chosen);
    expectClose(ours.gradient.rejected, gradient.rejected);
    expectClose(ours.rewards.chosen.reduce((a, b) => a + b) / policy.chosen.length, metrics!["rewards/chosen"]);
  },
);

test("the reference itself has loss log 2, whatever its log-probs and beta", () => {
  fc.assert(
    fc.property(
      fc.array(fc.float({ min: -500, max: 0, noNaN: true }), { minLength: 1, maxLength: 8 }),
      fc.float({ min: Math.fround(0.01), max: 5, noNaN: true }),
      (logps, beta) => {
        const same = pair(logps, logps);
        expect(dpo(same, same, beta).loss.dataSync()[0]).toBeCloseTo(Math.LN2, 5);
      },
    ),
  );
});

test("a wrong beta is named", () => {
  expect(() => dpo(pair([0], [0]), pair([0], [0]), 0)).toThrow("dpo: beta must be > 0, got 0");
});
