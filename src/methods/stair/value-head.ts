import type { Rng } from "../../backend/random.js";
import { digestOf, type Identity, type IdentityValue } from "../../data/identity.js";
import type { Label } from "../../data/types.js";
import { mean } from "../../evaluation/averages.js";
import { clusterBootstrap } from "../../evaluation/bootstrap.js";
import { type Estimate, type Proportion, share } from "../../evaluation/intervals.js";
import { promptIds } from "../../exante/rows.js";
import { promptTokens } from "../../generation/asking.js";
import { literally, type Policy, policyIdentity } from "../../generation/policy.js";
import type { Score } from "../../generation/search.js";
import { keep } from "../../runs/keep.js";
import type { Run } from "../../runs/run.js";
import { currentSha256 } from "../../runs/stale.js";
import { chosenPenalty, type Linear, linearValue, ridge, subset } from "../ridge.js";
import { statesAt } from "../states.js";
import { nodeRows } from "./features.js";
import { goodness } from "./reward.js";
import { headSettings as knobs, pairThresholds, version } from "./settings.js";
import { folderOf } from "./structured.js";
import { nodeValue, type Tree } from "./tree.js";
import { type GrownTrees, searchedTrees } from "./trees.js";

/** How well the head tells values of nodes of trees that it was not fitted to. */
export interface HeadQuality {
  /** Mean squared error, beside that of the one value that is the mean of the fitted nodes. */
  error: number;
  constantError: number;
  /** Nodes whose value's sign is right, and those of the sign that most fitted nodes have. */
  signs: Proportion;
  constantSigns: Proportion;
  /** Pairs of siblings whose values differ by more than the pairs' margin and that stand in the right order; a constant's share is one half. */
  siblings: Proportion;
  /** The same share with the interval of a bootstrap over whole trees (`clusterBootstrap`), whose nodes are no independent trials. Of no pairs nothing is known: it is [0, 1]. */
  siblingsByTree: Estimate;
}

/** A process reward model: a linear function of the structured policy's state at a step's last token. */
export interface ValueHead {
  linear: Linear;
  penalty: number;
  /** Nodes that it was fitted to, and of how many trees. */
  fitted: { nodes: number; trees: number };
  heldOut: HeadQuality & { nodes: number; trees: number };
}

/** A node of a tree, as it is learned from: its goodness, in [-1, 1], and the head's value where there is one. */
export interface ValuedNode {
  tree: number;
  node: number;
  goodness: number;
}

/** Whether a tree is held out: the last quarter of them, which has both labels since they come in turns. */
export const isHeldOut = (tree: number, trees: number): boolean => tree >= trees - Math.ceil(knobs.heldOut * trees);

/** Nodes' values on their prompts' scale, of all trees. */
export const valuedNodes = (trees: readonly Tree[], labels: readonly Label[]): ValuedNode[] =>
  trees.flatMap(({ nodes }, tree) => nodes.map((node, at) => ({ tree, node: at, goodness: goodness(nodeValue(node), labels[tree]!) })));

/**
 * STAIR's process reward model, fitted to the values of the trees' nodes by ridge regression on the frozen policy's states. What the paper's is like has not been published with its code; the
 * loss, the common scale of safe and unsafe prompts and the linear head are this project's. The penalty is chosen by cross-validation over the fitted trees; the rest of the trees is looked at
 * only to say how good the head is. Kept.
 *
 * @throws KeptError when the head was made of other trees
 */
export async function valueHead(run: Run, stage: string, { trees, prompts }: GrownTrees, signal?: AbortSignal): Promise<ValueHead> {
  const path = `${folderOf(stage)}/trees.json`;
  const policy = await run.policy(stage);
  const identity: Identity = {
    recipe: "STAIR, value head",
    version,
    ...{ heldOut: knobs.heldOut, folds: knobs.folds, penalties: [...knobs.penalties], intervals: "by nodes and by trees" },
    trees: digestOf(trees as unknown as IdentityValue),
    policy: await policyIdentity(policy),
    precision: run.device.precision,
    from: { [stage]: currentSha256(run, stage), [path]: currentSha256(run, path) },
  };
  return keep(run, `${folderOf(stage)}/value-head.json`, identity, async () => {
    const nodes = valuedNodes(
      trees,
      prompts.map(({ label }) => label),
    );
    const features = await nodeStates(run, policy, trees, signal);
    return fitted(
      nodes,
      nodes.map(({ tree, node }) => features[tree]![node]!),
      trees,
      run.rng("STAIR, siblings"),
    );
  });
}

/** States of all nodes, by tree and place. */
async function nodeStates(run: Run, { model, adapter }: Policy, trees: readonly Tree[], signal?: AbortSignal): Promise<number[][][]> {
  const prompts = searchedTrees(run).map(({ prompt }) => promptIds(prompt, model.tokenizer));
  const all: number[][][] = [];
  for (const [t, tree] of trees.entries()) {
    signal?.throwIfAborted();
    const { rows, nodes } = nodeRows(prompts[t]!, tree);
    const own: number[][] = [];
    for (const [i, states] of (await statesAt(model, adapter, rows)).entries())
      for (const [k, state] of states.entries()) own[nodes[i]![k]!] = state;
    all.push(own);
  }
  return all;
}

/** The head of nodes with their features, and what it is worth. @param trees whose siblings are compared */
export function fitted(
  nodes: readonly ValuedNode[],
  features: readonly (readonly number[])[],
  trees: readonly Tree[],
  rng: Rng,
): ValueHead {
  const all = { features, targets: nodes.map((node) => node.goodness) };
  const held = (i: number) => isHeldOut(nodes[i]!.tree, trees.length);
  const training = subset(all, (i) => !held(i));
  const groups = nodes.filter((_, i) => !held(i)).map(({ tree }) => Math.floor(tree / 2)); // a safe and an unsafe prompt each
  const penalty = chosenPenalty(training, groups, knobs.folds, knobs.penalties);
  const linear = ridge(training, [penalty])[0]!;
  const out = nodes.flatMap((node, i) => (held(i) ? [{ ...node, predicted: linearValue(linear, features[i]!) }] : []));
  const count = (some: readonly ValuedNode[]) => ({ nodes: some.length, trees: new Set(some.map(({ tree }) => tree)).size });
  return {
    linear,
    penalty,
    fitted: count(nodes.filter((_, i) => !held(i))),
    heldOut: { ...quality(out, training.targets, trees, rng), ...count(out) },
  };
}

/** What predictions are worth beside constants. @param fitted goodness of the nodes that the head was fitted to */
export function quality(
  out: readonly (ValuedNode & { predicted: number })[],
  fitted: readonly number[],
  trees: readonly Tree[],
  rng: Rng,
): HeadQuality {
  const constant = mean(fitted);
  const positive = (x: number) => x >= 0;
  const commonest = 2 * fitted.filter(positive).length >= fitted.length;
  const at = new Map(out.map((node) => [`${node.tree} ${node.node}`, node]));
  /** Of each tree: which of its pairs of siblings stand in the right order. */
  const ordered = [...new Set(out.map(({ tree }) => tree))].map((tree) =>
    trees[tree]!.nodes.flatMap(({ children }) => pairsOf(children.map((child) => at.get(`${tree} ${child}`)!)))
      .filter(([a, b]) => Math.abs(a.goodness - b.goodness) > pairThresholds.margin)
      .map(([a, b]) => Math.sign(a.predicted - b.predicted) === Math.sign(a.goodness - b.goodness)),
  );
  return {
    error: mean(out.map((node) => (node.predicted - node.goodness) ** 2)),
    constantError: mean(out.map((node) => (constant - node.goodness) ** 2)),
    signs: share(out, (node) => positive(node.predicted) === positive(node.goodness)),
    constantSigns: share(out, (node) => positive(node.goodness) === commonest),
    siblings: share(ordered.flat(), Boolean),
    siblingsByTree: ordered.some((tree) => tree.length > 0)
      ? clusterBootstrap(ordered, (some) => mean(some.flat().map(Number)), rng)
      : { value: Number.NaN, low: 0, high: 1 },
  };
}

const pairsOf = <T>(items: readonly T[]): [T, T][] => items.flatMap((a, i) => items.slice(i + 1).map((b): [T, T] => [a, b]));

/** Scores candidates of a search by the head's value at their last token, under the policy that it was fitted to. */
export const headScore = (policy: Policy, { linear }: Pick<ValueHead, "linear">): Score => {
  const { model, adapter, asking } = literally(policy);
  return async (candidates, _index, prompt) => {
    const asked = promptTokens(model.tokenizer, asking, prompt);
    const rows = candidates.map(({ ids }) => ({ ids: [...asked, ...ids], at: [asked.length + ids.length - 1] }));
    return (await statesAt(model, adapter, rows)).map(([state]) => linearValue(linear, state!));
  };
};

/** What a search that scores by a head depends on, in readable form. */
export const headIdentity = async (policy: Policy, { linear }: Pick<ValueHead, "linear">): Promise<Identity> => ({
  head: digestOf(linear as unknown as IdentityValue).slice(0, 16),
  policy: await policyIdentity(policy),
});
