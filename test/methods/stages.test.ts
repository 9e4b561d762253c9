import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { readAppended } from "../../src/data/jsonl.js";
import type { TokenPair } from "../../src/data/tokens.js";
import { mean } from "../../src/evaluation/averages.js";
import { policyLogps } from "../../src/evaluation/policy-logps.js";
import { comparedPart } from "../../src/exante/pairs.js";
import { stage2AnswerSamples, stage2Samples } from "../../src/methods/erpo/recipe.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { preferenceTraining, stage2 } from "../../src/methods/erpo/stage2.js";
import { roundTraining, stage3 } from "../../src/methods/erpo/stage3.js";
import { roundStage, stages } from "../../src/methods/erpo/stages.js";
import { readRecord } from "../../src/runs/claim.js";
import { changedProfile, profile } from "../../src/runs/profile.js";
import type { Run } from "../../src/runs/run.js";
import { finish, openTiny, runsFolder } from "../runs/tiny-run.js";

/** What ERPO's preference stages begin with and are held against, on a run of the tiny model at rates that move it; what the gate says is written by hand. */

const gates = vi.hoisted(() => ({ kept: new Map<string, boolean>(), asked: [] as [string, string][] }));
vi.mock("../../src/methods/erpo/gate.js", () => ({
  gate: async (_: Run, stage: string, from: string) => {
    gates.asked.push([stage, from]);
    return { kept: gates.kept.get(stage) };
  },
}));

const folder = runsFolder();
afterAll(folder.remove);

const [first, second] = [roundStage(1), roundStage(2)];
const moving = changedProfile(profile("tiny"), {
  name: "moving",
  stage1: { decisionRate: 1e-2, traceRate: 1e-2 },
  stage2: { rate: 1e-2 },
  stage3: { rate: 1e-2 },
});

let run: Run;
beforeAll(async () => {
  run = await openTiny(folder.path("run"), { profile: moving });
  for (const stage of [stage1, stage2]) await finish(stage(run));
});

/** A branch whose stages 2 and 3 are kept or not. */
async function gated(name: string, [dpo, one, two]: [boolean, boolean, boolean]): Promise<Run> {
  gates.kept = new Map([
    [stages.dpo, dpo],
    [first, one],
    [second, two],
  ]);
  gates.asked = [];
  const branch = await run.branch(folder.path(name), { after: stages.dpo });
  await finish(stage3(branch));
  return branch;
}

/** Log-probs of pairs' sides under a stage's policy, or the model's as it came. */
async function logps(of: Run, stage: string, pairs: readonly TokenPair[], side: "chosen" | "rejected"): Promise<number[]> {
  return policyLogps(
    await of.policy(stage),
    pairs.map((pair) => ({ prompt: pair.prompt, completion: pair[side] })),
  );
}

const farthest = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

/** How far the pairs' reference log-probs are from a stage's. */
async function fromReference(of: Run, stage: string, pairs: readonly TokenPair[]): Promise<number> {
  const compared = pairs.map(comparedPart);
  const sides = ["chosen", "rejected"] as const;
  const far = await Promise.all(
    sides.map(async (side) =>
      farthest(
        pairs.map(({ reference }) => reference![side]),
        await logps(of, stage, compared, side),
      ),
    ),
  );
  return Math.max(...far);
}

/** The stages whose policies a result was made with. */
const madeFrom = (of: Run, path: string): string[] => Object.keys(readRecord(of.dir, path)!.identity.from as object);

const perToken = (sums: readonly number[], pairs: readonly TokenPair[]) => mean(sums.map((sum, i) => -sum / pairs[i]!.chosen.length));

test("stage 2 begins with stage 1's policy, which is its reference: log 2 and the winners' NLL at the first step", async () => {
  const { rows, batches } = await preferenceTraining(run);
  expect(await fromReference(run, stages.sft, rows)).toBeLessThan(0.2);
  expect(await fromReference(run, "base", rows)).toBeGreaterThan(1);
  const batch = batches[0]!.map((row) => rows[row]!);
  const [step] = run.metrics(stages.dpo);
  expect(step!["rewards/margins"]).toBeCloseTo(0, 1);
  expect(step!.loss).toBeCloseTo(Math.log(2) + perToken(await logps(run, stages.sft, batch, "chosen"), batch), 1);
});

test("what stage 2 mines, samples and pairs is stage 1's", () => {
  const files = ["mined.json", ...[...stage2Samples, ...stage2AnswerSamples].map((name) => `samples-${name}.jsonl`), "pairs.json"];
  for (const file of files) expect(madeFrom(run, `${stages.dpo}/${file}`), file).toEqual([stages.sft]);
});

test("stage 2 makes winners likelier beside losers than they were", async () => {
  const pairs = (await preferenceTraining(run)).rows.map(comparedPart);
  const ratios = async (side: "chosen" | "rejected") => {
    const [before, after] = [await logps(run, stages.sft, pairs, side), await logps(run, stages.dpo, pairs, side)];
    return mean(after.map((logp, i) => logp - before[i]!));
  };
  expect((await ratios("chosen")) - (await ratios("rejected"))).toBeGreaterThan(0.1);
});

test("rounds go on from what the gate keeps, and the last of that is the result", async () => {
  const branch = await gated("kept", [true, true, false]);
  expect(gates.asked).toEqual([
    [stages.dpo, stages.sft],
    [first, stages.dpo],
    [second, first],
  ]);
  expect([first, second, stages.final].map((stage) => madeFrom(branch, stage))).toEqual([[stages.dpo], [first], [first]]);
  const [samples, pairs] = ["samples-1.jsonl", "pairs.json"].map((file) => [first, second].map((stage) => `${stage}/${file}`));
  for (const files of [samples!, pairs!]) expect(files.map((file) => madeFrom(branch, file))).toEqual([[stages.dpo], [first]]);
  const adapter = (stage: string) => readFileSync(branch.path(stage, "adapter_model.safetensors"));
  expect(adapter(stages.final).equals(adapter(first))).toBe(true);

  // at a round's first step policy and reference are one: the price of length and the winners' NLL are all of the loss
  const { rows, batches } = await roundTraining(branch, 1, stages.dpo);
  expect(await fromReference(branch, stages.dpo, rows)).toBeLessThan(0.2);
  expect(await fromReference(branch, stages.sft, rows)).toBeGreaterThan(0.5);
  const batch = batches[0]!.map((row) => rows[row]!);
  const price = mean(batch.map(({ chosen, rejected }) => Math.log1p(Math.exp(-0.02 * (chosen.length - rejected.length)))));
  const nll = perToken(
    batch.map(({ reference }) => reference!.chosen),
    batch,
  );
  const [step] = branch.metrics(first);
  expect(step!["rewards/margins"]).toBeCloseTo(0, 1);
  expect(step!.loss).toBeCloseTo(price + 3 * nll, 1);
  expect(price).toBeGreaterThan(Math.log(2) + 0.2); // winners are shorter
});

test("where the gate keeps neither stage 2 nor the first round, the second round begins with stage 1 again", async () => {
  const branch = await gated("broken", [false, false, true]);
  expect(gates.asked).toEqual([
    [stages.dpo, stages.sft],
    [first, stages.sft],
    [second, stages.sft],
  ]);
  const adapter = (stage: string) => readFileSync(branch.path(stage, "adapter_model.safetensors"));
  expect(adapter(stages.final).equals(adapter(second))).toBe(true);
});

test("each round has prompts of its own, of both labels alike", async () => {
  const branch = await gated("prompts", [true, true, true]);
  const [one, two] = [first, second].map((stage) => readAppended(branch.path(stage, "samples-1.jsonl")).map(({ id }) => id as string));
  expect(new Set([...one!, ...two!]).size).toBe(4 * moving.stage3.prompts);
  const unsafe = new Set([...run.data.train2, ...run.data.general.train2].filter(({ label }) => label === "unsafe").map(({ id }) => id));
  for (const ids of [one!, two!]) expect(ids.filter((id) => unsafe.has(id))).toHaveLength(moving.stage3.prompts);
});
