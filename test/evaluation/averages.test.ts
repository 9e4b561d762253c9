import { expect, test } from "vitest";
import { endMeans, mean, median, sum } from "../../src/evaluation/averages.js";

test("sums, means and medians, also of nothing", () => {
  expect([sum([1, 2, 4]), mean([1, 2, 6]), median([9, 1, 4]), median([4, 1, 9, 2])]).toEqual([7, 3, 4, 3]);
  expect([sum([]), mean([]), median([])]).toEqual([0, Number.NaN, Number.NaN]);
});

test("the median is NaN where a value is, wherever that stands", () => {
  for (const values of [
    [Number.NaN, 1, 2],
    [2, Number.NaN, 1],
    [1, 2, Number.NaN],
  ])
    expect(median(values)).toBeNaN();
});

test("the ends of a curve are a part of it", () => {
  for (const part of [0, -1, 1.2, Number.NaN])
    expect(() => endMeans([1, 2], part)).toThrow(`endMeans: the part must be in (0, 1], got ${part}`);
});

test("the median leaves the order of its values alone", () => {
  const values = [3, 1, 2];
  median(values);
  expect(values).toEqual([3, 1, 2]);
});

test("the ends of a curve: a fifth of eleven values is two, and of three values one", () => {
  expect(endMeans([5, 7, 9, 9, 9, 9, 9, 9, 9, 1, 3], 1 / 5)).toEqual({ first: 6, last: 2 });
  expect(endMeans([3, 2, 1], 1 / 5)).toEqual({ first: 3, last: 1 });
});
