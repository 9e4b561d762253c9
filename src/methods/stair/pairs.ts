import { digestOf, type Identity, type IdentityValue } from "../../data/identity.js";
import type { TokenPair } from "../../data/tokens.js";
import type { Label } from "../../data/types.js";
import { stepLevelPair, writtenPair } from "../../exante/pairs.js";
import { type LabelledPrompt, promptIds } from "../../exante/rows.js";
import { stepPair } from "../../objectives/step-dpo.js";
import { keep } from "../../runs/keep.js";
import type { Run } from "../../runs/run.js";
import { currentSha256 } from "../../runs/stale.js";
import { referenceLogps } from "../../training/preference.js";
import { dpoSettings, pairThresholds, version } from "./settings.js";
import { folderOf } from "./structured.js";
import { nodeValue, stepsTo, type Tree } from "./tree.js";
import { type GrownTrees, searchedTrees } from "./trees.js";

/** Two siblings of a tree, by their places, and the difference of their values. */
export interface SiblingPair {
  chosen: number;
  rejected: number;
  difference: number;
}

/** What makes a pair of two siblings. */
export interface PairThresholds {
  margin: number;
  good: number;
  minVisits: number;
}

/**
 * STAIR's pairs of steps: siblings i, j of one parent with V_i - V_j > margin and V_i >= good. A node that does not end its completion needs `minVisits`.
 * @returns in the order of the parents
 */
export function siblingPairs({ nodes }: Tree, { margin, good, minVisits }: PairThresholds = pairThresholds): SiblingPair[] {
  const counts = (at: number) => nodes[at]!.visits >= (nodes[at]!.step!.ended ? 1 : minVisits);
  return nodes.flatMap(({ children }) => {
    const known = children.filter(counts).map((at) => ({ at, value: nodeValue(nodes[at]!) }));
    return known
      .filter((winner) => winner.value >= good)
      .flatMap((winner) =>
        known
          .filter((loser) => winner.value - loser.value > margin)
          .map((loser) => ({ chosen: winner.at, rejected: loser.at, difference: winner.value - loser.value })),
      );
  });
}

/**
 * A pair as it is trained on. In STAIR's code both sides are whole trajectories from the root, whose shared steps cancel in DPO's margin; here these stand in the prompt, so that they cancel
 * exactly and cost one pass.
 * @param prompt token ids
 */
export function stepTokens(
  prompt: readonly number[],
  tree: Tree,
  { chosen, rejected }: Pick<SiblingPair, "chosen" | "rejected">,
): TokenPair {
  const steps = (at: number) => stepsTo(tree, at).map(({ ids }) => ids);
  return stepPair(prompt, steps(chosen), steps(rejected))!; // siblings are distinct
}

/** The pairs that are trained on. */
export interface StairPairs {
  tokens: TokenPair[];
  labels: Label[];
  /** Steps before the one in which a pair's sides differ; -1 for a pair that was written by rule. */
  depths: number[];
  /** How many pairs the trees gave for each label, before they were balanced. */
  found: Record<Label, number>;
}

/**
 * Pairs of all trees with their reference log-probs, kept: as many of a label as the other has, those with the largest differences, but not fewer than `leastPairs`. What trees do not give up
 * to that is written by rule, as in ERPO's stages, and counted.
 * @throws KeptError when they were made of other trees
 */
export async function stairPairs(run: Run, stage: string, grown: GrownTrees, signal?: AbortSignal): Promise<StairPairs> {
  const prompts = searchedTrees(run);
  const all = grown.trees.flatMap((tree, t) => siblingPairs(tree).map((pair) => ({ prompt: prompts[t]!, tree, pair })));
  const of = (label: Label) => all.filter(({ prompt }) => prompt.label === label).sort((a, b) => b.pair.difference - a.pair.difference);
  const found = { safe: of("safe").length, unsafe: of("unsafe").length };
  const most = Math.max(dpoSettings.leastPairs, Math.min(found.safe, found.unsafe));
  const made = (["safe", "unsafe"] as const).flatMap((label) => [
    ...of(label)
      .slice(0, most)
      .map(({ prompt, tree, pair }) => ({
        tokens: stepTokens(promptIds(prompt.prompt, run.model.tokenizer), tree, pair),
        label,
        depth: stepsTo(tree, pair.chosen).length - 1,
      })),
    ...byRule(run, prompts, label, dpoSettings.leastPairs - found[label]),
  ]);
  const tokens = made.map((pair) => pair.tokens);
  const identity: Identity = {
    recipe: "STAIR, pairs",
    version,
    thresholds: { ...pairThresholds },
    pairs: digestOf(tokens as unknown as IdentityValue),
    precision: run.device.precision,
    from: { [stage]: currentSha256(run, stage), [`${folderOf(stage)}/trees.json`]: currentSha256(run, `${folderOf(stage)}/trees.json`) },
  };
  return keep(run, `${folderOf(stage)}/pairs.json`, identity, async () => ({
    tokens: await referenceLogps(run.model, tokens, (await run.policy(stage)).adapter, { batchSize: 4, signal }),
    labels: made.map(({ label }) => label),
    depths: made.map(({ depth }) => depth),
    found,
  }));
}

/** So many pairs of a label by rule. */
function byRule(run: Run, prompts: readonly LabelledPrompt[], label: Label, count: number) {
  const own = prompts.filter((prompt) => prompt.label === label).slice(0, Math.max(0, count));
  return own.flatMap((prompt) => {
    const tokens = stepLevelPair(writtenPair(prompt, "decision", run.writer), run.model.tokenizer);
    return tokens ? [{ tokens, label, depth: -1 }] : [];
  });
}
