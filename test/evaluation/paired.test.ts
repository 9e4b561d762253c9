import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { holm, pairedBootstrap, resampleRows } from "../../src/evaluation/paired.js";
import peers from "../fixtures/paired-scipy.json" with { type: "json" }; // made by test/fixtures/paired_scipy.py

const bootstrap = (strata: number[][], seed = 1, resamples = 10_000) => {
  const rng = createRng(seed);
  return pairedBootstrap(
    strata,
    strata.map((list) => resampleRows(list.length, rng, resamples)),
  );
};

test("two pairs by hand", () => {
  // differences 0 and 1: resampled means are 0, 1/2 and 1 with probability 1/4, 1/2 and 1/4; a quarter is at or below 0
  const { value, low, high, n, p } = bootstrap([[0, 1]]);
  expect({ value, low, high, n }).toEqual({ value: 0.5, low: 0, high: 1, n: 2 });
  expect(p).toBeCloseTo(0.5, 1);
});

test("where all differences are the same nothing varies, and p is as small as it gets", () => {
  expect(bootstrap([[2, 2, 2]], 1, 999)).toEqual({ value: 2, low: 2, high: 2, n: 3, p: 0.002 });
  expect(() => bootstrap([[1], []])).toThrow("pairedBootstrap: no pairs to resample");
  expect(() => pairedBootstrap([[1, 2]], [])).toThrow("every list needs draws of its own length");
});

// ends of 10,000 resamples against scipy's 200,000: the 2.5% quantile of a normal mean has a Monte Carlo error of 0.027 standard errors
test.each(peers.bootstrap)("agrees with scipy's percentile interval: $name", ({ strata, low, high, se, p }) => {
  const got = bootstrap(strata, 3);
  expect(Math.abs(got.low - low) / se).toBeLessThan(0.12);
  expect(Math.abs(got.high - high) / se).toBeLessThan(0.12);
  expect(Math.abs(got.p - p)).toBeLessThan(0.001 + 4 * Math.sqrt(p / 10_000));
});

test("the interval holds the mean of whatever is resampled, and changing sides changes signs", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 5, maxLength: 40 }), (differences) => {
      const there = bootstrap([differences], 1, 500);
      const back = bootstrap([differences.map((x) => -x)], 1, 500);
      expect(there.low).toBeLessThanOrEqual(there.value);
      expect(there.high).toBeGreaterThanOrEqual(there.value);
      expect(back.low).toBeCloseTo(-there.high, 9);
      expect(back.p).toBeCloseTo(there.p, 9);
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
