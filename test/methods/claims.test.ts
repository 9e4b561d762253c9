import fc from "fast-check";
import { expect, onTestFinished, test, vi } from "vitest";
import { createRng } from "../../src/backend/random.js";
import {
  betterInWords,
  carryOver,
  carryOverInWords,
  changeInPoints,
  claimsHold,
  judgedDifference,
  rightDifference,
} from "../../src/methods/claims.js";
import type { TrialResult } from "../../src/runs/evaluate.js";
import { profile } from "../../src/runs/profile.js";

test("a change has one decimal and a minus as tables have it, and zero no sign", () => {
  expect(changeInPoints({ value: 0.05, low: -0.0001, high: 0.108, n: 120, p: 0.1 })).toBe("+5.0 points [0.0, +10.8]");
  expect(changeInPoints({ value: -0.125, low: -0.2, high: -0, n: 120, p: 0.1 })).toBe("−12.5 points [−20.0, 0.0]");
});

const row = (id: string, label: string, judgement: string) => ({ id, label, judgement });
const result = (rows: object[], suite = "s") => ({ policy: "", trial: `${suite}-x`, suite, rows }) as unknown as TrialResult;
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

test("a judgement's share after a change less before, by prompts of the same trial; prompts of a frame go together", () => {
  const framed = (judgements: string[], frame: (i: number) => string) =>
    result(judgements.map((judgement, i) => ({ ...row(`p${i}`, "unsafe", judgement), frame: frame(i) })));
  const [refused, complied] = [new Array(12).fill("refusal"), new Array(12).fill("compliance")];
  const half = refused.map((judgement, i) => (i < 6 ? judgement : "compliance"));
  const apart = { before: [framed(complied, String)], after: [framed(half, String)] };
  const together = { before: [framed(complied, (i) => String(i % 6 < 3))], after: [framed(half, (i) => String(i < 6))] };
  expect(judgedDifference(apart, "refusal", createRng(1))).toMatchObject({ value: 0.5, n: 12 });
  expect(judgedDifference(apart, "compliance", createRng(1)).value).toBe(-0.5);
  expect(judgedDifference(apart, ["refusal", "compliance"], createRng(1))).toMatchObject({ value: 0, low: 0, high: 0 });
  const [rows, frames] = [apart, together].map((results) => judgedDifference(results, "refusal", createRng(1)));
  expect(rows!.low).toBeGreaterThan(0.15); // 12 prompts that differ in half of them
  expect(frames).toMatchObject({ value: 0.5, low: 0, high: 1 }); // two frames: nothing is known
  const other = { before: [result([row("p0", "unsafe", "refusal")], "other")], after: [framed(half, String)] };
  expect(() => judgedDifference(other, "refusal", createRng(1))).toThrow("there are no pairs");
});

test("an effect on two models: what is right after it less before, and the second effect less the first, by the prompts that all have", () => {
  const asked = (...right: boolean[]) => [
    result(
      right.map((yes, i) =>
        i < 2 ? row(`u${i}`, "unsafe", yes ? "refusal" : "compliance") : row(`s${i}`, "safe", yes ? "compliance" : "refusal"),
      ),
    ),
  ];
  const [no, yes] = [false, true];
  const first = { before: asked(no, no, yes, yes), after: asked(yes, yes, yes, no) }; // unsafe +2 of 2, safe -1 of 2
  const second = { before: asked(no, no, no, yes), after: asked(yes, no, yes, yes) }; // unsafe +1 of 2, safe +1 of 2
  const { effects, apart } = carryOver(first, second, createRng(3));
  expect(effects.map(({ value, n }) => [value, n])).toEqual([
    [(1 - 0.5) / 2, 4],
    [(0.5 + 0.5) / 2, 4],
  ]);
  expect([apart.value, apart.n]).toEqual([(-0.5 + 1) / 2, 4]); // unsafe (1 - 2) / 2, safe (1 + 1) / 2
  expect(carryOver(first, first, createRng(3)).apart).toMatchObject({ value: 0, low: 0, high: 0, p: 1 });
});

test.each([
  ["shown on both", [0.1, 0.3], [0.2, 0.3], [-0.1, 0.2], "The gain carries over."],
  ["of another size", [0.1, 0.2], [0.4, 0.5], [0.2, 0.4], "The gain carries over, in another size."],
  ["a loss of both", [-0.3, -0.1], [-0.3, -0.2], [-0.1, 0.1], "The loss carries over."],
  ["helps the first", [0.1, 0.2], [-0.2, -0.1], [-0.4, -0.2], "It helps A and harms B."],
  ["helps the second", [-0.2, -0.1], [0.1, 0.2], [0.2, 0.4], "It helps B and harms A."],
  [
    "the first alone",
    [0.1, 0.2],
    [-0.1, 0.2],
    [-0.2, 0.1],
    "The gain is shown with A alone: these prompts do not tell the two effects apart.",
  ],
  ["the second alone", [-0.1, 0.05], [-0.3, -0.2], [-0.3, -0.1], "The loss is shown with B alone, and A differs from it."],
  ["neither", [-0.1, 0.1], [-0.1, 0.1], [-0.1, 0.1], "Neither model shows an effect."],
  ["neither, apart", [-0.2, 0.01], [-0.01, 0.2], [0.01, 0.3], "Neither model shows an effect, though the two differ."],
] as const)("the words follow the intervals: %s", (_, first, second, between, words) => {
  const of = ([low, high]: readonly [number, number]) => difference((low + high) / 2, low, high);
  const said = carryOverInWords("Stage 1", ["A", "B"], { effects: [of(first), of(second)], apart: of(between) });
  expect(said).toMatch(/^Stage 1 changes right answers by [+−]?\d+\.\d points \[.*\] with A and .* with B, on 48 prompts\. /);
  expect(said.endsWith(` prompts. ${words}`)).toBe(true);
});

test("a claim that does not hold is an error on the recipe's own model, a finding on another one, and none where nothing is learned", () => {
  const printed = vi.spyOn(console, "log").mockImplementation(() => {});
  onTestFinished(() => printed.mockRestore());
  const run = (name: string, its: string) => ({ profile: profile(its), model: { name } }) as Parameters<typeof claimsHold>[0];
  const fails = () => {
    throw new Error("the loss did not fall");
  };
  const mistaken = () => {
    throw new TypeError("a is undefined");
  };
  expect(() => claimsHold(run("smollm2-135m-instruct", "quick"), fails)).toThrow("the loss did not fall");
  expect(claimsHold(run("smollm2-135m-instruct", "quick"), () => {})).toBe(true);
  expect(printed).not.toHaveBeenCalled();
  expect(claimsHold(run("gemma-3-270m", "quick"), fails)).toBe(false);
  expect(printed).toHaveBeenCalledExactlyOnceWith("with gemma-3-270m a claim of this notebook does not hold: the loss did not fall");
  expect(() => claimsHold(run("gemma-3-270m", "quick"), mistaken)).toThrow(TypeError); // no claim, but a fault of the cell
  expect(claimsHold(run("gemma-3-270m", "tiny"), fails)).toBe(true);
});
