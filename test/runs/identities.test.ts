import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AttackRow, noAttack } from "../../src/evaluation/attacks.js";
import { contrast, plain } from "../../src/generation/decoding.js";
import { policy } from "../../src/generation/policy.js";
import { stage2Pairs } from "../../src/methods/erpo/pairs.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { stage2 } from "../../src/methods/erpo/stage2.js";
import { stage3 } from "../../src/methods/erpo/stage3.js";
import { stages } from "../../src/methods/erpo/stages.js";
import { readRecord } from "../../src/runs/claim.js";
import { devAnswers, devScore } from "../../src/runs/dev.js";
import { evaluate, keptPerplexity } from "../../src/runs/evaluate.js";
import type { Run } from "../../src/runs/run.js";
import { finish, openTiny, runsFolder } from "./tiny-run.js";

/** What a result was made from, on a run of the tiny model: each way of asking for another one is named, on stages, pairs, samples and evaluations. */

const folder = runsFolder();
afterAll(folder.remove);

let run: Run;
beforeAll(async () => {
  run = await openTiny(folder.path("run"));
  await finish(stage1(run));
  await finish(stage2(run));
  await finish(evaluate(run, await run.policy(stages.dpo), ["harmful", "general"]));
  await devScore(run, stages.dpo);
});

/** The same run with something about it changed. */
const but = (changes: Partial<Run>): Run => ({ ...run, ...changes });
const forgetAnswers = () => {
  for (const name of ["dev-answers.json", "dev-answers.identity.json"]) rmSync(run.path(stages.sft, name), { force: true });
};
const named = (asked: Promise<unknown>, words: string) => expect(asked).rejects.toThrow(words);

test("asked the same, nothing is computed and the same steps are yielded", async () => {
  const adapter = () => statSync(run.path(stages.dpo, "adapter_model.safetensors")).mtimeMs;
  const before = adapter();
  expect(await finish(stage2(run))).toBe(run.metrics(stages.dpo).length);
  expect(adapter()).toBe(before);
});

test("another beta, NLL weight or level of stage 2 is named", async () => {
  await named(finish(stage2(run, { beta: 0.1 })), "2-dpo was trained with beta 0.5, not 0.1: use a branch");
  await named(finish(stage2(run, { nllWeight: 0.3 })), "2-dpo was trained with nllWeight 1, not 0.3: use a branch");
  await named(stage2Pairs(run, "trace"), "2-dpo/pairs.json was made with level step, not trace: use a branch");
});

test("another alpha or beta of stage 3 is named, and its pairs by their policy", async () => {
  await finish(stage3(run));
  await named(finish(stage3(run, { alpha: 0.5 })), "3-length-controlled/round-1 was trained with alpha 0.02, not 0.5: use");
  await named(finish(stage3(run, { beta: 0.5 })), "3-length-controlled/round-1 was trained with beta 0.1, not 0.5: use");
});

test("another precision, seed, rule set, model, profile value or data row is named", async () => {
  const { device, profile, data } = run;
  await named(finish(stage2(but({ device: { ...device, precision: device.precision === "f32" ? "bf16" : "f32" } }))), "precision");
  const seeded = but({ seed: 2 });
  await named(finish(stage1(seeded)), "1-sft/decision was trained with seed 1, not 2: use");
  await named(stage2Pairs(seeded), "2-dpo/samples-after-wrong-1.jsonl was made with seed 1, not 2: use");
  await named(finish(stage2(but({ rules: { ...run.rules, digest: "0".repeat(64) } }))), "2-dpo was trained with rules");
  const faster = { ...profile, stage2: { ...profile.stage2, rate: 1 } };
  await named(finish(stage2(but({ profile: faster }))), "2-dpo was trained with learningRate 0.0001, not 1: use");
  const otherRow = but({ data: { ...data, train1: data.train1.map((row) => ({ ...row, prompt: row.prompt.replace(/.$/, "!") })) } }); // as long as before
  await named(finish(stage1(otherRow)), "1-sft/decision was trained with rows of SHA-256");
  await named(finish(stage1(but({ model: { ...run.model, digest: "another" } }))), "1-sft/decision was trained with model");
});

test("an evaluation is held to its policy, its prompts, its judge and its lengths", async () => {
  const asked = await run.policy(stages.dpo);
  const named2 = (changed: Parameters<typeof evaluate>[1], words: string) => named(finish(evaluate(run, changed, ["harmful"])), words);
  await named2({ ...asked, asking: { system: "Be careful." } }, `evaluation/2-dpo/harmful.json was made with system none, not Be careful.`);
  await named2({ ...asked, decoding: plain({ temperature: 1 }) }, "with temperature 0, not 1");
  await named2({ ...asked, decoding: contrast({ against: "Be rude.", alpha: 0.3 }) }, "against");
  await named2({ ...(await run.policy(stages.sft)), name: stages.dpo }, "harmful.json was made from 2-dpo, not from 1-sft");
  const rows = run.data.advbench.test.slice(0, 4);
  const trial = { name: "harmful", title: "t", rows };
  await named(finish(evaluate(run, asked, [{ ...trial, rows: rows.slice(1) }])), "was made with prompts of");
  const shout = { name: "shout", ask: (row: AttackRow, i: number) => noAttack.ask({ ...row, prompt: row.prompt.toUpperCase() }, i) };
  await named(finish(evaluate(run, asked, [{ ...trial, attack: shout }])), "was made with attack none, not shout");
  const judge = { name: "all comply", settings: {}, judge: (answers: readonly unknown[]) => answers.map(() => "compliance" as const) };
  await named(
    finish(evaluate(run, asked, [{ ...trial, judge }])),
    "was made with name refusal phrases and safe completions, not all comply, and with another version",
  );
  await named(finish(evaluate(run, asked, [{ ...trial, answerTokens: 99 }])), "with answerTokens 8, not 99");
});

test("judged answers to prompts of one's own are held to all of their rows", async () => {
  const asked = (change: object) => {
    const dev = run.data.general.dev.map((row) => ({ ...row, source: "own general", ...change }));
    return devAnswers(but({ data: { ...run.data, general: { ...run.data.general, dev } } }), stages.sft);
  };
  forgetAnswers();
  await asked({});
  await asked({});
  await named(asked({ expect: ["another"] }), "1-sft/dev-answers.json was made with prompts of SHA-256");
  await named(asked({ category: "R2" }), "1-sft/dev-answers.json was made with prompts of SHA-256");
});

test("what is drawn is held to the seed", async () => {
  const drawn = { ...(await run.policy(stages.sft)), name: "drawn", decoding: plain({ temperature: 1 }) };
  const seeded = (seed: number) => but({ seed, policy: async () => drawn });
  await keptPerplexity(run, drawn);
  await named(keptPerplexity(seeded(2), drawn), "evaluation/drawn/perplexity.json was made with seed 1, not 2");
  forgetAnswers();
  await devAnswers(seeded(1), stages.sft);
  await named(devAnswers(seeded(2), stages.sft), "1-sft/dev-answers.json was made with seed 1, not 2");
});

test("nothing else changes an identity: another folder, another log, the model under another name", async () => {
  const other = await openTiny(folder.path("elsewhere"), { model: { ...run.model, name: "renamed" }, log: () => {} });
  await finish(stage1(other));
  await finish(stage2(other));
  for (const path of [stages.decision, stages.sft, stages.dpo, "2-dpo/pairs.json", "2-dpo/samples-after-wrong-1.jsonl"])
    expect(readRecord(other.dir, path)?.digest, path).toBe(readRecord(run.dir, path)!.digest);
});

test("a branch shares stage 1 and its pairs, and trains another beta to another adapter", async () => {
  const branch = await run.branch(folder.path("beta-0.1"), { after: stages.sft });
  expect(branch.parents).toEqual([run.dir]);
  const inode = (r: Run, ...path: string[]) => statSync(r.path(...path)).ino;
  expect(inode(branch, "1-sft/adapter_model.safetensors")).toBe(inode(run, "1-sft/adapter_model.safetensors"));
  await finish(stage2(branch, { beta: 0.1 }));
  expect(inode(branch, "2-dpo/pairs.json")).toBe(inode(run, "2-dpo/pairs.json"));
  const adapter = (r: Run) => readFileSync(r.path("2-dpo/adapter_model.safetensors"));
  expect(adapter(branch).equals(adapter(run))).toBe(false);
  await named(run.branch(folder.path("none"), { after: "4-more" }), "is not there");
  expect(() => run.policy("stage2")).toThrow("stage2: is not there: train or compute it first; there is: 1-sft/decision, 1-sft, 2-dpo");
});

test("a branch with another seed goes on from the stage that it begins with, and keeps that as it is", async () => {
  const seeded = await run.branch(folder.path("seed-2"), { after: stages.sft, seed: 2 });
  await finish(stage2(seeded));
  const adapter = (r: Run, stage: string) => readFileSync(r.path(stage, "adapter_model.safetensors"));
  expect(adapter(seeded, stages.sft).equals(adapter(run, stages.sft))).toBe(true);
  expect(adapter(seeded, stages.dpo).equals(adapter(run, stages.dpo))).toBe(false);
  await named(finish(stage1(seeded)), "1-sft/decision was trained with seed 1, not 2");
  const trained = await run.branch(folder.path("own-stage-1"), { seed: 2 });
  await finish(stage1(trained));
  await named(run.branch(trained.dir, { after: stages.sft, seed: 2 }), "1-sft was trained with seed 2, not 1");
});

test("a stage that was trained again makes what stands on it stale: it is refused, and evaluated under its own name only", async () => {
  const dir = folder.path("again");
  const again = await openTiny(dir);
  await finish(stage1(again));
  await finish(stage2(again));
  await keptPerplexity(again, await again.policy(stages.dpo));
  const rate = { ...again.profile, stage1: { ...again.profile.stage1, traceRate: 2e-3 } };
  await named(finish(stage1({ ...again, profile: rate })), "1-sft was trained with learningRate 0.001, not 0.002: use");
  rmSync(again.path("1-sft"), { recursive: true }); // the second way out
  const other = { ...again, profile: rate };
  await finish(stage1(other));
  await named(again.adapter(stages.dpo), "2-dpo is stale: 1-sft is another one than it was made from");
  await named(finish(stage2(other)), "2-dpo/mined.json was made with ");
});

test("another scale of a stage's adapter makes what stands on it stale; another name of its base model does not", async () => {
  const config = run.path(stages.sft, "adapter_config.json");
  const before = readFileSync(config, "utf8");
  const edit = (fields: object) => writeFileSync(config, JSON.stringify({ ...JSON.parse(before), ...fields }));
  edit({ base_model_name_or_path: "elsewhere" });
  await finish(stage2(run));
  edit({ lora_alpha: 400 });
  expect(() => run.policy(stages.dpo)).toThrow("2-dpo is stale: 1-sft is another one than it was made from");
  writeFileSync(config, before);
  await finish(stage2(run));
});

test("what stands on a stale stage is stale, and both are named", async () => {
  const config = run.path(stages.decision, "adapter_config.json");
  const before = readFileSync(config, "utf8");
  writeFileSync(config, JSON.stringify({ ...JSON.parse(before), lora_alpha: 400 }));
  expect(() => run.policy(stages.dpo)).toThrow(
    "2-dpo is stale: 1-sft, which it was made from, is stale: 1-sft/decision is another one than it was made from",
  );
  writeFileSync(config, before);
  await finish(stage2(run));
});

test("an old run's results are read as far as they are noted, else named as too old", async () => {
  const old = await openTiny(folder.path("old"));
  writeFileSync(old.path("note"), "");
  await finish(stage1(old));
  rmSync(old.path("1-sft/identity.json"));
  await named(finish(stage1(old)), "1-sft: was kept by a version of erpo that did not note what it was made from: use a branch");
  expect(policy({ model: old.model }).name).toBe(old.model.name);
});
