import { existsSync, readFileSync, statSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { policyLogps } from "../../../src/evaluation/policy-logps.js";
import { rightDifference } from "../../../src/methods/claims.js";
import { stages } from "../../../src/methods/erpo/stages.js";
import { stairPairs } from "../../../src/methods/stair/pairs.js";
import { dpoSettings, searchSettings } from "../../../src/methods/stair/settings.js";
import { dpoStage, stairPolicies, stepTraining, stepwise } from "../../../src/methods/stair/step-dpo.js";
import { folderOf, formatStage, structured, structuredStage } from "../../../src/methods/stair/structured.js";
import { searchTrials, testTimePolicies } from "../../../src/methods/stair/test-time.js";
import { rootTree, type Tree, type TreeNode } from "../../../src/methods/stair/tree.js";
import { type GrownTrees, grownTrees, searchedTrees } from "../../../src/methods/stair/trees.js";
import { valueHead } from "../../../src/methods/stair/value-head.js";
import { KeptError } from "../../../src/runs/claim.js";
import { evaluate, type TrialResult } from "../../../src/runs/evaluate.js";
import { changedProfile } from "../../../src/runs/profile.js";
import type { Run } from "../../../src/runs/run.js";
import { finish, openTiny, runsFolder } from "../../runs/tiny-run.js";

/** The whole method on a random model: nothing is learned, everything is kept. */

const folder = runsFolder();
afterAll(folder.remove);

let run: Run;
let grown: GrownTrees;
beforeAll(async () => {
  run = await openTiny(folder.path("run"));
  await finish(structured(run));
  grown = await grownTrees(run, formatStage);
}, 240_000);

const written = (path: string) => statSync(run.path(path)).mtimeMs;
const withoutSeconds = ({ trees, search, plain }: GrownTrees) => ({ trees, tokens: [search.tokens, plain.tokens], rewards: plain.rewards });

test("where the run lacks ERPO's first stage the method has its own, and its results are told apart", () => {
  expect(structuredStage(run)).toBe(formatStage);
  expect(run.metrics(formatStage).length).toBeGreaterThan(0);
  expect([folderOf(formatStage), folderOf(stages.sft)]).toEqual(["methods/stair/from-format", "methods/stair/from-1-sft"]);
});

test("trees: a prompt of each label in turn, every iteration, rewards in their prompts' range, tokens as many as were sampled", () => {
  const { prompts, trees, search, plain } = grown;
  expect(prompts.map(({ label }) => label)).toEqual(prompts.map((_, i) => (i % 2 === 0 ? "safe" : "unsafe")));
  expect(trees).toHaveLength(prompts.length);
  const own = new Set(run.data.train2.map(({ id }) => id));
  expect(prompts.every(({ id }) => own.has(id))).toBe(true);
  for (const [t, { nodes }] of trees.entries()) {
    expect(nodes[0]!.visits).toBeGreaterThanOrEqual(searchSettings.iterations);
    for (const { visits, sum } of nodes) {
      const value = sum / visits;
      expect(prompts[t]!.label === "safe" ? value >= 1 && value <= 3 : Math.abs(value) <= 1).toBe(true);
    }
  }
  expect(plain.rewards).toHaveLength(2 * prompts.length);
  expect(search.tokens).toBeGreaterThan(trees.flatMap(({ nodes }) => nodes).reduce((sum, { step }) => sum + (step?.ids.length ?? 0), 0));
  expect(search.seconds).toBeGreaterThan(0);
});

test("a search that is stopped goes on where it was, and comes to the same trees", async () => {
  const other = await run.branch(folder.path("other"), { after: formatStage });
  const path = `${folderOf(formatStage)}/trees.json`;
  const stop = new AbortController();
  const seen: number[] = [];
  const note = (iteration: number) => {
    seen.push(iteration);
    if (iteration === 1) stop.abort(); // before the roots are expanded
  };
  const fresh = { ...other, parents: [] }; // or it would take the trees of the run that it branches from
  await expect(grownTrees(fresh, formatStage, note, stop.signal)).rejects.toThrow(/abort/i);
  expect(existsSync(other.path(path))).toBe(false);
  const again = await grownTrees(fresh, formatStage, (iteration) => void seen.push(iteration));
  expect(seen).toEqual(Array.from({ length: searchSettings.iterations + 1 }, (_, i) => i + 1));
  expect(withoutSeconds(again)).toEqual(withoutSeconds(grown));
  expect(existsSync(other.path(`${path}.partial`))).toBe(false);
}, 120_000);

test("pairs, step DPO, the head and the search at test time, each kept: asked again, nothing is computed", async () => {
  const pairs = await stairPairs(run, formatStage, grown);
  const of = (label: string) => pairs.labels.filter((own) => own === label).length;
  expect([of("safe"), of("unsafe")].every((count) => count >= Math.min(dpoSettings.leastPairs, grown.prompts.length / 2))).toBe(true);
  expect(pairs.tokens.every(({ reference }) => Number.isFinite(reference!.chosen) && reference!.chosen < 0)).toBe(true);
  await finish(stepwise(run, formatStage, pairs));
  const steps = run.metrics(dpoStage(formatStage));
  expect(steps).toHaveLength(dpoSettings.epochs * Math.ceil(pairs.tokens.length / dpoSettings.batchSize));
  expect(steps[0]!["rewards/margins"]).toBeCloseTo(0, 3); // the policy is its own reference
  const head = await valueHead(run, formatStage, grown);
  expect(head.linear.weights).toHaveLength(run.model.config.hiddenSize);
  expect(head.fitted.nodes + head.heldOut.nodes).toBe(grown.trees.reduce((sum, { nodes }) => sum + nodes.length, 0));
  const { before: start, after: trained } = await stairPolicies(run, formatStage);
  const { vote, best, beam } = await testTimePolicies(trained, start, head);
  const trials = await searchTrials(run);
  const outcomes: TrialResult[][] = [];
  for (const policy of [vote, best, beam]) {
    const own: TrialResult[] = [];
    for await (const outcome of evaluate(run, policy, trials)) own.push(outcome);
    outcomes.push(own);
  }
  expect(outcomes.map((own) => own.map(({ policy, suite }) => `${policy} ${suite}`))[2]).toContain("stair-format-dpo-beam general");
  expect(rightDifference(outcomes[1]!, outcomes[1]!, run.rng("test")).value).toBe(0);

  const files = ["trees.json", "pairs.json", "value-head.json", "dpo/adapter_model.safetensors"].map(
    (file) => `${folderOf(formatStage)}/${file}`,
  );
  const before = files.map(written);
  await grownTrees(run, formatStage);
  await finish(stepwise(run, formatStage, await stairPairs(run, formatStage, grown)));
  await valueHead(run, formatStage, grown);
  expect(files.map(written)).toEqual(before);
  const changed = { ...grown, trees: grown.trees.map(({ nodes }) => ({ nodes: nodes.slice(0, 1) })) };
  await expect(valueHead(run, formatStage, changed)).rejects.toThrow(KeptError);
}, 240_000);

/** A tree of one step: a winner of value 1, and losers so far below it. The steps of each node are a token of its own. */
function stepTree(differences: readonly number[], firstToken: number): Tree {
  const child = (value: number, i: number): TreeNode => ({
    ...{ parent: 0, step: { ids: [firstToken + i], ended: false }, children: [] },
    ...{ visits: 1, sum: value, reward: null },
  });
  const children = [1, ...differences.map((difference) => 1 - difference)].map(child);
  const root = { ...rootTree().nodes[0]!, children: children.map((_, i) => i + 1), visits: children.length };
  return { nodes: [root, ...children] };
}

test("of the label with more pairs those with the largest differences are taken; the reference is the policy that grew the trees", async () => {
  const moving = await openTiny(folder.path("moving"), {
    model: run.model,
    profile: changedProfile(run.profile, { name: "moving", stage1: { traceRate: 3e-2, traceTokens: 12_000 } }),
  });
  await finish(structured(moving));
  const { prompts, ...rest } = await grownTrees(moving, formatStage);
  expect(prompts).toHaveLength(6); // of each label three
  const trees = prompts.map(({ label }, t) =>
    stepTree(label === "safe" ? [0.6 + t / 10, 1.5, 0.7 + t / 10, 1.6] : [0.6, 1.1, 1.9], 10 * (t + 1)),
  );
  const pairs = await stairPairs(moving, formatStage, { ...rest, prompts, trees });
  expect(pairs.found).toEqual({ safe: 12, unsafe: 9 });
  expect([pairs.labels, pairs.depths].map((list) => list.length)).toEqual([18, 18]);
  const ofSafe = pairs.tokens.filter((_, i) => pairs.labels[i] === "safe");
  // trees 0, 2 and 4: all of 1.6 and 1.5; then 1.1 (tree 4), 1.0 (tree 4) and 0.9 (tree 2)
  expect(ofSafe.map(({ rejected }) => rejected)).toEqual([[14], [34], [54], [12], [32], [52], [53], [51], [33]]);
  expect(ofSafe.every(({ chosen }) => chosen[0]! % 10 === 0)).toBe(true);

  const logps = async (stage: string) =>
    policyLogps(
      await moving.policy(stage),
      pairs.tokens.map(({ prompt, chosen }) => ({ prompt, completion: chosen })),
    );
  const farthest = async (stage: string) => {
    const of = await logps(stage);
    return Math.max(...pairs.tokens.map(({ reference }, i) => Math.abs(reference!.chosen - of[i]!)));
  };
  expect(await farthest(formatStage)).toBeLessThan(0.1);
  expect(await farthest("base")).toBeGreaterThan(0.3);
  const { batches } = stepTraining(moving, formatStage, pairs);
  for (const batch of batches) expect(batch.filter((row) => pairs.labels[row] === "safe")).toHaveLength(batch.length / 2);
  const twice = pairs.tokens.flatMap((_, row) => [row, row]);
  expect(batches.flat().sort((a, b) => a - b)).toEqual(twice);
  await finish(stepwise(moving, formatStage, pairs));
  const [step] = moving.metrics(dpoStage(formatStage));
  expect(step!["rewards/margins"]).toBeCloseTo(0, 1);
  expect(step!.loss).toBeGreaterThan(Math.log(2) + 1); // the winner's NLL counts
}, 240_000);

test("the prompts of trees are of the set that stages 2 and 3 train on, and no test prompt is among them", () => {
  const test = new Set([...run.data.test, ...run.data.dev].map(({ prompt }) => prompt));
  expect(searchedTrees(run).filter(({ prompt }) => test.has(prompt))).toEqual([]);
  expect(readFileSync(run.path(`${folderOf(formatStage)}/trees.identity.json`), "utf8")).toContain('"iterations": 16');
});
