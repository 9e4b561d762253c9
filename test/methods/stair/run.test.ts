import { existsSync, readFileSync, statSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rightDifference } from "../../../src/methods/claims.js";
import { stages } from "../../../src/methods/erpo/stages.js";
import { stairPairs } from "../../../src/methods/stair/pairs.js";
import { dpoSettings, searchSettings } from "../../../src/methods/stair/settings.js";
import { dpoStage, stairPolicies, stepwise } from "../../../src/methods/stair/step-dpo.js";
import { folderOf, formatStage, structured, structuredStage } from "../../../src/methods/stair/structured.js";
import { searchTrials, testTimePolicies } from "../../../src/methods/stair/test-time.js";
import { type GrownTrees, grownTrees, searchedTrees } from "../../../src/methods/stair/trees.js";
import { valueHead } from "../../../src/methods/stair/value-head.js";
import { KeptError } from "../../../src/runs/claim.js";
import { evaluate, type TrialResult } from "../../../src/runs/evaluate.js";
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

test("the prompts of trees are of the set that stages 2 and 3 train on, and no test prompt is among them", () => {
  const test = new Set([...run.data.test, ...run.data.dev].map(({ prompt }) => prompt));
  expect(searchedTrees(run).filter(({ prompt }) => test.has(prompt))).toEqual([]);
  expect(readFileSync(run.path(`${folderOf(formatStage)}/trees.identity.json`), "utf8")).toContain('"iterations": 16');
});
