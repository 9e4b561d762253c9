import { expect, test } from "vitest";
import { changeInPoints } from "../../src/methods/claims.js";

test("a change has one decimal and a minus as tables have it, and zero no sign", () => {
  expect(changeInPoints({ value: 0.05, low: -0.0001, high: 0.108, n: 120, p: 0.1 })).toBe("+5.0 points [0.0, +10.8]");
  expect(changeInPoints({ value: -0.125, low: -0.2, high: -0, n: 120, p: 0.1 })).toBe("−12.5 points [−20.0, 0.0]");
});
