import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng } from "../../../src/backend/random.js";
import { chosenPenalty, linearValue, ridge } from "../../../src/methods/ridge.js";
import type { Tree } from "../../../src/methods/stair/tree.js";
import { fitted, isHeldOut, quality, valuedNodes } from "../../../src/methods/stair/value-head.js";
import numpy from "../../fixtures/stair-numpy.json" with { type: "json" }; // made by test/fixtures/stair_numpy.py

test("one feature by hand", () => {
  // x = 0, 2 and y = 1, 3: centred -1, 1 and -1, 1; sums 2 and 2; with penalty 1 and s = 2: w = 2 / (2 + 2) = 0.5, b = 2 - 0.5
  expect(ridge({ features: [[0], [2]], targets: [1, 3] }, [1])).toEqual([{ weights: [0.5], bias: 1.5 }]);
});

test.each(numpy.ridge)("is NumPy's least squares with penalty $penalty", ({ penalty, x, y, weights, bias }) => {
  const [other, fit] = ridge({ features: x, targets: y }, [7, penalty]);
  expect(other!.weights).not.toEqual(fit!.weights);
  for (const [i, w] of fit!.weights.entries()) expect(w).toBeCloseTo(weights[i]!, 7);
  expect(fit!.bias).toBeCloseTo(bias, 7);
});

test("features that are constant or twice there do no harm, and scaling all of them changes no prediction", () => {
  const examples = fc.array(fc.tuple(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -9, max: 9 })), {
    minLength: 3,
    maxLength: 12,
  });
  fc.assert(
    fc.property(examples, fc.double({ min: 0.5, max: 20, noNaN: true }), (rows, factor) => {
      const features = rows.map(([x]) => [x, x, 4]);
      const targets = rows.map(([, y]) => y);
      const [plain] = ridge({ features, targets }, [0.1]);
      const [scaled] = ridge({ features: features.map((row) => row.map((x) => factor * x)), targets }, [0.1]);
      for (const row of features) {
        expect(Number.isFinite(linearValue(plain!, row))).toBe(true);
        expect(
          linearValue(
            scaled!,
            row.map((x) => factor * x),
          ),
        ).toBeCloseTo(linearValue(plain!, row), 6);
      }
    }),
  );
});

test("cross-validation takes a weak penalty where features say all, and the strongest where they say nothing", () => {
  const rng = createRng(3);
  const features = Array.from({ length: 60 }, () => Array.from({ length: 20 }, () => rng.normal()));
  const groups = features.map((_, i) => Math.floor(i / 5));
  const penalties = [0.001, 1, 1000];
  const said = features.map((row) => row[0]! - 2 * row[3]!);
  expect(chosenPenalty({ features, targets: said }, groups, 4, penalties)).toBe(0.001);
  expect(chosenPenalty({ features, targets: features.map(() => rng.normal()) }, groups, 4, penalties)).toBe(1000);
  expect(() => ridge({ features, targets: said }, [0])).toThrow("ridge: penalties must be > 0, got 0");
});

test("cross-validation leaves whole groups out: what tells a group only does not help", () => {
  const rng = createRng(4);
  const of = Array.from({ length: 20 }, () => ({ x: Array.from({ length: 20 }, () => rng.normal()), y: rng.normal() }));
  const members = of.flatMap((group, g) => [0, 1, 2].map(() => ({ ...group, g })));
  const examples = { features: members.map(({ x }) => x), targets: members.map(({ y }) => y) };
  const penalties = [0.001, 1, 1000];
  const chosen = (groups: number[]) => chosenPenalty(examples, groups, 4, penalties);
  expect(chosen(members.map(({ g }) => g))).toBe(1000);
  expect(chosen(members.map((_, i) => i))).toBe(0.001); // members of a group in both parts give its value away
});

/** A root with two children of given values, both seen once. */
const fork = (a: number, b: number): Tree => ({
  nodes: [
    { parent: null, step: null, children: [1, 2], visits: 2, sum: a + b, reward: null },
    ...[a, b].map((value, i) => ({ parent: 0, step: { ids: [i], ended: true }, children: [], visits: 1, sum: value, reward: value })),
  ],
});

test("the head's quality by hand", () => {
  const trees = [fork(1, -1), fork(3, 1)];
  const nodes = valuedNodes(trees, ["unsafe", "safe"]); // goodness 0, 1, -1 each
  expect(nodes.map((node) => node.goodness)).toEqual([0, 1, -1, 0, 1, -1]);
  const predicted = [0.5, 0.5, -0.5, -0.5, -1, 1];
  const out = nodes.map((node, i) => ({ ...node, predicted: predicted[i]! }));
  const { error, constantError, signs, constantSigns, siblings, siblingsByTree } = quality(out, [1, 1, 1, -1], trees, createRng(1));
  expect(error).toBeCloseTo((0.25 + 0.25 + 0.25 + 0.25 + 4 + 4) / 6, 12);
  expect(constantError).toBeCloseTo((0.25 + 0.25 + 2.25 + 0.25 + 0.25 + 2.25) / 6, 12); // the constant is 0.5
  expect([signs.k, constantSigns.k, signs.n]).toEqual([3, 4, 6]);
  expect([siblings.k, siblings.n]).toEqual([1, 2]); // the second tree's are the wrong way round
  expect(siblingsByTree).toEqual({ value: 0.5, low: 0, high: 1 }); // of two trees, drawn whole
  const alike = out.map((node) => ({ ...node, goodness: 0 })); // no pair to order
  expect(quality(alike, [1], trees, createRng(1)).siblingsByTree).toEqual({ value: Number.NaN, low: 0, high: 1 });
});

test("a head that sees the value beats the constant on trees that it was not fitted to; one that sees noise does not order siblings", () => {
  const rng = createRng(5);
  const trees = Array.from({ length: 40 }, (_, t) => (t % 2 === 0 ? fork(3 - rng.integer(0, 1), 1) : fork(1, -1)));
  const nodes = valuedNodes(
    trees,
    trees.map((_, t) => (t % 2 === 0 ? "safe" : "unsafe")),
  );
  const seen = fitted(
    nodes,
    nodes.map((node) => [node.goodness + 0.1 * rng.normal(), rng.normal()]),
    trees,
    createRng(1),
  );
  expect(seen.heldOut).toMatchObject({ trees: 10, nodes: 30, siblings: { k: 10, n: 10 } });
  expect(seen.fitted).toEqual({ trees: 30, nodes: 90 });
  expect(seen.heldOut.error).toBeLessThan(0.1 * seen.heldOut.constantError);
  const blind = fitted(
    nodes,
    nodes.map(() => [rng.normal(), rng.normal()]),
    trees,
    createRng(1),
  );
  expect(blind.heldOut.error).toBeGreaterThan(0.8 * blind.heldOut.constantError);
  expect(Array.from({ length: 40 }, (_, t) => isHeldOut(t, 40)).filter(Boolean)).toHaveLength(10);
});

test("the head's penalty is chosen by whole trees: features that only tell a pair of trees from the others are worth nothing", () => {
  const rng = createRng(6);
  const pairs = Array.from({ length: 20 }, () => ({
    value: rng.uniform() < 0.5 ? 1 : -1,
    x: Array.from({ length: 20 }, () => rng.normal()),
  }));
  const trees = pairs.flatMap(({ value }) => [fork(value, value), fork(value, value)]);
  const nodes = valuedNodes(
    trees,
    trees.map(() => "unsafe"),
  );
  const { penalty } = fitted(
    nodes,
    nodes.map(({ tree }) => pairs[Math.floor(tree / 2)]!.x),
    trees,
    createRng(1),
  );
  expect(penalty).toBeGreaterThanOrEqual(10); // by single trees or nodes it is the weakest, since their twins give them away
});
