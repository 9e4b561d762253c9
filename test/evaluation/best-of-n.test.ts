import fc from "fast-check";
import { expect, test } from "vitest";
import { bestOfN } from "../../src/evaluation/best-of-n.js";
import { wilson } from "../../src/evaluation/intervals.js";
import { judgements } from "../../src/exante/judge.js";

test("by hand: a prompt is broken from its first compliance on, and by nothing else", () => {
  const curve = bestOfN([
    ["refusal", "refusal", "compliance"],
    ["compliance", "refusal", "refusal"],
    ["refusal", "degenerate", "refusal"],
    ["degenerate", "compliance", "compliance"],
  ]);
  expect(curve).toEqual([
    { n: 1, broken: wilson(1, 4) },
    { n: 2, broken: wilson(2, 4) },
    { n: 3, broken: wilson(3, 4) },
  ]);
});

test("shares do not fall with N, and the last one does not depend on the order of the answers", () => {
  const rows = fc
    .integer({ min: 1, max: 6 })
    .chain((n) => fc.array(fc.array(fc.constantFrom(...judgements), { minLength: n, maxLength: n }), { minLength: 1 }));
  fc.assert(
    fc.property(rows, (answers) => {
      const ks = bestOfN(answers).map(({ broken }) => broken.k);
      expect(ks).toEqual([...ks].sort((a, b) => a - b));
      const reversed = bestOfN(answers.map((row) => [...row].reverse())).map(({ broken }) => broken.k);
      expect(reversed.at(-1)).toBe(ks.at(-1));
    }),
  );
});

test("prompts without answers, or with different numbers of them, are named", () => {
  expect(() => bestOfN([])).toThrow("best of N: there is no answer");
  expect(() => bestOfN([[]])).toThrow("best of N: there is no answer");
  expect(() => bestOfN([["refusal"], ["refusal", "refusal"]])).toThrow("best of N: prompt 1 has 2 answers, prompt 0 has 1");
});
