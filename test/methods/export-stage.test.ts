import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answersOnly, stage1 } from "../../src/methods/erpo/stage1.js";
import { stage2 } from "../../src/methods/erpo/stage2.js";
import { stage3 } from "../../src/methods/erpo/stage3.js";
import { roundStage, stages } from "../../src/methods/erpo/stages.js";
import { keptTraining } from "../../src/methods/export-stage.js";
import { naiveSft, naiveStage } from "../../src/methods/naive-sft.js";
import { exportTraining } from "../../src/runs/export-training.js";
import type { Run } from "../../src/runs/run.js";
import { packageRoot } from "../../src/setup/paths.js";
import { runTraining } from "../../src/training/run.js";
import { readRunConfig } from "../../src/training/run-config.js";
import { fixture } from "../model/open.js";
import { finish, openTiny, runsFolder } from "../runs/tiny-run.js";

/** Stages of a run as RUN.jsons: what they train is the stage again, bit for bit. */

const folder = runsFolder();
afterAll(folder.remove);
const options = { beta: 0.3, nllWeight: 0.5, level: "step" } as const; // other settings than by default
let run: Run;
beforeAll(async () => {
  run = await openTiny(folder.path("run"));
  await finish(stage1(run));
  await finish(answersOnly(run));
  await finish(naiveSft(run));
  await finish(stage2(run, options));
  await finish(stage3(run, { ...options, alpha: 0.07 }));
});

const numbers = (steps: Iterable<object>) =>
  [...steps].map((step) => {
    const { step_seconds, tokens_per_second, peak_rss_bytes, ...others } = step as Record<string, number>;
    return others;
  });

test.each([stages.decision, stages.sft, stages.baselineDecision, stages.baseline, naiveStage, stages.dpo, roundStage(1), roundStage(2)])(
  "%s",
  async (stage) => {
    const then = await keptTraining(run, stage);
    const output = folder.path(`exported-${stage.replace(/\W/g, "-")}`);
    const file = await exportTraining(then.run, then.training, { output, model: fixture("llama-tiny") });
    const steps: object[] = [];
    for await (const step of runTraining(readRunConfig(file), run.model, { log: () => {} })) steps.push(step);
    expect(steps.length).toBeGreaterThan(0);
    expect(numbers(steps)).toEqual(numbers(run.metrics(stage)));
    const adapter = (...path: string[]) => readFileSync(join(...path, "adapter_model.safetensors"));
    expect(adapter(output, "adapter").equals(adapter(run.dir, stage))).toBe(true);
  },
);

test("the command line writes the same, and names in a line what is not there", () => {
  const erpo = (stage: string, output: string) => {
    const words = [join(packageRoot(), "src/setup/bootstrap.mjs"), "export", "stage", run.dir, stage, "--output", output];
    return spawnSync(process.execPath, [...words, "--model", fixture("llama-tiny")], { encoding: "utf8" });
  };
  const [ours, theirs] = [folder.path("exported-1-sft-decision"), folder.path("command-line")];
  const { status, stdout, stderr } = erpo(`${stages.decision}/`, theirs);
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toBe(`${theirs}/run.json: erpo train ${theirs}/run.json, or erpo export trl ${theirs}/run.json\n`);
  for (const file of ["rows.jsonl", "batches.json", "init_adapter/adapter_model.safetensors"])
    expect(readFileSync(join(theirs, file)).equals(readFileSync(join(ours, file))), file).toBe(true);
  expect(readFileSync(join(theirs, "run.json"), "utf8")).toBe(readFileSync(join(ours, "run.json"), "utf8").replaceAll(ours, theirs));
  const words = [join(packageRoot(), "src/setup/bootstrap.mjs"), "export", "stage", run.dir, stages.sft, "--output", theirs];
  const nameless = spawnSync(process.execPath, words, { encoding: "utf8" });
  expect([nameless.status, nameless.stderr]).toEqual([
    1,
    expect.stringMatching(/^erpo: llama-tiny: no such file .*; .* was made with it: where it was a path, name that \(--model, .*\)\n$/),
  ]);
  const missing = erpo("4-more", theirs);
  expect([missing.status, missing.stderr]).toEqual([
    1,
    expect.stringMatching(/^erpo: .*4-more: is not there; there is: 1-sft\/decision, 1-sft, 2-dpo, .*3-length-controlled\/round-1/),
  ]);
});

test("a stage that is none, is not there, or would be trained otherwise today is named", async () => {
  const named = (stage: string, words: string, changed = run) => expect(keptTraining(changed, stage)).rejects.toThrow(words);
  await named("4-more", "4-more: is not there; there is: 1-sft/decision, 1-sft, 2-dpo, ");
  await named(stages.final, "3-length-controlled is the adapter of ");
  const faster = { ...run, profile: { ...run.profile, stage2: { ...run.profile.stage2, rate: 1 } } };
  await named(stages.dpo, "2-dpo was trained with learningRate 0.0001, not 1", faster);
});

test("an objective that no RUN.json has is refused, and rows with targets", async () => {
  const { training } = await keptTraining(run, stages.sft);
  const to = { output: folder.path("none") };
  const focal = { ...training, objective: { ...training.objective, name: "focal" } } as typeof training;
  await expect(exportTraining(run, focal, to)).rejects.toThrow('ERPO, traces: a RUN.json has no objective "focal"');
  const row = { prompt: [1], completion: [2], targets: [3] };
  await expect(exportTraining(run, { ...training, rows: [row] } as typeof training, to)).rejects.toThrow("a row has targets");
});
