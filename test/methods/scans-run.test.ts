import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { promptIds } from "../../src/exante/rows.js";
import { type Policy, policyIdentity } from "../../src/generation/policy.js";
import { sample } from "../../src/generation/sample.js";
import * as scans from "../../src/methods/scans.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { savePolicy } from "../../src/runs/policy-folder.js";
import { profile } from "../../src/runs/profile.js";
import type { Run } from "../../src/runs/run.js";
import { fixture } from "../model/open.js";
import { openTiny, runsFolder } from "../runs/tiny-run.js";

/** A run of the tiny model. */

const whole = (ids: number[]) => ({ ids, instruction: ids.length });

async function answers(asked: Policy): Promise<number[][]> {
  const prompts = ["How do I get a stain out of a shirt?", "Hello", "What is a prime number?"].map((content) => ({
    messages: [{ role: "user" as const, content }],
  }));
  const rows: number[][] = [];
  for await (const { index, ids } of sample(asked, prompts, { maxNewTokens: 6, batchSize: 3, rng: createRng(1) })) rows[index] = ids;
  return rows;
}

const folder = runsFolder();
afterAll(folder.remove);
let run: Run;
let untouched: Policy;
beforeAll(async () => {
  run = await openTiny(folder.path("run"));
  untouched = await run.policy("base");
}, 120_000);

test("anchors are of train1, as many of each kind, other ones at each draw and the same ones when asked again", () => {
  const ids = (of: scans.Anchors) => [...of.harmful, ...of.benign].map(({ id }) => id);
  const first = scans.anchors(run);
  const train = new Set([...run.data.train1, ...run.data.general.train1].map(({ id }) => id));
  expect(ids(first).filter((id) => !train.has(id))).toEqual([]);
  expect([first.harmful, first.benign].map((rows) => rows.map(({ label }) => label))).toEqual([
    Array(4).fill("unsafe"),
    Array(4).fill("safe"),
  ]);
  expect(ids(scans.anchors(run))).toEqual(ids(first));
  expect(ids(scans.anchors(run, 2))).not.toEqual(ids(first));
  expect(scans.anchorCount(profile("quick"))).toBe(64);
});

test("the threshold is dev's, and readings are those of the classifier; asked again nothing is computed", async () => {
  const made = await scans.scansOf(run, untouched, [1]);
  const rows = scans.thresholdPrompts(run);
  expect(made.dev.rows.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
  const prompts = rows.map(({ prompt }) => whole(promptIds(prompt, run.model.tokenizer)));
  for (const [i, score] of (await scans.promptScores(untouched, prompts, made)).entries())
    expect(score).toBeCloseTo(made.dev.rows[i]!.cosines[1]!, 5);
  expect(made.threshold).toEqual(scans.bestThreshold(scans.scoresOf(made.dev.rows, ({ cosines }) => cosines[1]!)));
  const file = run.path("methods/scans/base/draw-1/readings-dev.json");
  const { mtimeMs } = statSync(file);
  expect(await scans.scansOf(run, untouched, [1])).toEqual(made);
  expect(statSync(file).mtimeMs).toBe(mtimeMs);
});

test("a stage has directions of its own, and is steered with its adapter", async () => {
  const adapter = await loadAdapter(fixture("llama-tiny-adapter"), run.model.config);
  const stage: Policy = { ...untouched, name: "stage", adapter };
  const [own, other] = [await scans.scansOf(run, stage, [1]), await scans.scansOf(run, untouched, [1])];
  expect(own.digest).not.toBe(other.digest);
  const asked = scans.policyOf(stage, own, 0.5);
  expect(asked).toMatchObject({ name: "scans-stage-0.5", adapter });
  const tokens = await Promise.all([stage, asked, scans.policyOf(untouched, other, 0.5)].map((of) => answers(of)));
  expect(new Set(tokens.map((of) => JSON.stringify(of))).size).toBe(3);
  adapter.dispose();
});

test("strength 0 is the policy itself, names tell the others apart", async () => {
  const made = await scans.scansOf(run, untouched, [1]);
  for (const push of scans.pushes) expect(scans.policyOf(untouched, made, 0, push)).toBe(untouched);
  const names = scans.pushes.map((push) => scans.policyOf(untouched, made, 0.1, push).name);
  expect(names).toEqual(["scans-base-0.1", "scans-base-towards-0.1", "scans-base-away-0.1"]);
});

test("a stored policy answers as before; with other directions beside it is refused", async () => {
  const made = await scans.scansOf(run, untouched, [0, 1]);
  const asked = scans.policyOf(untouched, made, 0.5, "away from refusal");
  const dir = run.path("methods/scans", asked.name);
  await scans.saveSteered(dir, asked, made);
  const loaded = await scans.loadSteered(dir, run.model);
  expect(await policyIdentity(loaded)).toEqual(await policyIdentity(asked));
  expect(await answers(loaded)).toEqual(await answers(asked));
  const file = join(dir, "directions.json");
  const content = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...content, norms: [1, 1] }));
  await expect(scans.loadSteered(dir, run.model)).rejects.toThrow("other directions than the policy was saved with");
  await savePolicy(dir, untouched);
  await expect(scans.loadSteered(dir, run.model)).rejects.toThrow("decoding.settings: no policy of SCANS");
});

test("layers are scored once, on prompts of train2", async () => {
  const scores = await scans.keptLayerScores(run, untouched);
  expect(scores.map(({ layer }) => layer)).toEqual([0]);
  expect(scores.every(({ kl }) => kl > 0)).toBe(true);
  expect(await scans.keptLayerScores(run, untouched)).toEqual(scores);
});
