import { existsSync, readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TokenRow } from "../../src/data/tokens.js";
import type { PromptRow } from "../../src/data/types.js";
import type { LabelledPrompt } from "../../src/exante/rows.js";
import { policy } from "../../src/generation/policy.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { stages } from "../../src/methods/erpo/stages.js";
import { readRecord } from "../../src/runs/claim.js";
import { balancedPrompts, framePairs, inTurns } from "../../src/runs/prompts.js";
import type { Run } from "../../src/runs/run.js";
import { type SampleSpec, sampleKept } from "../../src/runs/samples.js";
import { type Training, trainKept } from "../../src/runs/training.js";
import { sftObjective } from "../../src/training/token-objective.js";
import { finish, openTiny, runsFolder, scriptedRun } from "./tiny-run.js";

const folder = runsFolder();
afterAll(folder.remove);

let real: Run;
beforeAll(async () => {
  real = await openTiny(folder.path("run"));
  await finish(stage1(real));
});

/** The run with a model that answers each prompt with its own words in capitals. */
const scripted = () => scriptedRun(real, (text) => /p\d+/.exec(text)![0].toUpperCase());

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
  expect(existsSync(run.path("samples/cut.jsonl.partial"))).toBe(false);
  expect(readRecord(run.dir, "samples/whole.jsonl")!.identity).not.toHaveProperty("seed"); // nothing was drawn
});

test("each prompt draws numbers of its own, in the second piece too", async () => {
  const same = prompts.map((row) => ({ ...row, prompt: "the same" }));
  const drawn = await sampleKept(real, same, { ...spec("samples/drawn.jsonl"), temperature: 1, answerTokens: 4, thoughtTokens: 4 });
  const texts = drawn.map((ids) => ids.join(" "));
  expect(texts.slice(384).filter((text, i) => text === texts[i])).toEqual([]);
});

test("a training that was killed behind a checkpoint gives each step once, and all of them where it was killed behind the last", async () => {
  const { everySteps, ...usual } = { warmup: 0, floor: 1, maxGradNorm: 1, weightDecay: 0, betas: [0.9, 0.999] as const, everySteps: 2 };
  const training: Training<TokenRow> = {
    ...{ recipe: "test", version: 1, start: { stage: stages.sft }, objective: sftObjective, everySteps },
    rows: [{ prompt: [3, 4], completion: [5, 6] }],
    batches: [[0], [0], [0], [0]],
    optimizer: { ...usual, learningRate: 1e-4 },
  };
  const steps = async (until: number) => {
    const seen: number[] = [];
    for await (const { step } of trainKept(real, "killed", training)) if (seen.push(step) === until) break;
    return seen;
  };
  expect(await steps(3)).toEqual([1, 2, 3]); // behind the checkpoint of step 2
  expect(await steps(9)).toEqual([1, 2, 3, 4]);
  rmSync(real.path("killed", "stage.json"));
  expect(await steps(9)).toEqual([1, 2, 3, 4]);
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

test("pairs are of one frame as far as there are some, come in turns of families, and use every row once", () => {
  const row = (id: string, frame: string | undefined, family: string, label: "safe" | "unsafe") =>
    ({ ...prompts[0]!, id, prompt: id, frame, family, label }) as PromptRow;
  const rows = [
    ...Array.from({ length: 6 }, (_, i) => row(`a${i}`, "a", "verbs", i % 2 ? "safe" : "unsafe")),
    ...Array.from({ length: 4 }, (_, i) => row(`b${i}`, "b", "privacy", i === 0 ? "safe" : "unsafe")),
    row("c0", undefined, "malicious", "unsafe"),
    row("d0", "d", "verbs", "safe"),
  ];
  const { pairs, rest } = framePairs(rows, real.rng("pairs"));
  const framed = pairs.filter(({ frame }) => frame !== null);
  expect(framed.map(({ frame }) => frame).sort()).toEqual(["a", "a", "a", "b"]);
  for (const { frame, safe, unsafe } of framed)
    expect([safe.frame, unsafe.frame, safe.label, unsafe.label]).toEqual([frame, frame, "safe", "unsafe"]);
  expect(pairs.filter(({ frame }) => frame === null)).toHaveLength(1); // d0 with one of b's or c0
  const used = [...pairs.flatMap(({ safe, unsafe }) => [safe.id, unsafe.id]), ...rest.map(({ id }) => id)];
  expect(used.sort()).toEqual(rows.map(({ id }) => id).sort());
  expect(inTurns(["x1", "x2", "y1", "y2"], (item) => item[0]!)).toEqual(["x1", "y1", "x2", "y2"]);
  expect(inTurns(["x1", "y1", "y2", "y3"], (item) => item[0]!)).toEqual(["y1", "x1", "y2", "y3"]); // in the middle of three
});
