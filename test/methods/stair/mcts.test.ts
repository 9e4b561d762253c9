import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng, type Rng } from "../../../src/backend/random.js";
import { type Beginning, type Growth, grow, type SearchSettings, type World } from "../../../src/methods/stair/mcts.js";
import { siblingPairs } from "../../../src/methods/stair/pairs.js";
import { nodeValue, rootTree, stepsTo, type Tree } from "../../../src/methods/stair/tree.js";
import numpy from "../../fixtures/stair-numpy.json" with { type: "json" }; // made by test/fixtures/stair_numpy.py

const pathOf = (steps: Beginning["steps"]) => steps.map(({ ids }) => ids[0]!);
const paths = (tree: Tree) => tree.nodes.map((_, at) => pathOf(stepsTo(tree, at)));

/** The last state of a search, and how often its world was asked. */
async function grown(world: World, count: number, settings: SearchSettings, rng: Rng, begun?: Growth) {
  let last: Growth = begun ?? { iteration: 0, trees: Array.from({ length: count }, rootTree) };
  for await (const state of grow(world, last, settings, rng)) last = state;
  return last;
}

/** A stream of which each fork takes the first of equals. */
const first: Rng = { ...createRng(1), choice: (xs) => xs[0]!, fork: () => first };

/** The world of the fixture's script. */
const script: World = {
  async expand(beginnings) {
    return beginnings.map(({ steps }) => {
      const path = pathOf(steps);
      const second = path.length === 2 && path[0] === 0 && path[1] === 0 ? 0 : 1;
      return [0, second].map((id) => ({ ids: [id], ended: path.length === 2 || (path[0] === 1 && path.length === 1 && id === 1) }));
    });
  },
  score: async (beginnings) =>
    beginnings.map(({ steps }) => 3 * Math.sin(1 + 1.7 * pathOf(steps).reduce((sum, id, i) => sum + (i + 1) * (id + 1), 0))),
};

test.each(numpy.trees)(
  "visits, values and pairs are those of a search written in Python: $iterations iterations, c = $c",
  async (expected) => {
    const { iterations, c, max_depth: maxDepth } = expected;
    const { trees, iteration } = await grown(script, 2, { iterations, children: 2, c, maxDepth }, first);
    expect(iteration).toBe(iterations + 1);
    for (const tree of trees) {
      const all = paths(tree);
      const found = tree.nodes.map((node, at) => ({ path: all[at]!, visits: node.visits, value: nodeValue(node) }));
      const wanted = new Map(expected.nodes.map((node) => [node.path.join(), node]));
      expect(found.length).toBe(expected.nodes.length);
      for (const { path, visits, value } of found) {
        expect(visits, path.join()).toBe(wanted.get(path.join())!.visits);
        expect(value).toBeCloseTo(wanted.get(path.join())!.value, 8);
      }
      const pairs = siblingPairs(tree).map(({ chosen, rejected }) => [all[chosen]!, all[rejected]!]);
      const key = (pair: number[][]) => JSON.stringify(pair);
      expect(pairs.map(key).sort()).toEqual(expected.pairs.map(key).sort());
    }
  },
);

test("three iterations by hand", async () => {
  // 1: the root is rolled out, 1. 2: it is expanded into a and b (of equal bounds the first, a), a's roll-out gives -1. 3: b, which has no visit, 3. Then nothing is unvisited.
  const asked: string[] = [];
  const world: World = {
    async expand(beginnings, children, stream) {
      asked.push(`${stream}: ${beginnings.map(({ steps }) => pathOf(steps).join("")).join()} x ${children}`);
      return beginnings.map(() => [1, 2].map((id) => ({ ids: [id], ended: false })));
    },
    async score(beginnings, stream) {
      asked.push(`${stream}: ${beginnings.map(({ steps }) => pathOf(steps).join("") || "root").join()}`);
      return beginnings.map(({ steps }) => [1, -1, 3][pathOf(steps)[0] ?? 0]!);
    },
  };
  const { trees } = await grown(world, 1, { iterations: 3, children: 2, c: 1.5, maxDepth: 7 }, first);
  expect(trees[0]!.nodes.map(({ visits, sum }) => [visits, sum])).toEqual([
    [3, 3],
    [1, -1],
    [1, 3],
  ]);
  expect(asked).toEqual(["score 1: root", "expand 2:  x 2", "score 2: 1", "score 3: 2"]);
});

/** A world whose steps and rewards are drawn by a path's digits; it counts what was scored. */
function drawn(seed: number) {
  const scored: string[] = [];
  const at = (steps: Beginning["steps"]) => createRng(seed).fork(pathOf(steps).join());
  const world: World = {
    expand: async (beginnings, children) =>
      beginnings.map(({ steps }) => {
        const rng = at(steps).fork("steps");
        return Array.from({ length: children }, () => ({ ids: [rng.integer(0, 3)], ended: rng.uniform() < 0.25 + 0.2 * steps.length }));
      }),
    score: async (beginnings) =>
      beginnings.map(({ tree, steps }) => {
        scored.push(`${tree}: ${pathOf(steps).join()}${steps.at(-1)?.ended ? " ended" : ""}`);
        return at(steps).uniform() * 6 - 3;
      }),
  };
  return { world, scored };
}

const searches = fc.record({
  seed: fc.integer({ min: 0, max: 1000 }),
  count: fc.integer({ min: 1, max: 3 }),
  iterations: fc.integer({ min: 1, max: 24 }),
  children: fc.integer({ min: 1, max: 3 }),
  maxDepth: fc.integer({ min: 1, max: 5 }),
});

test("visits add up, values stay within the rewards' range, and what has ended is scored once and not expanded", async () => {
  await fc.assert(
    fc.asyncProperty(searches, async ({ seed, count, ...settings }) => {
      const { world, scored } = drawn(seed);
      const { trees } = await grown(world, count, { c: 1.5, ...settings }, createRng(seed));
      for (const { nodes } of trees) {
        for (const node of nodes) {
          const below = node.children.reduce((sum, child) => sum + nodes[child]!.visits, 0);
          expect(node.visits).toBeGreaterThan(0);
          if (node.children.length > 0) expect(node.visits - below).toBe(1); // its own, before it was expanded
          expect(Math.abs(nodeValue(node))).toBeLessThanOrEqual(3);
          if (node.step?.ended) expect(node.children).toEqual([]);
          expect(new Set(node.children.map((child) => nodes[child]!.step!.ids.join())).size).toBe(node.children.length);
          expect(node.children.length).toBeLessThanOrEqual(settings.children);
        }
        for (const at of nodes.keys()) expect(stepsTo({ nodes }, at).length).toBeLessThanOrEqual(settings.maxDepth);
        const [root] = nodes;
        const own = nodes.reduce((sum, node) => sum + node.visits - node.children.reduce((n, child) => n + nodes[child]!.visits, 0), 0);
        expect(root!.visits).toBe(own); // a reward for each evaluation
        expect(root!.visits).toBeGreaterThanOrEqual(settings.iterations);
      }
      const ended = scored.filter((one) => one.endsWith("ended"));
      expect(new Set(ended).size).toBe(ended.length);
    }),
    { numRuns: 60 },
  );
});

test("the same seed gives the same trees; so does a search that was stopped anywhere, and a search of one tree alone", async () => {
  await fc.assert(
    fc.asyncProperty(searches, fc.nat(), async ({ seed, count, ...rest }, stop) => {
      const settings = { c: 1.5, ...rest };
      const { world } = drawn(seed);
      const whole = await grown(world, count, settings, createRng(seed));
      expect(await grown(drawn(seed).world, count, settings, createRng(seed))).toEqual(whole);
      const states: Growth[] = [];
      for await (const state of grow(world, { iteration: 0, trees: Array.from({ length: count }, rootTree) }, settings, createRng(seed)))
        states.push(state);
      const begun = JSON.parse(JSON.stringify(states[stop % states.length])) as Growth;
      expect(await grown(world, count, settings, createRng(seed), begun)).toEqual(whole);
      expect((await grown(world, 1, settings, createRng(seed))).trees[0]).toEqual(whole.trees[0]);
    }),
    { numRuns: 30 },
  );
});

test("another seed decides otherwise between equal bounds", async () => {
  const settings = { iterations: 6, children: 3, c: 1.5, maxDepth: 5 };
  const world: World = {
    expand: async (beginnings, children) =>
      beginnings.map(() => Array.from({ length: children }, (_, id) => ({ ids: [id], ended: false }))),
    score: async (beginnings) => beginnings.map(() => 1),
  };
  const results = await Promise.all([1, 2, 3, 4].map(async (seed) => JSON.stringify(await grown(world, 2, settings, createRng(seed)))));
  expect(new Set(results).size).toBeGreaterThan(1);
});
