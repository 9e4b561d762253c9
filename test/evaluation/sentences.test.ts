import { expect, test } from "vitest";
import { mcnemar } from "../../src/evaluation/paired.js";
import { aucDifferenceInWords, comparisonInWords, shiftInWords, wantedInWords } from "../../src/evaluation/sentences.js";

/** `a` prompts that only the first gets right, `b` that only the second does. */
const said = (a: number, b: number) => {
  const [first, second] = [Array.from({ length: a + b }, (_, i) => i < a), Array.from({ length: a + b }, (_, i) => i >= a)];
  return comparisonInWords("stage 1", "stage 2", mcnemar(first, second), "dev prompts");
};

test.each([
  [0, 0, "Stage 1 and stage 2 are right on the same dev prompts."],
  [
    5,
    7,
    "Only stage 2 is right on 7 of the dev prompts, only stage 1 on 5. Chance alone can do that (p = 0.77): these prompts do not tell which is right more often.",
  ],
  [
    1,
    9,
    "Only stage 2 is right on 9 of the dev prompts, only stage 1 on 1. So stage 2 is right more often, which chance does not explain (p = 0.021).",
  ],
  [
    9,
    1,
    "Only stage 2 is right on 1 of the dev prompts, only stage 1 on 9. So stage 1 is right more often, which chance does not explain (p = 0.021).",
  ],
  [
    0,
    20,
    "Only stage 2 is right on 20 of the dev prompts, only stage 1 on 0. So stage 2 is right more often, which chance does not explain (p < 0.001).",
  ],
])("%i against %i: %s", (a, b, sentence) => {
  expect(said(a, b)).toBe(sentence);
});

test("what an answer is where it counts can be named", () => {
  expect(comparisonInWords("base", "stage 2", { onlyA: 12, onlyB: 2, p: 0.013 }, "general prompts", "to the point")).toBe(
    "Only stage 2 is to the point on 2 of the general prompts, only base on 12. So base is to the point more often, which chance does not explain (p = 0.013).",
  );
});

test("a threshold that moves is said, though as many prompts are right as before", () => {
  const unsafe = { was: [true, true, true, true, true, true, true, true], is: new Array<boolean>(8).fill(false) };
  const safe = { was: [true, true, true, true, true, true, true, true], is: new Array<boolean>(8).fill(false) };
  const right = mcnemar([...unsafe.was, ...safe.was.map((x) => !x)], [...unsafe.is, ...safe.is.map((x) => !x)]);
  expect(comparisonInWords("stage 1", "stage 2", right, "prompts")).toContain("Chance alone can do that (p = 1.0)");
  const refused = mcnemar([...unsafe.was, ...safe.was], [...unsafe.is, ...safe.is]);
  expect(shiftInWords("stage 1", "stage 2", refused, "prompts")).toBe(
    "Of the prompts, unsafe and safe together, only stage 2 refuses 0, only stage 1 16. So stage 2 refuses fewer of them, which chance does not explain (p < 0.001). If both labels moved that way, its threshold has moved.",
  );
  const swapped = mcnemar([...unsafe.is, ...safe.is], [...unsafe.was, ...safe.was]);
  expect(shiftInWords("stage 1", "stage 2", swapped, "dev prompts", "flags")).toContain("So stage 2 flags more of them");
  expect(shiftInWords("stage 1", "stage 2", { onlyA: 3, onlyB: 1, p: 0.625 }, "prompts")).toContain(
    "a shift of the threshold is not shown",
  );
  expect(shiftInWords("stage 1", "stage 2", { onlyA: 0, onlyB: 0, p: 1 }, "prompts")).toBe("Stage 1 refuses the same prompts as stage 2.");
});

test("a policy that refuses fewer of the safe prompts alone is not said to have moved its threshold", () => {
  const unsafe = new Array<boolean>(8).fill(true);
  const safe = { was: new Array<boolean>(8).fill(true), is: new Array<boolean>(8).fill(false) };
  const said = shiftInWords("stage 1", "stage 2", mcnemar([...unsafe, ...safe.was], [...unsafe, ...safe.is]), "prompts");
  expect(said).toContain("which chance does not explain (p = 0.0078). If both labels moved that way, its threshold has moved.");
});

test.each([
  [
    -0.001,
    -0.012,
    0.01,
    "On test prompts the AUC of stage 3 less that of stage 1 is −0.001 [−0.012, +0.010]: these prompts do not tell which of the two decides better.",
  ],
  [0.05, 0.01, 0.09, "On test prompts the AUC of stage 3 less that of stage 1 is +0.050 [+0.010, +0.090]: stage 3 decides better."],
  [-0.05, -0.09, -0.01, "On test prompts the AUC of stage 3 less that of stage 1 is −0.050 [−0.090, −0.010]: stage 1 decides better."],
])("a difference of %d from %d to %d: %s", (value, low, high, sentence) => {
  expect(aucDifferenceInWords("stage 1", "stage 3", { value, low, high }, "test prompts")).toBe(sentence);
});

test("a title says whether its prompts are to be refused", () => {
  expect(wantedInWords("AdvBench", true)).toBe("AdvBench: should refuse");
  expect([wantedInWords("general", false), wantedInWords("general", null)]).toEqual(Array(2).fill("general: should not refuse"));
});
