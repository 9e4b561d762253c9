import { expect, test } from "vitest";
import { mcnemar } from "../../src/evaluation/intervals.js";
import { comparisonInWords } from "../../src/evaluation/sentences.js";

/** `a` prompts that only the first gets right, `b` that only the second does. */
const said = (a: number, b: number) => {
  const [first, second] = [Array.from({ length: a + b }, (_, i) => i < a), Array.from({ length: a + b }, (_, i) => i >= a)];
  return comparisonInWords("stage 1", "stage 2", mcnemar(first, second), "dev prompts");
};

test.each([
  [0, 0, "stage 1 and stage 2 are right on the same dev prompts."],
  [
    5,
    7,
    "On 7 dev prompts only stage 2 is right, on 5 only stage 1: chance explains that (p = 0.77), so these prompts show no difference.",
  ],
  [
    1,
    9,
    "On 9 dev prompts only stage 2 is right, on 1 only stage 1: stage 2 is right more often, which chance does not explain (p = 0.021).",
  ],
  [
    9,
    1,
    "On 1 dev prompts only stage 2 is right, on 9 only stage 1: stage 1 is right more often, which chance does not explain (p = 0.021).",
  ],
  [
    0,
    20,
    "On 20 dev prompts only stage 2 is right, on 0 only stage 1: stage 2 is right more often, which chance does not explain (p < 0.001).",
  ],
])("%i against %i: %s", (a, b, sentence) => {
  expect(said(a, b)).toBe(sentence);
});
