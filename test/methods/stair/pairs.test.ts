import fc from "fast-check";
import { expect, test } from "vitest";
import { siblingPairs, stepTokens } from "../../../src/methods/stair/pairs.js";
import type { Tree, TreeNode } from "../../../src/methods/stair/tree.js";

const node = (parent: number | null, children: number[], value: number, visits = 1, ended = false): TreeNode => ({
  ...{ parent, children, visits, sum: value * visits, reward: null },
  step: parent === null ? null : { ids: [10 * parent + 1, Math.round(100 * value)], ended },
});

/** The root's children a (1), b (0.4), c (-1), d (0.9); below a there are e (0.9) and f (-1). */
const tree: Tree = {
  nodes: [
    node(null, [1, 2, 3, 4], 0.3, 7),
    node(0, [5, 6], 1, 3),
    node(0, [], 0.4, 1),
    node(0, [], -1, 2),
    node(0, [], 0.9, 1, true),
    node(1, [], 0.9, 1),
    node(1, [], -1, 1, true),
  ],
};
const found = (thresholds?: Parameters<typeof siblingPairs>[1]) =>
  siblingPairs(tree, thresholds).map(({ chosen, rejected }) => [chosen, rejected]);

test("by hand, with the thresholds 0.5 and 0.8", () => {
  // of the root's children: a against b (0.6) and c (2); d against c (1.9), and against b 0.5, which is not more than 0.5
  expect(found()).toEqual([
    [1, 2],
    [1, 3],
    [4, 3],
    [5, 6],
  ]);
  expect(found({ margin: 0.4, good: 0.95, minVisits: 1 })).toEqual([
    [1, 2],
    [1, 3],
  ]);
  expect(found({ margin: 0.4, good: 0.9, minVisits: 1 })).toEqual([
    [1, 2],
    [1, 3],
    [4, 2],
    [4, 3],
    [5, 6],
  ]); // 0.9 is good enough
  // two visits at least, but for what has ended
  expect(found({ margin: 0.5, good: 0.8, minVisits: 2 })).toEqual([
    [1, 3],
    [4, 3],
  ]);
});

test("a pair's steps stand behind prompt and shared steps", () => {
  expect(stepTokens([5, 6], tree, { chosen: 5, rejected: 6 })).toEqual({
    prompt: [5, 6, 1, 100],
    chosen: [11, 90],
    rejected: [11, -100],
  });
});

test("whatever the values, pairs are siblings whose difference is above the margin, and no pair is left out", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 2, maxLength: 6 }), (values) => {
      const nodes = [
        node(
          null,
          values.map((_, i) => i + 1),
          0,
        ),
        ...values.map((value) => node(0, [], value)),
      ];
      const pairs = siblingPairs({ nodes });
      const wanted = values.flatMap((a) => values.filter((b) => a >= 0.8 && a - b > 0.5));
      expect(pairs.length).toBe(wanted.length);
      for (const { chosen, rejected, difference } of pairs) {
        expect(difference).toBeCloseTo(values[chosen - 1]! - values[rejected - 1]!, 12);
        expect(difference).toBeGreaterThan(0.5);
      }
    }),
  );
});
