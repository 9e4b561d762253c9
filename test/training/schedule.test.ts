import { expect, test } from "vitest";
import { constant, cosine, linear } from "../../src/training/schedule.js";
import torch from "../fixtures/adamw-torch.json" with { type: "json" }; // made by test/fixtures/adamw_torch.py

test.each(torch.schedules)("equals transformers: $name, $total steps, warm-up $warmup", ({ name, total, warmup, floor, rates }) => {
  const schedule = name.startsWith("cosine")
    ? cosine({ warmup, floor: floor ?? 0 })
    : name === "linear"
      ? linear({ warmup })
      : constant({ warmup });
  rates.forEach((rate, i) => {
    expect(schedule(i + 1, total)).toBeCloseTo(rate, 7);
  });
});

test("by hand: six steps, a third of them warm-up", () => {
  // ceil(6 / 3) = 2 steps: 0 and 1/2; then progress 0, 1/4, 1/2, 3/4
  const schedule = cosine({ warmup: 1 / 3, floor: 0.05 });
  const factors = [0, 0.5, 1, 0.05 + 0.95 * 0.853553, 0.05 + 0.95 * 0.5, 0.05 + 0.95 * 0.146447];
  factors.forEach((factor, i) => {
    expect(schedule(i + 1, 6)).toBeCloseTo(factor, 5);
  });
});

test("wrong numbers are named", () => {
  expect(() => linear({ warmup: 2 })).toThrow("the warm-up ratio must be in [0, 1], got 2");
  expect(() => cosine({ floor: -1 })).toThrow("the floor must be in [0, 1], got -1");
});
