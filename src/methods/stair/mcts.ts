import type { Rng } from "../../backend/random.js";
import { backpropagated, pathTo, selectChild, selectLeaf, stepsTo, type Tree, type TreeStep, withChildren } from "./tree.js";

/** A completion under way: of which tree's prompt, and its steps so far. */
export interface Beginning {
  tree: number;
  steps: readonly TreeStep[];
}

/** What a search knows of its model and of its judge. Both are asked for many trees at once. */
export interface World {
  /** `children` next steps behind each beginning, none of which has ended. @param stream names the random numbers that are drawn */
  expand(beginnings: readonly Beginning[], children: number, stream: string): Promise<TreeStep[][]>;
  /** The reward of each beginning: of one that has ended its own, of another one that of a roll-out, which is written on to its end. */
  score(beginnings: readonly Beginning[], stream: string): Promise<number[]>;
}

/** How trees grow. */
export interface SearchSettings {
  iterations: number;
  /** m: steps that a node is expanded by. */
  children: number;
  /** Weight of exploration. */
  c: number;
  /** Steps below which nothing is expanded. */
  maxDepth: number;
}

/** Trees after some iterations; the last state, one iteration later, has every node visited. */
export interface Growth {
  iteration: number;
  trees: readonly Tree[];
}

/**
 * Monte Carlo tree search over steps as STAIR codes it (SI-MCTS, Zhang et al. 2025), of many prompts at once. In an iteration each tree selects a leaf by UCB. One that has been
 * visited is expanded, unless it has ended or is as deep as allowed, and one of its children selected. What is selected gets a reward: its own where the completion ends with it, which is
 * kept for later visits, else a roll-out's. The reward goes to all nodes up to the root. After the last iteration every node that was not visited gets a reward once.
 *
 * @param begun the trees and the iteration after which to go on: `{ iteration: 0, trees: [rootTree(), ...] }`
 * @param rng its forks, by iteration and tree, decide between equal bounds: a search that goes on from a state grows the trees of one that was not stopped
 */
export async function* grow(world: World, begun: Growth, settings: SearchSettings, rng: Rng): AsyncGenerator<Growth> {
  let { trees, iteration } = begun;
  while (iteration < settings.iterations) {
    iteration++;
    trees = await iterate(world, trees, settings, iteration, rng);
    yield { iteration, trees };
  }
  if (iteration > settings.iterations) return;
  const unvisited = trees.map(({ nodes }) => nodes.flatMap(({ visits }, at) => (visits === 0 ? [at] : [])));
  yield { iteration: iteration + 1, trees: await evaluated(world, trees, unvisited, "all") };
}

async function iterate(world: World, before: readonly Tree[], settings: SearchSettings, iteration: number, rng: Rng): Promise<Tree[]> {
  const { children, c, maxDepth } = settings;
  const rngs = before.map((_, t) => rng.fork(`${iteration} ${t}`));
  const leaves = before.map((tree, t) => selectLeaf(tree, c, rngs[t]!));
  const open = before.flatMap((tree, t) => (isOpen(tree, leaves[t]!, maxDepth) ? [t] : []));
  const beginnings = open.map((t) => ({ tree: t, steps: stepsTo(before[t]!, leaves[t]!) }));
  const steps = open.length > 0 ? await world.expand(beginnings, children, `expand ${iteration}`) : [];
  const trees = [...before];
  for (const [i, t] of open.entries()) {
    trees[t] = withChildren(before[t]!, leaves[t]!, steps[i]!);
    leaves[t] = selectChild(trees[t]!, leaves[t]!, c, rngs[t]!);
  }
  return evaluated(
    world,
    trees,
    leaves.map((leaf) => [leaf]),
    String(iteration),
  );
}

/** Whether a leaf is to be expanded. */
function isOpen(tree: Tree, leaf: number, maxDepth: number): boolean {
  const { visits, step } = tree.nodes[leaf]!;
  return visits > 0 && !step?.ended && pathTo(tree, leaf).length - 1 < maxDepth;
}

/** The trees after each of these nodes has got a reward. @param places nodes of each tree */
async function evaluated(world: World, trees: readonly Tree[], places: readonly (readonly number[])[], stream: string): Promise<Tree[]> {
  const all = places.flatMap((own, tree) => own.map((at) => ({ tree, at, known: trees[tree]!.nodes[at]!.reward })));
  const unknown = all.filter(({ known }) => known === null);
  const beginnings = unknown.map(({ tree, at }) => ({ tree, steps: stepsTo(trees[tree]!, at) }));
  const rewards = unknown.length > 0 ? await world.score(beginnings, `score ${stream}`) : [];
  const found = new Map(unknown.map((one, i) => [one, rewards[i]!]));
  const after = [...trees];
  for (const one of all) after[one.tree] = backpropagated(after[one.tree]!, one.at, one.known ?? found.get(one)!);
  return after;
}
