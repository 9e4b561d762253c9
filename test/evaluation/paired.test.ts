import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { clusteredDifference, drawPairs, holm, pairedDifference } from "../../src/evaluation/paired.js";
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

test("of a list of a single pair nothing can be drawn: the interval has no ends", () => {
  const open = { low: -Infinity, high: Infinity, p: 1 };
  expect(difference([[0.5]])).toEqual({ value: 0.5, n: 1, ...open });
  for (const other of [[0], [0, 0, 0]]) expect(difference([[1], other])).toMatchObject({ value: 0.5, low: -Infinity, high: Infinity });
});

test("a difference that is NaN is refused: counted, it would make a small p-value", () => {
  expect(() => difference([[1, 2], [Number.NaN]])).toThrow("pairedDifference: list 1: difference 0 is NaN");
  const rows = [1, Number.NaN, 1].map((difference, i) => ({ difference, cluster: String(i) }));
  expect(() => clusteredDifference(rows, createRng(1))).toThrow("clusteredDifference: difference 1 is NaN");
});

test("numbers of pairs and of resamples are whole, and of resamples there is one", () => {
  const rows = [0, 1].map((difference, i) => ({ difference, cluster: String(i) }));
  for (const resamples of [0, -1, 2.5, Number.NaN]) {
    expect(() => drawPairs(2, createRng(1), resamples)).toThrow(`drawPairs: resamples must be a whole number >= 1, got ${resamples}`);
    expect(() => clusteredDifference(rows, createRng(1), resamples)).toThrow(`resamples must be a whole number >= 1, got ${resamples}`);
  }
  expect(() => drawPairs(-1, createRng(1))).toThrow("drawPairs: the number of pairs must be a whole number >= 0, got -1");
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

test("what is no p-value is refused", () => {
  expect(() => holm([0.01, Number.NaN])).toThrow("holm: p[1] must be in [0, 1], got NaN");
  expect(() => holm([1.2])).toThrow("holm: p[0] must be in [0, 1], got 1.2");
  expect(holm([])).toEqual([]);
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

test("two clusters by hand, one of them with three rows", () => {
  // drawn with replacement: A A has the mean 1, A B (twice) 3/4, B B 0; swapped as wholes: 3/4, -3/4 (both), 3/4 and -3/4 with A or B alone turned
  const rows = [1, 1, 1, 0].map((difference, i) => ({ difference, cluster: i < 3 ? "A" : "B" }));
  expect(clusteredDifference(rows, createRng(1))).toEqual({ value: 0.75, low: 0, high: 1, n: 4, p: 1 });
  expect(() => clusteredDifference([], createRng(1))).toThrow("there are no pairs");
  expect(clusteredDifference(rows.slice(0, 3), createRng(1))).toEqual({ value: 1, low: -Infinity, high: Infinity, n: 3, p: 1 });
});

test("kinds weigh the same, and the test agrees with all ways to swap whole clusters", () => {
  const clusters = [
    [[1, 1], [0]],
    [[1], [1, 0]],
    [[0], [1, 1, 1]],
    [[1, 0, 1], [-1]],
    [[], [1]],
    [[1], []],
  ] as const;
  const rows = clusters.flatMap((kinds, c) =>
    kinds.flatMap((own, k) => own.map((difference) => ({ difference, cluster: `c${c}`, kind: `k${k}` }))),
  );
  const mean = (signs: readonly number[]) => {
    const of = (k: 0 | 1) => clusters.flatMap((kinds, c) => kinds[k].map((x) => signs[c]! * x));
    return [of(0), of(1)].reduce((total, own) => total + own.reduce((a, b) => a + b, 0) / own.length, 0) / 2;
  };
  const value = mean(clusters.map(() => 1));
  const all = Array.from({ length: 2 ** clusters.length }, (_, bits) => mean(clusters.map((_, c) => ((bits >> c) & 1 ? -1 : 1))));
  const exact = all.filter((x) => Math.abs(x) >= value - 1e-9).length / all.length;
  const got = clusteredDifference(rows, createRng(2));
  expect(got.value).toBeCloseTo(value, 12);
  expect(got.n).toBe(rows.length);
  expect(Math.abs(got.p - exact)).toBeLessThan(4 * Math.sqrt((exact * (1 - exact)) / 4000) + 0.001);
});

test("where each row is a cluster of its own, it is the bootstrap and test of rows; rows that repeat one another widen the interval as fewer rows do", () => {
  const rng = createRng(5);
  const list = Array.from({ length: 60 }, () => Math.round(3 * rng.uniform()) - 1);
  const own = clusteredDifference(
    list.map((difference, i) => ({ difference, cluster: String(i) })),
    createRng(6),
    10_000,
  );
  const plain = difference([list], 7);
  expect(own.value).toBeCloseTo(plain.value, 12);
  for (const end of ["low", "high", "p"] as const) expect(Math.abs(own[end] - plain[end])).toBeLessThan(0.03);
  const four = list.flatMap((difference, i) => new Array(4).fill(null).map(() => ({ difference, cluster: String(i) })));
  const repeated = clusteredDifference(four, createRng(6), 10_000);
  expect([repeated.low, repeated.high].map((x) => x.toFixed(6))).toEqual([own.low, own.high].map((x) => x.toFixed(6)));
});
