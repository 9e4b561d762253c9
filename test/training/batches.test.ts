import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { balanced, lengthSorted, sequential, shuffled } from "../../src/training/batches.js";
import { mismatch } from "../../src/training/unpaired-objective.js";

const sorted = (xs: number[]) => [...xs].sort((a, b) => a - b);
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

test("sequential is file order, then from the top", () => {
  expect(sequential(5, 2, 5)).toEqual([[0, 1], [2, 3], [4], [0, 1], [2, 3]]);
});

test("shuffled goes through all rows in each epoch, in an order that the seed decides", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9 }), fc.integer(), (rows, size, seed) => {
      const epoch = Math.ceil(rows / size);
      const plan = shuffled(rows, size, 2 * epoch, createRng(seed));
      expect(sorted(plan.slice(0, epoch).flat())).toEqual(upTo(rows));
      expect(sorted(plan.slice(epoch).flat())).toEqual(upTo(rows));
      expect(shuffled(rows, size, 2 * epoch, createRng(seed))).toEqual(plan);
    }),
  );
});

test("length-sorted batches cover the rows once and pad no more than shuffled ones", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 8 }), fc.integer(), (count, size, seed) => {
      const rng = createRng(seed);
      const lengths = Array.from({ length: count * size }, () => rng.integer(1, 100));
      const plan = lengthSorted(lengths, size, createRng(seed));
      expect(sorted(plan.flat())).toEqual(upTo(lengths.length));
      const order = createRng(seed).shuffle(upTo(lengths.length));
      const plain = upTo(count).map((i) => order.slice(i * size, (i + 1) * size));
      const padded = (batches: number[][]) => batches.reduce((sum, b) => sum + Math.max(...b.map((i) => lengths[i]!)), 0);
      expect(padded(plan)).toBeLessThanOrEqual(padded(plain));
    }),
  );
});

test("eight length-sorted batches at a time hold neighbours, and come in random order", () => {
  const plan = lengthSorted(upTo(32), 2, createRng(1)); // row i has i tokens
  for (const block of [plan.slice(0, 8), plan.slice(8)]) {
    const inOrder = sorted(block.flat());
    expect(sorted(block.map(([first]) => first!))).toEqual(inOrder.filter((_, i) => i % 2 === 0));
    for (const [first, second] of block) expect(inOrder.indexOf(second!)).toBe(inOrder.indexOf(first!) + 1);
    expect(block.map(([first]) => first)).not.toEqual(inOrder.filter((_, i) => i % 2 === 0));
  }
});

test("balanced batches hold equally many rows of each group", () => {
  const groups = [upTo(7), upTo(3).map((i) => 100 + i)];
  const plan = balanced(groups, 4, createRng(5));
  expect(plan.length).toBe(3); // floor(7 / 2)
  for (const batch of plan) expect(batch.filter((i) => i < 100).length).toBe(2);
  expect(new Set(plan.flat().filter((i) => i < 100)).size).toBe(6);
  expect(plan.flat().filter((i) => i < 100)).not.toEqual(upTo(6)); // in random order
  expect(sorted(plan.flat().filter((i) => i >= 100))).toEqual([100, 100, 101, 101, 102, 102]); // from the top again
});

test("plans that cannot be made are refused", () => {
  expect(() => balanced([[1], [2], [3]], 4, createRng(1))).toThrow("a batch of 4 cannot hold equally many rows of 3 groups");
  expect(() => balanced([[1], [2]], 0, createRng(1))).toThrow("a batch of 0 cannot hold equally many rows of 2 groups");
  expect(() => balanced([[1], []], 2, createRng(1))).toThrow("group 2 of 2 has no rows");
  expect(() => sequential(0, 2, 1)).toThrow("there are no rows");
  expect(() => sequential(3, 0, 1)).toThrow("the batch size must be a whole number >= 1, got 0");
  expect(() => sequential(Number.NaN, 2, 1)).toThrow("batches: rows must be a whole number >= 1, got NaN"); // it would never end
  for (const steps of [Number.POSITIVE_INFINITY, Number.NaN, -1])
    expect(() => sequential(3, 2, steps)).toThrow(`batches: steps must be a whole number >= 0, got ${steps}`);
});

test("a batch size that takes no rows is refused where rows are taken in batches", () => {
  for (const size of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => mismatch([{ prompt: [1], completion: [2], label: true }], size)).toThrow(
      `the batch size must be a number >= 1, got ${size}`,
    );
});
