import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LabelledPrompt } from "../../src/exante/rows.js";
import { policy } from "../../src/generation/policy.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { stages } from "../../src/methods/erpo/stages.js";
import { balancedPrompts, withAnswers } from "../../src/runs/prompts.js";
import type { Run } from "../../src/runs/run.js";
import { type SampleSpec, sampleKept } from "../../src/runs/samples.js";
import { scriptedModel } from "../evaluation/scripted.js";
import { finish, openTiny, runsFolder } from "./tiny-run.js";

const folder = runsFolder();
afterAll(folder.remove);

let real: Run;
beforeAll(async () => {
  real = await openTiny(folder.path("run"));
  await finish(stage1(real));
});

/** The run with a model that answers each prompt with its own words in capitals. */
function scripted(): { run: Run; asked: () => number } {
  const { model, asked } = scriptedModel(real.model, (text) => /p\d+/.exec(text)![0].toUpperCase());
  return { run: { ...real, model, policy: async () => policy({ model }) }, asked };
}

const prompts = Array.from({ length: 400 }, (_, i): LabelledPrompt => {
  const base = { family: "f", category: "none", source: "test", split: "train2", label: "safe" } as const;
  return { ...base, id: `p${i}`, prompt: `p${i}`, sense: "s", target: "t" };
});

const spec = (path: string, signal?: AbortSignal): SampleSpec => ({
  ...{ path, stage: stages.sft, start: () => "", temperature: 0, answerTokens: 9, thoughtTokens: 9, signal },
});

test("samples are kept in whole pieces: what an interruption leaves is not sampled again, and the result is the same", async () => {
  const { run, asked } = scripted();
  const whole = await sampleKept(run, prompts, spec("samples/whole.jsonl"));
  expect(whole.map((ids) => run.model.tokenizer.decode(ids))).toEqual(prompts.map(({ id }) => id.toUpperCase()));
  expect(asked()).toBe(400);

  const abort = new AbortController();
  const { model } = run;
  const stopped: Run = {
    ...run,
    policy: async () =>
      policy({
        model: Object.create(model, {
          decoder: {
            value: Object.create(model.decoder, {
              prefill: {
                value: (...args: Parameters<typeof model.decoder.prefill>) => {
                  if (asked() >= 400 + 384) abort.abort(new Error("killed"));
                  return model.decoder.prefill(...args);
                },
              },
            }),
          },
        }),
      }),
  };
  await expect(sampleKept(stopped, prompts, spec("samples/cut.jsonl", abort.signal))).rejects.toThrow("killed");
  const before = asked();
  expect(await sampleKept(run, prompts, spec("samples/cut.jsonl"))).toEqual(whole);
  expect(asked() - before).toBe(16); // the second piece alone
  expect(readFileSync(run.path("samples/cut.jsonl"), "utf8")).toBe(readFileSync(run.path("samples/whole.jsonl"), "utf8"));
});

test("samples of other prompts, beginnings or lengths are refused", async () => {
  const { run } = scripted();
  const few = prompts.slice(0, 4);
  await sampleKept(run, few, spec("samples/few.jsonl"));
  await expect(sampleKept(run, few.slice(1), spec("samples/few.jsonl"))).rejects.toThrow(
    "samples/few.jsonl was made with prompts of SHA-256",
  );
  const begun = { ...spec("samples/few.jsonl"), start: () => "<assess>" };
  await expect(sampleKept(run, few, begun)).rejects.toThrow("samples/few.jsonl was made with starts of SHA-256");
  await expect(sampleKept(run, few, { ...spec("samples/few.jsonl"), answerTokens: 5 })).rejects.toThrow("with answerTokens 9, not 5");
});

test("prompts come in turns of both labels, as many as there are pairs of", () => {
  const rows = [...prompts.slice(0, 5), ...prompts.slice(5, 8).map((row) => ({ ...row, label: "unsafe" as const }))];
  const turns = balancedPrompts(rows, real.rng("turns"));
  expect(turns.map(({ label }) => label)).toEqual(["safe", "unsafe", "safe", "unsafe", "safe", "unsafe"]);
  expect(new Set(turns.map(({ id }) => id)).size).toBe(6);
  expect(() => balancedPrompts([{ ...rows[0]!, sense: undefined }, rows[5]!], real.rng("turns"))).toThrow(
    "prompt p0 has no sense and target",
  );
});

test("reference answers are the base model's own words, without apologies, and asked once", async () => {
  const says: Record<string, string> = { p1: "Open the lid.", p2: "I'm sorry, but I can't.", p3: "As a language model I say." };
  const { model, asked } = scriptedModel(real.model, says);
  const run = { ...real, model };
  const few = prompts.slice(1, 4);
  const answered = await withAnswers(run, "test", few);
  expect(answered.map(({ answer }) => answer?.text)).toEqual(["Open the lid.", undefined, undefined]);
  await withAnswers(run, "test", few);
  expect(asked()).toBe(3);
  await expect(withAnswers(run, "test", few.slice(1))).rejects.toThrow("data/answers-test.json was made with prompts of SHA-256");
});
