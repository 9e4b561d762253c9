import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng } from "../../../src/backend/random.js";
import {
  backpropagated,
  bestPath,
  nodeValue,
  pathTo,
  rootTree,
  selectChild,
  selectLeaf,
  type Tree,
  type TreeNode,
  ucb,
  withChildren,
} from "../../../src/methods/stair/tree.js";

const step = (id: number, ended = false) => ({ ids: [id], ended });
const counts = ({ nodes }: Tree) => nodes.map(({ visits, sum }) => [visits, sum]);

/** A root with a child for each number of visits and sum of rewards. */
function family(children: { visits: number; sum: number }[]): Tree {
  const visits = children.reduce((total, child) => total + child.visits, 1);
  const node = (own: Partial<TreeNode>): TreeNode => ({ parent: 0, step: null, children: [], visits: 0, sum: 0, reward: null, ...own });
  return {
    nodes: [
      node({ parent: null, visits, children: children.map((_, i) => i + 1) }),
      ...children.map((child, i) => node({ ...child, step: step(i) })),
    ],
  };
}

test("bounds by hand", () => {
  // V = 2/2 = 1, N = 3: 1 + 1.5 sqrt(ln 3 / 2) = 1 + 1.5 * 0.741152 = 2.111728
  expect(ucb({ visits: 2, sum: 2 }, 3, 1.5)).toBeCloseTo(2.111728, 6);
  // V = 1.5, n = 1: 1.5 + 1.5 sqrt(ln 3) = 1.5 + 1.5 * 1.048147 = 3.072221
  expect(ucb({ visits: 1, sum: 1.5 }, 3, 1.5)).toBeCloseTo(3.072221, 6);
  expect(ucb({ visits: 0, sum: 0 }, 3, 1.5)).toBe(150);
});

test("a tree by hand", () => {
  let tree = backpropagated(rootTree(), 0, 2);
  tree = withChildren(tree, 0, [step(7), step(8), step(7)]); // equal steps are one
  expect(tree.nodes.map(({ parent, children }) => [parent, children])).toEqual([
    [null, [1, 2]],
    [0, []],
    [0, []],
  ]);
  tree = backpropagated(tree, 1, -1);
  tree = backpropagated(tree, 2, 3);
  expect(counts(tree)).toEqual([
    [3, 4],
    [1, -1],
    [1, 3],
  ]);
  expect(selectLeaf(tree, 1.5, createRng(1))).toBe(2);
  tree = withChildren(tree, 2, [step(1, true), step(2)]);
  tree = backpropagated(tree, 3, 1);
  expect(tree.nodes[3]!.reward).toBe(1); // it has ended
  expect(tree.nodes[2]!.reward).toBeNull();
  expect(counts(tree)).toEqual([
    [4, 5],
    [1, -1],
    [2, 4],
    [1, 1],
    [0, 0],
  ]);
  expect(pathTo(tree, 4)).toEqual([0, 2, 4]);
  expect(bestPath(tree)).toEqual([0, 2, 3]); // what was not visited has no value
  expect(tree.nodes.map(nodeValue)).toEqual([1.25, -1, 2, 1, Number.NaN]);
  expect(bestPath(backpropagated(tree, 4, 1))).toEqual([0, 2, 3]); // of equal ones the first
});

test("the child that is chosen has the highest bound; without exploration the highest value; a child without visits comes before all", () => {
  const child = fc
    .integer({ min: 0, max: 5 })
    .chain((visits) => fc.integer({ min: -3 * visits, max: 3 * visits }).map((sum) => ({ visits, sum })));
  fc.assert(
    fc.property(
      fc.array(child, { minLength: 1, maxLength: 6 }),
      fc.double({ min: 0, max: 3, noNaN: true }),
      fc.integer(),
      (children, c, seed) => {
        const tree = family(children);
        const { visits } = tree.nodes[0]!;
        const bound = (at: number, weight: number) => ucb(tree.nodes[at]!, visits, weight);
        const best = (weight: number) => Math.max(...tree.nodes[0]!.children.map((at) => bound(at, weight)));
        expect(bound(selectChild(tree, 0, c, createRng(seed)), c)).toBe(best(c));
        const fresh = children.some((one) => one.visits === 0);
        if (c > 0.5 && fresh) expect(tree.nodes[selectChild(tree, 0, c, createRng(seed))]!.visits).toBe(0);
        if (!fresh) expect(nodeValue(tree.nodes[selectChild(tree, 0, 0, createRng(seed))]!)).toBe(best(0));
      },
    ),
  );
});

test("between equal bounds each is chosen at times", () => {
  const tree = family(new Array(3).fill({ visits: 0, sum: 0 }));
  const chosen = new Set(Array.from({ length: 60 }, (_, seed) => selectChild(tree, 0, 1.5, createRng(seed))));
  expect([...chosen].sort()).toEqual([1, 2, 3]);
});
