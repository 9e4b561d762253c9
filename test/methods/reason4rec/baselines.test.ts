import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createRng } from "../../../src/backend/random.js";
import { readRatings } from "../../../src/data/ratings.js";
import {
  chosenFactors,
  factorGrid,
  itemMean,
  matrixFactorisation,
  type Predict,
  userMean,
} from "../../../src/methods/reason4rec/baselines.js";
import { errorsOf, maeDifference } from "../../../src/methods/reason4rec/errors.js";
import { knownOf, timeSplit } from "../../../src/methods/reason4rec/split.js";
import numpy from "../../fixtures/reason4rec-numpy.json" with { type: "json" }; // made by test/fixtures/reason4rec_numpy.py

const { train, test: tested } = timeSplit(readRatings(join(import.meta.dirname, "../../fixtures/ratings-synthetic")));
const errors = (predict: Predict) =>
  errorsOf(
    tested.targets.map((target) => ({ user: target.user, rating: target.rating, predicted: predict(target) })),
    createRng(1),
  );

describe("on ratings that a NumPy script made", () => {
  test("the split is the script's", () => {
    expect([train.targets.length, tested.targets.length, new Set(tested.targets.map(({ user }) => user)).size]).toEqual([
      numpy.split.train,
      numpy.split.test,
      numpy.split.users,
    ]);
  });

  test.each([
    ["user mean", userMean(tested.known), numpy.errors["user mean"]],
    ["item mean", itemMean(tested.known), numpy.errors["item mean"]],
    ...numpy.factorised.map(
      ({ factors, penalty, ...its }) =>
        [`${factors} factors, penalty ${penalty}`, matrixFactorisation(tested.known, { factors, penalty }), its] as const,
    ),
  ] as const)("MAE, RMSE and the interval over users of the %s are NumPy's", (_, predict, expected) => {
    const { mae, rmse } = errors(predict);
    expect(mae.value).toBeCloseTo(expected.mae, 8);
    expect(rmse.value).toBeCloseTo(expected.rmse, 8);
    expect(Math.abs(mae.low - expected.low)).toBeLessThan(0.008); // other resamples
    expect(Math.abs(mae.high - expected.high)).toBeLessThan(0.008);
  });

  test("the factorisation's settings are those with the least error in the training period", () => {
    const { mae, ...settings } = chosenFactors(train);
    expect(factorGrid).toContainEqual(settings);
    for (const other of factorGrid) {
      const predict = matrixFactorisation(train.known, other);
      const its = train.targets.reduce((sum, target) => sum + Math.abs(predict(target) - target.rating), 0) / train.targets.length;
      expect(mae).toBeLessThanOrEqual(its);
    }
  });
});

test("by hand: two users and one item, biases alone", () => {
  // mu = 3. Users first, items' biases 0: b_a = 1 / (1 + 1) = 0.5, b_b = -0.5. The item: residuals 0.5 and -0.5, so b_i = 0. Nothing moves after that.
  const rated = [
    { user: "a", item: "x", rating: 4, time: 1 },
    { user: "b", item: "x", rating: 2, time: 2 },
  ];
  const predict = matrixFactorisation(knownOf(rated, new Map()), { factors: 0, penalty: 1 });
  expect(predict({ user: "a", item: "x" })).toBeCloseTo(3.5, 12);
  expect(predict({ user: "b", item: "new" })).toBeCloseTo(2.5, 12);
  expect(predict({ user: "new", item: "new" })).toBeCloseTo(3, 12);
});

test("errors by hand, a difference of a predictor with itself, and nothing at all", () => {
  const rows = [
    { user: "a", rating: 4, predicted: 3 },
    { user: "a", rating: 2, predicted: 2 },
    { user: "b", rating: 5, predicted: 2 },
  ];
  const { mae, rmse, n, users } = errorsOf(rows, createRng(1));
  expect([mae.value, rmse.value, n, users]).toEqual([expect.closeTo(4 / 3, 12), expect.closeTo(Math.sqrt(10 / 3), 12), 3, 2]);
  expect([mae.low, mae.high]).toEqual([0.5, 3]); // either user alone
  expect(
    maeDifference(
      rows.map((row) => ({ ...row, other: row.predicted })),
      createRng(1),
    ),
  ).toEqual({ value: 0, low: 0, high: 0 });
  expect(
    maeDifference(
      rows.map((row) => ({ ...row, other: row.rating })),
      createRng(1),
    ).value,
  ).toBeCloseTo(4 / 3, 12);
  expect(() => errorsOf([], createRng(1))).toThrow("there are no predictions");
});
