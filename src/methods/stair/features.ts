import type { WatchedRow } from "../states.js";
import { stepsTo, type Tree } from "./tree.js";

/** The rows that a tree's nodes are read from: one to each leaf's end, and each node at the last token of its step, in one row only. */
export function nodeRows(prompt: readonly number[], tree: Tree): { rows: WatchedRow[]; nodes: number[][] } {
  const leaves = tree.nodes.flatMap(({ children }, at) => (children.length === 0 ? [at] : []));
  const seen = new Set<number>();
  const rows: WatchedRow[] = [];
  const nodes: number[][] = [];
  for (const leaf of leaves) {
    const own: { node: number; at: number }[] = [];
    let end = prompt.length - 1;
    for (const node of [0, ...below(tree, leaf)]) {
      end += tree.nodes[node]!.step?.ids.length ?? 0;
      if (!seen.has(node)) own.push({ node, at: end });
      seen.add(node);
    }
    rows.push({ ids: [...prompt, ...stepsTo(tree, leaf).flatMap(({ ids }) => ids)], at: own.map(({ at }) => at) });
    nodes.push(own.map(({ node }) => node));
  }
  return { rows, nodes };
}

/** Nodes of the path to a leaf, without the root. */
function below({ nodes }: Tree, leaf: number): number[] {
  const path: number[] = [];
  for (let at: number | null = leaf; at !== null && at !== 0; at = nodes[at]!.parent) path.unshift(at);
  return path;
}
