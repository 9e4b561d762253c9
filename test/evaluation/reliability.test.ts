import fc from "fast-check";
import { expect, test } from "vitest";
import { wilson } from "../../src/evaluation/intervals.js";
import { reliability } from "../../src/evaluation/reliability.js";

test("by hand: three bins of five have predictions", () => {
  // [0.2, 0.4): 0.2 and 0.3, one of two came: |0.25 - 0.5|; [0.6, 0.8): 0.7, came; [0.8, 1]: 0.9 and 1, one of two came: |0.95 - 0.5|
  const { error, bins } = reliability([0.9, 0.2, 0.7, 1, 0.3], [true, false, true, false, true], 5);
  expect(bins.map(({ n }) => n)).toEqual([2, 1, 2]);
  expect(bins.map(({ from, to }) => [from, to])).toEqual([
    [0.2, 0.4],
    [0.6, 0.8],
    [0.8, 1],
  ]);
  for (const [i, mean] of [0.25, 0.7, 0.95].entries()) expect(bins[i]!.confidence).toBeCloseTo(mean, 12);
  expect(bins.map(({ frequency }) => frequency)).toEqual([wilson(1, 2), wilson(1, 1), wilson(1, 2)]);
  expect(error).toBeCloseTo((2 * 0.25 + 0.3 + 2 * 0.45) / 5, 12); // 0.34
});

test("certainty that is always right has no error, and always wrong an error of 1", () => {
  expect(reliability([0, 1, 1], [false, true, true]).error).toBe(0);
  expect(reliability([0, 1, 1], [true, false, false]).error).toBe(1);
});

const prediction = fc.record({ p: fc.double({ min: 0, max: 1, noNaN: true }), came: fc.boolean() });

test("one bin compares the two means, more bins never have a smaller error, and bins hold all predictions", () => {
  fc.assert(
    fc.property(fc.array(prediction, { minLength: 1 }), fc.integer({ min: 1, max: 12 }), (rows, bins) => {
      const [ps, labels] = [rows.map(({ p }) => p), rows.map(({ came }) => came)];
      const mean = (xs: number[]) => xs.reduce((sum, x) => sum + x, 0) / xs.length;
      const one = reliability(ps, labels, 1).error;
      expect(one).toBeCloseTo(Math.abs(mean(ps) - mean(labels.map(Number))), 9);
      const many = reliability(ps, labels, bins);
      expect(many.error).toBeGreaterThanOrEqual(one - 1e-9);
      expect(many.bins.reduce((sum, { n }) => sum + n, 0)).toBe(rows.length);
      const floor = 1e-12;
      for (const { from, to, confidence } of many.bins) expect(confidence >= from - floor && confidence <= to + floor).toBe(true);
    }),
  );
});

test("a probability on the border of two bins is in the upper one", () => {
  for (let k = 0; k < 100; k++) expect(reliability([k / 100], [true], 100).bins[0]!.from).toBe(k / 100);
});

test("what is no prediction is named", () => {
  expect(() => reliability([], [])).toThrow("reliability: there is no prediction");
  expect(() => reliability([0.5], [])).toThrow("reliability: 1 probabilities against 0 labels");
  expect(() => reliability([0.5, Number.NaN], [true, true])).toThrow("reliability: probability 1 is NaN, outside of [0, 1]");
  expect(() => reliability([1.01], [true])).toThrow("probability 0 is 1.01");
  expect(() => reliability([0.5], [true], 0.5)).toThrow("reliability: 0.5 is no number of bins");
});
