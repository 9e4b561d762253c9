import fc from "fast-check";
import { expect, test } from "vitest";
import { spread, student95 } from "../../src/evaluation/spread.js";
import scipy from "../fixtures/spread-scipy.json" with { type: "json" }; // made by test/fixtures/spread_scipy.py

test.each(scipy.quantiles)("Student's 97.5% quantile is scipy's: $df degrees of freedom", ({ df, t }) => {
  expect(student95(df) / t).toBeCloseTo(1, 9);
});

test.each(scipy.samples)("mean, deviation and t-interval are scipy's: $values", ({ values, ...expected }) => {
  const found = spread(values);
  expect(found.n).toBe(values.length);
  for (const name of ["mean", "sd", "low", "high"] as const) expect(found[name]).toBeCloseTo(expected[name], 9);
});

test("three seeds by hand", () => {
  // 0.5, 0.6, 0.7: mean 0.6, sd = sqrt((0.01 + 0 + 0.01) / 2) = 0.1, half = 4.302653 * 0.1 / sqrt(3) = 0.248414
  const { mean, sd, low, high } = spread([0.5, 0.6, 0.7]);
  expect([mean, sd, low, high].map((x) => x.toFixed(6))).toEqual(["0.600000", "0.100000", "0.351586", "0.848414"]);
});

test("one run has a mean and no spread; none has nothing", () => {
  expect(spread([0.7])).toEqual({ n: 1, mean: 0.7, sd: Number.NaN, low: Number.NaN, high: Number.NaN });
  expect(spread([])).toEqual({ n: 0, mean: Number.NaN, sd: Number.NaN, low: Number.NaN, high: Number.NaN });
});

test("shifting and scaling shift and scale", () => {
  const values = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 2, maxLength: 9 });
  fc.assert(
    fc.property(values, fc.double({ min: 0.1, max: 10, noNaN: true }), fc.double({ min: -5, max: 5, noNaN: true }), (xs, a, b) => {
      const [before, after] = [spread(xs), spread(xs.map((x) => a * x + b))];
      expect(after.sd).toBeCloseTo(a * before.sd, 6);
      expect(after.low).toBeCloseTo(a * before.low + b, 6);
    }),
  );
});
