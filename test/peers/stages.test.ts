import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readJsonl } from "../../src/data/jsonl.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { stage2 } from "../../src/methods/erpo/stage2.js";
import { stage3 } from "../../src/methods/erpo/stage3.js";
import { roundStage, stages } from "../../src/methods/erpo/stages.js";
import { exportStage } from "../../src/methods/export-stage.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import type { LanguageModel } from "../../src/model/load.js";
import type { Run } from "../../src/runs/run.js";
import { packageRoot } from "../../src/setup/paths.js";
import { fixture } from "../model/open.js";
import { finish, openTiny } from "../runs/tiny-run.js";
import { peer } from "./python-env.js";

/** ERPO's own stages, trained by the real TRL in several processes (gloo): the losses and the adapter that erpo gets. */

const root = mkdtempSync(join(tmpdir(), "erpo-stages-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const erpo = (...words: string[]) => execFileSync(process.execPath, [join(packageRoot(), "src/setup/bootstrap.mjs"), ...words]);
const tested = [stages.sft, stages.dpo, roundStage(1)];
const folderOf = (stage: string) => join(root, stage.replace(/\W/g, "-"));

let model: LanguageModel;

/** A few more steps than the tiny profile has, at rates that move the losses. Trained again in float32: a run is in BF16 where the processor has it. */
beforeAll(async () => {
  const tiny = await openTiny(join(root, "run"));
  const { profile } = tiny;
  model = tiny.model;
  const stage1Sizes = { ...profile.stage1, decisionTokens: 9_000, decisionRate: 1e-2, traceTokens: 14_000, traceRate: 1e-2 };
  const pairSizes = { prompts: 24, rate: 1e-2 };
  const run: Run = {
    ...tiny,
    profile: { ...profile, stage1: stage1Sizes, stage2: pairSizes, stage3: { ...profile.stage3, ...pairSizes, rounds: 1 } },
  };
  await finish(stage1(run));
  await finish(stage2(run));
  await finish(stage3(run));
  for (const stage of tested) {
    const file = await exportStage(run, stage, { output: folderOf(stage), model: fixture("llama-tiny") });
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), precision: "f32" }));
    erpo("train", file);
  }
});

/** All weights of an adapter's folder. */
async function weights(dir: string): Promise<number[]> {
  const lora = await loadAdapter(dir, model.config);
  return lora.variables().flatMap((variable) => [...variable.dataSync()]);
}

const distance = (a: number[], b: number[]) => Math.hypot(...a.map((x, i) => x - b[i]!));

test.each([
  ...tested.flatMap((stage): [string, number][] => [
    [stage, 1],
    [stage, 2],
  ]),
  [roundStage(1), 5], // which share no step evenly
])("%s in %i processes", async (stage, processes) => {
  const file = join(folderOf(stage), "run.json");
  const theirs = join(folderOf(stage), `in-${processes}`);
  erpo("export", "trl", file, "--output", theirs);
  const words = ["--nproc_per_node", String(processes), join(theirs, "train.py")];
  const env = { ...process.env, OMP_NUM_THREADS: "1" };
  execFileSync(peer("torchrun"), words, { stdio: ["ignore", "ignore", "inherit"], env });

  const log = (JSON.parse(readFileSync(join(theirs, "log.json"), "utf8")) as Record<string, number>[]).filter((row) => "loss" in row);
  const ours = readJsonl(join(folderOf(stage), "adapter", "metrics.jsonl")).map(({ value }) => value as Record<string, number>);
  expect(log.length).toBe(ours.length);
  const worst = (key: string) => Math.max(...ours.map((step, i) => Math.abs(log[i]![key]! / step[key]! - 1))).toExponential(1);
  console.log(
    `${stage} in ${processes}: ${ours.length} losses differ by ${worst("loss")} of themselves at most, gradients by ${worst("grad_norm")}`,
  );
  for (const [i, step] of ours.entries()) {
    for (const key of ["loss", "grad_norm", "learning_rate"]) {
      expect(Math.abs(log[i]![key]! - step[key]!), `${key} of step ${i + 1}`).toBeLessThanOrEqual(3e-5 * Math.abs(step[key]!) + 1e-7);
    }
  }
  const start = JSON.parse(readFileSync(file, "utf8")).init_adapter as string;
  const trained = await weights(join(folderOf(stage), "adapter"));
  const way = distance(trained, await weights(start));
  expect(distance(trained, await weights(join(theirs, "adapter")))).toBeLessThan(1e-4 * way);
});
