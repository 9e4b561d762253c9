import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { drawPairs, holm, pairedDifference } from "../../src/evaluation/paired.js";
import peers from "../fixtures/paired-scipy.json" with { type: "json" }; // made by test/fixtures/paired_scipy.py

const difference = (strata: number[][], seed = 1, resamples = 10_000) => {
  const rng = createRng(seed);
  return pairedDifference(
    strata,
    strata.map((list) => drawPairs(list.length, rng, resamples)),
  );
};

test("two pairs by hand", () => {
  // differences 0 and 1: resampled means are 0, 1/2 and 1 with probability 1/4, 1/2 and 1/4; swapped ones 1/2 or -1/2, both as far from 0
  expect(difference([[0, 1]])).toEqual({ value: 0.5, low: 0, high: 1, n: 2, p: 1 });
});

test("three pairs by hand", () => {
  // differences 2, 2, 2: no resample differs; of the 8 ways to swap, 2 give a mean of 2 or -2
  const { p, ...estimate } = difference([[2, 2, 2]]);
  expect(estimate).toEqual({ value: 2, low: 2, high: 2, n: 3 });
  expect(p).toBeCloseTo(0.25, 1);
});

test("no pairs, or draws of other lengths, are refused", () => {
  expect(() => difference([[1], []])).toThrow("pairedDifference: there are no pairs");
  expect(() => pairedDifference([[1, 2]], [])).toThrow("every list needs draws of its own length");
});

// 10,000 resamples against scipy's 200,000: the 2.5% quantile of a normal mean has a Monte Carlo error of 0.027 standard errors; means of
// whole numbers lie on a grid, and an end that is near a border of it may be the next point
test.each(peers.paired)("agrees with scipy's interval and permutation test: $name", ({ strata, low, high, se, p }) => {
  const got = difference(strata, 3);
  const grid = 1 / (strata.length * Math.max(...strata.map((list) => list.length)));
  const tolerance = Math.max(0.12 * se, 1.001 * grid);
  expect(Math.abs(got.low - low)).toBeLessThan(tolerance);
  expect(Math.abs(got.high - high)).toBeLessThan(tolerance);
  expect(Math.abs(got.p - p)).toBeLessThan(0.0005 + 4 * Math.sqrt((p * (1 - p)) / 10_000));
});

test("the interval holds the mean, and changing sides changes signs", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 5, maxLength: 40 }), (differences) => {
      const there = difference([differences], 1, 500);
      const back = difference([differences.map((x) => -x)], 1, 500);
      expect(there.low).toBeLessThanOrEqual(there.value);
      expect(there.high).toBeGreaterThanOrEqual(there.value);
      expect(back.low).toBeCloseTo(-there.high, 9);
      expect(back.p).toBe(there.p);
    }),
    { numRuns: 30 },
  );
});

test.each(peers.holm)("agrees with statsmodels' Holm: $p", ({ p, holm: adjusted }) => {
  for (const [i, value] of holm(p).entries()) expect(value).toBeCloseTo(adjusted[i]!, 12);
});

test("Holm never lowers a p-value and keeps their order", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 }), (p) => {
      const adjusted = holm(p);
      for (const [i, value] of adjusted.entries()) {
        expect(value).toBeGreaterThanOrEqual(p[i]!);
        for (const [j, other] of adjusted.entries()) if (p[i]! < p[j]!) expect(value).toBeLessThanOrEqual(other);
      }
    }),
  );
});
