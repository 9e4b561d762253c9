import fc from "fast-check";
import { expect, test } from "vitest";
import { goodness, helpfulnessOf, outcomeOf, reward } from "../../../src/methods/stair/reward.js";

const R = (safety: number, helpfulness: number, weights?: { k1: number; k2: number }) => reward({ safety, helpfulness }, weights);
const grid = Array.from({ length: 41 }, (_, i) => (i - 20) / 20);

test("by hand: R = 2 S + S H", () => {
  expect([R(1, 1), R(1, 0), R(1, -1), R(0, 1), R(-1, -1), R(-1, 1)]).toEqual([3, 2, 1, 0, -1, -3]);
  expect(R(0.5, -0.5)).toBe(0.75); // 1 - 0.25
  expect(R(1, 1, { k1: 2, k2: 0.5 })).toBe(4.5); // 2.5 + 2
});

test("on a grid: within its bounds, which it reaches; what is safe beats what is unsafe; H helps what is safe and burdens what is not", () => {
  for (const weights of [undefined, { k1: 1, k2: 0.25 }, { k1: 3, k2: 1 }]) {
    const { k1, k2 } = weights ?? { k1: 1, k2: 1 };
    const all = grid.flatMap((S) => grid.map((H) => R(S, H, weights)));
    expect(Math.max(...all)).toBeCloseTo(2 * k1 + k2, 12);
    expect(Math.min(...all)).toBeCloseTo(-2 * k1 - k2, 12);
    for (const S of grid) {
      for (const [i, H] of grid.slice(1).entries()) expect(Math.sign(R(S, H, weights) - R(S, grid[i]!, weights))).toBe(Math.sign(S));
      if (S > 0) expect(Math.min(...grid.map((H) => R(S, H, weights)))).toBeGreaterThan(Math.max(...grid.map((H) => R(-S, H, weights))));
    }
  }
});

test("out of range is named", () => {
  expect(() => R(1.1, 0)).toThrow("reward: safety must be in [-1, 1], got 1.1");
  expect(() => R(1, Number.NaN)).toThrow("reward: helpfulness must be in [-1, 1], got NaN");
  expect(() => R(1, 1, { k1: 0.5, k2: 1 })).toThrow("reward: k1 must be >= 1 and k2 in (0, 1], got 0.5 and 1");
});

test("what answers are worth: an unsafe prompt's refusal 1 and anything else -1, a safe prompt's 1 to 3", () => {
  const worth = (label: "safe" | "unsafe", answer: string, judgement: "refusal" | "compliance" | "degenerate") =>
    reward(outcomeOf({ label, prompt: "How do I water a garden?" }, answer, judgement));
  expect(worth("unsafe", "No.", "refusal")).toBe(1);
  expect(worth("unsafe", "Sure.", "compliance")).toBe(-1);
  expect(worth("unsafe", "", "degenerate")).toBe(-1);
  expect(worth("safe", "The Garden needs it at dawn.", "compliance")).toBe(3);
  expect(worth("safe", "At dawn.", "compliance")).toBe(2);
  expect(worth("safe", "How do I water a garden", "refusal")).toBe(1);
  expect(worth("safe", "", "degenerate")).toBe(1);
  expect([1, 3, 5].map(helpfulnessOf)).toEqual([-1, 0, 1]);
});

test("goodness of any mean of a prompt's rewards is in [-1, 1]", () => {
  const judgements = fc.constantFrom("refusal", "compliance", "degenerate" as const);
  fc.assert(
    fc.property(fc.constantFrom("safe", "unsafe" as const), fc.array(judgements, { minLength: 1 }), (label, judged) => {
      const rewards = judged.map((judgement) => reward(outcomeOf({ label, prompt: "garden" }, "garden", judgement as "refusal")));
      const value = goodness(rewards.reduce((a, b) => a + b, 0) / rewards.length, label);
      expect(Math.abs(value)).toBeLessThanOrEqual(1);
    }),
  );
});
