import { expect, test } from "vitest";
import { change, estimated, numeral } from "../../src/evaluation/numerals.js";

test.each([
  [0.25, 2, "0.25", "+0.25"],
  [-0.1, 2, "−0.10", "−0.10"],
  [0, 1, "0.0", "0.0"],
  [-0, 0, "0", "0"],
  [-0.0004, 3, "0.000", "0.000"],
  [0.0004, 3, "0.000", "0.000"],
])("%f with %i decimals, as a number and as a change: no zero has a sign", (x, digits, number, difference) => {
  expect([numeral(x, digits), change(x, digits)]).toEqual([number, difference]);
});

test("an estimate has its interval behind it", () => {
  expect(estimated({ value: -0.5, low: -1, high: 0.26 }, (x) => change(x, 1))).toBe("−0.5 [−1.0, +0.3]");
});
