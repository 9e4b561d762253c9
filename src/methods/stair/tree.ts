import type { Rng } from "../../backend/random.js";

/** A step of a completion: its tokens, and whether the completion ends with it. */
export interface TreeStep {
  ids: number[];
  ended: boolean;
}

/** A node of a search tree: the completion up to and including its step. */
export interface TreeNode {
  /** Its place in the tree's list; null for the root, which is first. */
  parent: number | null;
  /** Null for the root, where nothing is written yet. */
  step: TreeStep | null;
  children: readonly number[];
  /** n: how many rewards have come through it. */
  visits: number;
  /** Their sum. */
  sum: number;
  /** Of a node whose step ends the completion: its reward, once it is known. */
  reward: number | null;
}

/** A search tree of one prompt, as a value: every change makes another one. */
export interface Tree {
  readonly nodes: readonly TreeNode[];
}

/** The tree that a search begins with. */
export const rootTree = (): Tree => ({ nodes: [{ parent: null, step: null, children: [], visits: 0, sum: 0, reward: null }] });

/** V: the mean of the rewards that came through a node; NaN before the first. */
export const nodeValue = ({ sum, visits }: Pick<TreeNode, "sum" | "visits">): number => sum / visits;

/**
 * The upper confidence bound that a child is chosen by,
 *
 *     UCB = V + c sqrt(ln N / n),    100 c where n = 0
 *
 * @param parentVisits N, of the parent
 * @param c weight of exploration, >= 0
 */
export function ucb(node: Pick<TreeNode, "sum" | "visits">, parentVisits: number, c: number): number {
  return node.visits === 0 ? 100 * c : nodeValue(node) + c * Math.sqrt(Math.log(parentVisits) / node.visits);
}

/** The child with the highest bound; between equal ones `rng` decides. @param at a node with children */
export function selectChild({ nodes }: Tree, at: number, c: number, rng: Rng): number {
  const { children, visits } = nodes[at]!;
  const bounds = children.map((child) => ucb(nodes[child]!, visits, c));
  const highest = Math.max(...bounds);
  const best = children.filter((_, i) => bounds[i] === highest);
  return best.length === 1 ? best[0]! : rng.choice(best);
}

/** Follows the highest bounds from the root down to a node without children. */
export function selectLeaf(tree: Tree, c: number, rng: Rng): number {
  let at = 0;
  while (tree.nodes[at]!.children.length > 0) at = selectChild(tree, at, c, rng);
  return at;
}

/** The tree with new nodes below a leaf; of equal steps there is one. */
export function withChildren({ nodes }: Tree, at: number, steps: readonly TreeStep[]): Tree {
  const distinct = [...new Map(steps.map((step) => [step.ids.join(" "), step])).values()];
  const added = distinct.map((step): TreeNode => ({ parent: at, step, children: [], visits: 0, sum: 0, reward: null }));
  const places = added.map((_, i) => nodes.length + i);
  return { nodes: [...nodes.map((node, i) => (i === at ? { ...node, children: [...node.children, ...places] } : node)), ...added] };
}

/** The tree after a reward has come through a node and all nodes above it. A node that ends its completion keeps it. */
export function backpropagated(tree: Tree, at: number, reward: number): Tree {
  const touched = new Set(pathTo(tree, at));
  const nodes = tree.nodes.map((node, i) => {
    if (!touched.has(i)) return node;
    const visited = { ...node, visits: node.visits + 1, sum: node.sum + reward };
    return i === at && node.step?.ended ? { ...visited, reward } : visited;
  });
  return { nodes };
}

/** Places from the root to a node, both included. */
export function pathTo({ nodes }: Tree, at: number): number[] {
  const path = [at];
  for (let parent = nodes[at]!.parent; parent !== null; parent = nodes[parent]!.parent) path.unshift(parent);
  return path;
}

/** Steps from the root to a node. */
export const stepsTo = (tree: Tree, at: number): TreeStep[] =>
  pathTo(tree, at)
    .slice(1)
    .map((i) => tree.nodes[i]!.step!);

/** Nodes of a path from the root along the highest values, of equal ones the first; unvisited nodes are not followed. */
export function bestPath({ nodes }: Tree): number[] {
  const path = [0];
  for (;;) {
    const visited = nodes[path.at(-1)!]!.children.filter((child) => nodes[child]!.visits > 0);
    if (visited.length === 0) return path;
    path.push(visited.reduce((best, child) => (nodeValue(nodes[child]!) > nodeValue(nodes[best]!) ? child : best)));
  }
}
