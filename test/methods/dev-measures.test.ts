import { expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { type DevRows, devDifferences, devMeasures } from "../../src/methods/erpo/dev-measures.js";

/** Measures of policies and their differences, on rows written by hand. */

/** `right` and `logOdds` of three unsafe and two safe prompts. */
function rows(right: boolean[], logOdds: number[], thoughts: (number | null)[], forced: [boolean | null, boolean | null][]): DevRows {
  return {
    prompts: right.map((is, i) => ({
      ...{ id: String(i), label: i < 3 ? ("unsafe" as const) : ("safe" as const), right: is },
      ...{ logOdds: logOdds[i]!, thoughtTokens: thoughts[i]! },
    })),
    forced: forced.map(([wrong, rightWord], i) => ({ id: String(i), wrong, right: rightWord })),
  };
}

const base = rows(
  [true, true, false, true, false],
  [3, 2, 1, 2, 0],
  [40, 50, null, 60, 70],
  [
    [true, false],
    [false, false],
    [null, true],
  ],
);
const other = rows(
  [true, true, true, false, false],
  [3, 2, 2, 1, 0],
  [20, 50, 10, null, 40],
  [
    [true, null],
    [true, false],
    [true, true],
  ],
);

test("measures by hand", () => {
  const { balancedAccuracy, auc, wrongOverruled, rightOverruled, thoughtTokens } = devMeasures(base);
  expect(balancedAccuracy).toMatchObject({ value: expect.closeTo((2 / 3 + 1 / 2) / 2, 12) });
  expect(auc).toMatchObject({ value: 4.5 / 6 }); // 3 > 2, 0; 2 = 2, > 0; 1 > 0
  expect([wrongOverruled, rightOverruled]).toMatchObject([
    { k: 1, n: 2 },
    { k: 1, n: 3 },
  ]);
  expect(thoughtTokens).toMatchObject({ value: 55, n: 4 });
});

test("differences are of what both have, each label weighing the same", () => {
  const { balancedAccuracy, auc, wrongOverruled, rightOverruled, thoughtTokens } = devDifferences(base, other, createRng(1));
  expect(balancedAccuracy.value).toBeCloseTo((1 / 3 - 1 / 2) / 2, 12); // one of three unsafe more, one of two safe less
  expect(auc.value).toBeCloseTo(1 - 4.5 / 6, 12);
  expect(wrongOverruled.value).toBe(1 / 2); // of prompts 0 and 1
  expect(rightOverruled.value).toBe(0); // of prompts 1 and 2
  expect(thoughtTokens.value).toBe((-20 + 0 - 30) / 3); // of prompts 0, 1 and 4
  for (const { value, low, high } of [balancedAccuracy, auc, wrongOverruled, thoughtTokens]) {
    expect(low).toBeLessThanOrEqual(value);
    expect(high).toBeGreaterThanOrEqual(value);
  }
});

test("a policy differs from itself by nothing, with an interval of no width", () => {
  const nothing = { value: 0, low: 0, high: 0 };
  for (const difference of Object.values(devDifferences(base, base, createRng(1)))) expect(difference).toMatchObject(nothing);
});

test("a policy without thoughts has neither lengths nor verdicts to compare", () => {
  const plain = { prompts: other.prompts.map((row) => ({ ...row, thoughtTokens: null })), forced: [] };
  const { balancedAccuracy, wrongOverruled, thoughtTokens } = devDifferences(base, plain, createRng(1));
  expect(balancedAccuracy.value).toBeCloseTo(-1 / 12, 12);
  expect(
    [wrongOverruled.value, thoughtTokens.value, devMeasures(plain).wrongOverruled].map((x) =>
      typeof x === "number" ? x : "rate" in x ? x.rate : x.value,
    ),
  ).toEqual([Number.NaN, Number.NaN, Number.NaN]);
});

test("measures on other prompts are not compared", () => {
  const fewer = { ...base, prompts: base.prompts.slice(1) };
  expect(() => devDifferences(base, fewer, createRng(1))).toThrow("the two were measured on other prompts: give both runs the same seed");
});
