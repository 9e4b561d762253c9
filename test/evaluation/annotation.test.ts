import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import {
  type AnsweredPrompt,
  agreement,
  blindSheet,
  cohensKappa,
  noAnswer,
  preferenceSummary,
  type Rating,
  readRatings,
  type SheetRow,
} from "../../src/evaluation/annotation.js";
import { wilson } from "../../src/evaluation/intervals.js";

const policies = ["base", "final"] as const;
const items = (n: number): AnsweredPrompt[] =>
  Array.from({ length: n }, (_, i) => ({ id: `g${i}`, prompt: `question ${i}`, answers: { base: `b${i}`, final: `f${i}` } }));

/** The sheet as somebody fills it in who prefers one policy's answers and finds those of one useful. */
const filled = (rows: readonly SheetRow[], word: (row: SheetRow, i: number) => string = () => "A") =>
  rows.map((row, i) => ({ ...row, preferred: word(row, i), useful_A: "yes", useful_B: "no" }));

test("each prompt once, either policy half of the time on the left, and nothing that tells which is which", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 1000 }), (n, seed) => {
      const { rows, key } = blindSheet(items(n), policies, createRng(seed));
      expect(rows.map(({ prompt }) => prompt).sort()).toEqual(
        items(n)
          .map(({ prompt }) => prompt)
          .sort(),
      );
      for (const [i, { A, B, prompt }] of rows.entries()) {
        const number = prompt.split(" ")[1];
        const [left, right] = key.rows[i]!.A === "base" ? ["b", "f"] : ["f", "b"];
        expect([key.rows[i]!.id, A, B]).toEqual([`g${number}`, `${left}${number}`, `${right}${number}`]);
      }
      expect(key.rows.filter(({ A }) => A === "base").length).toBe(Math.ceil(n / 2));
    }),
  );
  const [a, b] = [1, 2].map((seed) => blindSheet(items(20), policies, createRng(seed)).key.rows);
  expect(a!.map(({ id }) => id)).not.toEqual(b!.map(({ id }) => id));
  const sides = (rows: typeof a) => [...rows!].sort((x, y) => x.id.localeCompare(y.id)).map(({ A }) => A);
  expect(sides(a)).not.toEqual(sides(b)); // the side does not follow from the prompt
});

test("what would tell the policy, or a spreadsheet would compute, is not shown as it is", () => {
  const answers = { base: "- soap\n- water", final: "<assess>none; wash; target: rug" };
  const [row] = blindSheet([{ id: "g", prompt: "=1+1", answers }], policies, createRng(1)).rows;
  expect(row!.prompt).toBe("'=1+1");
  expect([row!.A, row!.B].sort()).toEqual(["'- soap\n- water", noAnswer]);
  const empty = blindSheet([{ id: "g", prompt: "p", answers: { base: " ", final: "yes" } }], policies, createRng(1)).rows[0]!;
  expect([empty.A, empty.B].sort()).toEqual([noAnswer, "yes"]);
  expect(() => blindSheet([{ id: "g", prompt: "p", answers: { base: "b" } }], policies, createRng(1))).toThrow("g has no answer of final");
  expect(() => blindSheet([...items(2), { ...items(1)[0]!, id: "h" }], policies, createRng(1))).toThrow("two rows have the prompt of");
  expect(() => blindSheet(items(2), ["base", "base"], createRng(1))).toThrow("both policies are called base");
});

test("a filled sheet: sorted, in other letters, with the line ends, spaces and apostrophes of a spreadsheet", () => {
  const answers = { base: "- one\n- two", final: "three " };
  const { rows, key } = blindSheet([...items(5), { id: "list", prompt: "a list?", answers }], policies, createRng(3));
  const other = (text: string) => ` ${text.replace(/^'/, "").replaceAll("\n", "\r\n")}`;
  const sheet = filled(rows, (_, i) => ["a ", "B", "Tie"][i % 3]!)
    .map((row) => ({ ...row, A: other(row.A), B: other(row.B), useful_A: "YES" }))
    .reverse();
  const blank = Object.fromEntries(Object.keys(sheet[0]!).map((column) => [column, ""]));
  const ratings = readRatings(key, [...sheet, blank], "r.csv");
  expect(ratings.map(({ id }) => id)).toEqual(key.rows.map(({ id }) => id));
  for (const [i, { preferred, useful }] of ratings.entries()) {
    const { A } = key.rows[i]!;
    const B = A === "base" ? "final" : "base";
    expect(preferred).toBe([A, B, null][i % 3]);
    expect(useful).toEqual({ [A]: true, [B]: false });
  }
});

test("what is wrong is named by its row in the spreadsheet", () => {
  const { rows, key } = blindSheet(items(4), policies, createRng(1));
  const good = filled(rows);
  const changed = (i: number, fields: Partial<SheetRow>) => good.map((row, at) => (at === i ? { ...row, ...fields } : row));
  const refused = (sheet: Parameters<typeof readRatings>[1], message: string) =>
    expect(() => readRatings(key, sheet, "r.csv")).toThrow(message);
  refused(changed(0, { preferred: " " }), "r.csv: row 2: preferred is not filled in (A, B or tie)");
  refused(
    changed(3, { useful_A: "", useful_B: "perhaps" }),
    'r.csv: row 5: useful_A is not filled in (yes or no), useful_B is "perhaps" (must be yes or no)',
  );
  refused(changed(1, { preferred: "constructor" }), 'row 3: preferred is "constructor" (must be A, B or tie)');
  for (const column of ["prompt", "A", "B"] as const)
    refused(changed(2, { [column]: "other words" }), "r.csv: row 4: prompt and answers are none of the key's");
  refused(changed(2, { A: good[2]!.B, B: good[2]!.A }), "row 4: prompt and answers are none of the key's");
  refused(changed(2, good[1]!), "r.csv: row 4: has the prompt and answers of row 3");
  refused(good.slice(1), `r.csv: 1 of the key's 4 rows are not there: ${key.rows[0]!.id}`);
  refused(
    rows.map((row) => ({ ...row, useful_A: "yes", useful_B: "no" })),
    "row 2: preferred is not filled in (A, B or tie); row 3:",
  );
  const many = blindSheet(items(9), policies, createRng(1));
  const unrated = many.rows.map((row) => ({ ...row }));
  expect(() => readRatings(many.key, unrated, "r.csv")).toThrow(/; row 6: [^;]*; and 4 more rows$/);
});

const rating = (preferred: string | null, base: boolean, final: boolean, i: number): Rating => ({
  id: `g${i}`,
  preferred,
  useful: { base, final },
});

test("wins, ties, losses and useful answers of the compared policy, by hand", () => {
  const ratings = ["final", "final", "final", "final", "final", "base", null, null].map((word, i) => rating(word, i < 2, i < 6, i));
  // sign test: 5 against 1, p = 2 (C(6,0) + C(6,1)) / 2^6 = 14/64
  const summary = preferenceSummary(ratings, policies);
  expect(summary).toEqual({
    ...{
      policy: "final",
      against: "base",
      n: 8,
      wins: wilson(5, 8),
      ties: wilson(2, 8),
      losses: wilson(1, 8),
      p: expect.closeTo(14 / 64, 12),
    },
    useful: { base: wilson(2, 8), final: wilson(6, 8) },
  });
  expect(preferenceSummary([rating(null, true, true, 0)], policies).p).toBe(1);
});

test("ratings of other policies are refused: counted, they would be neither wins nor losses", () => {
  expect(() => preferenceSummary([rating("final", true, true, 0)], ["base", "fnal"])).toThrow("g0 rates base and final, not base and fnal");
});

/** Two raters' words from a table of counts: `[first's word, second's word, how often]`. */
const said = (table: [string, string, number][]) => {
  const pairs = table.flatMap(([a, b, n]) => Array.from({ length: n }, () => [a, b] as const));
  return [pairs.map(([a]) => a), pairs.map(([, b]) => b)] as const;
};

test("Cohen's kappa by hand", () => {
  // 20 + 15 of 50 the same; the first says yes 25 times, the second 30 times: by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5; (0.7 - 0.5) / 0.5
  const [first, second] = said([
    ["yes", "yes", 20],
    ["yes", "no", 5],
    ["no", "yes", 10],
    ["no", "no", 15],
  ]);
  expect(cohensKappa(first, second)).toEqual({ value: 0.4, observed: 0.7, expected: 0.5, n: 50 });
  // three words; first: win 4, tie 3, loss 3; second: win 5, tie 2, loss 3; by chance (20 + 6 + 9) / 100; (0.7 - 0.35) / 0.65
  const three = said([
    ["win", "win", 4],
    ["tie", "tie", 1],
    ["tie", "win", 1],
    ["tie", "loss", 1],
    ["loss", "loss", 2],
    ["loss", "tie", 1],
  ]);
  expect(cohensKappa(...three).value).toBeCloseTo(0.35 / 0.65, 12);
  expect(cohensKappa(["a", "b"], ["b", "a"]).value).toBe(-1);
});

test("kappa is 0/0 where both say one word throughout; 0 where only one of them does", () => {
  expect(cohensKappa(["a", "a", "a"], ["a", "a", "a"])).toEqual({ value: Number.NaN, observed: 1, expected: 1, n: 3 });
  expect(cohensKappa([], []).value).toBeNaN();
  expect(cohensKappa(["a", "a"], ["a", "b"]).value).toBe(0);
  expect(() => cohensKappa(["a"], [])).toThrow("cohensKappa: 1 items against 0");
});

test("kappa is the same for both orders and whatever the words are; 1 for a rater and herself", () => {
  const words = fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.constantFrom("a", "b", "c")), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(words, (pairs) => {
      const [first, second] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
      const { value } = cohensKappa(first, second);
      expect(cohensKappa(second, first).value).toBe(value);
      const renamed = (list: string[]) => list.map((word) => ({ a: "c", b: "x", c: "a" })[word]!);
      expect(cohensKappa(renamed(first), renamed(second)).value).toBe(value);
      expect(Number.isNaN(value) || value <= 1).toBe(true);
      if (new Set(first).size > 1) expect(cohensKappa(first, first).value).toBe(1);
    }),
  );
});

test("agreement is on policies, not on sides, and on the answers of both; of other prompts there is none", () => {
  const first = [rating("final", true, true, 0), rating("base", false, true, 1), rating(null, true, false, 2)];
  const second = [rating("final", true, true, 0), rating("base", true, true, 1), rating(null, true, false, 2)];
  const { preferred, useful } = agreement(first, second);
  expect(preferred).toMatchObject({ value: 1, n: 3 });
  // useful: 4 and 5 of 6, the same on 5; by chance (4 * 5 + 2 * 1) / 36
  expect(useful).toMatchObject({ observed: 5 / 6, expected: 22 / 36, n: 6 });
  expect(() => agreement(first, second.slice(1))).toThrow("the two have rated other prompts");
  expect(() => agreement(first, second.slice(0, 2))).toThrow("the two have rated other prompts");
});
