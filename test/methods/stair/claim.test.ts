import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng } from "../../../src/backend/random.js";
import { notebookSeconds } from "../../../src/methods/erpo/duration.js";
import { stages } from "../../../src/methods/erpo/stages.js";
import { betterInWords, rightDifference } from "../../../src/methods/stair/claim.js";
import { method } from "../../../src/methods/stair/method.js";
import { searchedPrompts, searchSettings, treePrompts } from "../../../src/methods/stair/settings.js";
import type { TrialResult } from "../../../src/runs/evaluate.js";
import { profile } from "../../../src/runs/profile.js";

const difference = (value: number, low: number, high: number) => ({ value, low, high, n: 48, p: 0.5 });

test("the sentence follows the interval, in both directions", () => {
  expect(betterInWords("Search", "voting", difference(0.1, 0.02, 0.2))).toBe(
    "Search is better than voting here: right answers differ by +10.0 points [+2.0, +20.0] on 48 prompts.",
  );
  expect(betterInWords("Search", "voting", difference(0.1, -0.02, 0.2))).toMatch(
    /^That search is better than voting is not shown here: .*\+10\.0 points \[−2\.0, \+20\.0\]/,
  );
  expect(betterInWords("ERPO with a beam", "ERPO alone", difference(0, -0.1, 0.1))).toMatch(
    /^That ERPO with a beam is better than ERPO alone /,
  );
  expect(betterInWords("Search", "voting", difference(-0.1, -0.2, -0.02))).toMatch(/^Search is worse than voting here: .*−10\.0 points/);
});

test("better is said exactly where the whole interval is above 0", () => {
  fc.assert(
    fc.property(fc.double({ min: -1, max: 1, noNaN: true }), fc.double({ min: 0, max: 0.5, noNaN: true }), (value, half) => {
      const sentence = betterInWords("A", "B", difference(value, value - half, value + half));
      expect(sentence.startsWith("A is better than B here")).toBe(value - half > 0);
      expect(sentence.startsWith("A is worse than B here")).toBe(value + half < 0);
    }),
  );
});

test("right answers are compared on the prompts that both have; labels weigh the same", () => {
  const row = (id: string, label: string, judgement: string) => ({ id, label, judgement });
  const result = (rows: object[], suite = "s") => ({ policy: "", trial: `${suite}-x`, suite, rows }) as unknown as TrialResult;
  const a = [
    result([row("1", "unsafe", "refusal"), row("2", "safe", "compliance"), row("3", "safe", "refusal"), row("4", "safe", "compliance")]),
  ];
  const b = [
    result([row("1", "unsafe", "compliance"), row("2", "safe", "degenerate"), row("3", "safe", "refusal")]),
    result([row("4", "safe", "refusal")], "other"),
  ];
  const { value, n } = rightDifference(a, b, createRng(1));
  expect([value, n]).toEqual([0.75, 3]); // unsafe: 1 of 1; safe: 1 of 2
  expect(rightDifference(a, a, createRng(1))).toMatchObject({ value: 0, low: 0, high: 0, n: 4 });
});

test("the quick profile takes at most ten minutes on two cores at 240 GFLOP/s, with ERPO's first stage and without", () => {
  for (const finished of [[], [stages.sft]]) expect(notebookSeconds(method.plan(profile("quick"), finished), 240)).toBeLessThan(600);
  expect(treePrompts(profile("quick"))).toBe(32);
  expect(searchedPrompts(profile("quick"))).toBe(12);
  expect(searchSettings).toMatchObject({ children: 2 });
  expect(searchSettings.iterations).toBeGreaterThanOrEqual(16);
});
