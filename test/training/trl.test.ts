import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TokenPair } from "../../src/data/tokens.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { dpo } from "../../src/objectives/dpo.js";
import { ipo } from "../../src/objectives/ipo.js";
import type { PreferenceObjective } from "../../src/objectives/types.js";
import { sequential } from "../../src/training/batches.js";
import type { StepMetrics } from "../../src/training/metrics.js";
import { referenceLogps, trainPreference } from "../../src/training/preference.js";
import { constant, cosine, linear } from "../../src/training/schedule.js";
import { trainSft } from "../../src/training/sft.js";
import { keepStart, type Text, tokenizeCompletions } from "../../src/training/tokenize.js";
import trl from "../fixtures/trl-run.json" with { type: "json" }; // made by test/fixtures/trl_run.py
import { fixture } from "../model/open.js";

type Run = (typeof trl.runs)[number];
const schedules = { cosine, linear, constant };

let model: LanguageModel;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
});
afterAll(() => model.dispose());

const rowsOf = ({ rows, max_length }: Run) =>
  rows.flatMap((row) => {
    const { prompt, completions } = tokenizeCompletions(model.tokenizer, row.prompt as Text, [row.completion as Text]);
    return keepStart({ prompt, completion: completions[0]! }, max_length) ?? [];
  });

const pairsOf = ({ rows, max_length }: Run): TokenPair[] =>
  rows.flatMap((row) => {
    const { prompt, completions } = tokenizeCompletions(model.tokenizer, row.prompt as Text, [row.chosen as Text, row.rejected as Text]);
    const [chosen, rejected] = completions.map((completion) => keepStart({ prompt, completion }, max_length)?.completion);
    return chosen && rejected ? [{ prompt, chosen, rejected }] : [];
  });

test.each(trl.runs)("token ids: $name", (run) => {
  if (run.method === "sft") {
    const ours = rowsOf(run as Run).map(({ prompt, completion }) => ({ ids: [...prompt, ...completion], completion_from: prompt.length }));
    expect(ours).toEqual(run.tokens);
  } else {
    const cut = (tokens: { prompt: number[]; chosen: number[]; rejected: number[] }) => {
      const left = run.max_length - tokens.prompt.length; // TRL cuts when it collates
      return { ...tokens, chosen: tokens.chosen.slice(0, left), rejected: tokens.rejected.slice(0, left) };
    };
    expect(pairsOf(run as Run)).toEqual((run.tokens as { prompt: number[]; chosen: number[]; rejected: number[] }[]).map(cut));
  }
});

describe.each(trl.runs)("five steps: $name", (run) => {
  test.each([undefined, 1])("micro-batches of %s", async (microBatch) => {
    const lora = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
    const { learning_rate, weight_decay, max_grad_norm, max_steps } = run.options;
    const warmup = run.lr_scheduler_type === "constant" ? 0 : run.warmup_ratio;
    const options = (rows: number) => ({
      lora,
      batches: sequential(rows, run.batch_size * run.gradient_accumulation_steps, max_steps),
      microBatch,
      learningRate: learning_rate,
      schedule: schedules[run.lr_scheduler_type as keyof typeof schedules]({ warmup }),
      maxGradNorm: max_grad_norm,
      weightDecay: weight_decay,
    });
    const steps: StepMetrics[] = [];
    if (run.method === "sft") {
      const rows = rowsOf(run as Run);
      for await (const step of trainSft(model, rows, options(rows.length))) steps.push(step);
    } else {
      const pairs = await referenceLogps(model, pairsOf(run as Run), run.reference === "base" ? null : lora, { batchSize: 3 });
      const objective: PreferenceObjective =
        run.loss_type === "ipo" ? (p, r, n) => ipo(p, r, n, run.beta!) : (p, r) => dpo(p, r, run.beta!);
      for await (const step of trainPreference(model, pairs, objective, options(pairs.length))) steps.push(step);
    }
    expect(steps.length).toBe(run.steps.length);
    for (const [i, expected] of run.steps.entries()) {
      for (const [key, value] of Object.entries(expected)) {
        const ours = steps[i]![key as keyof StepMetrics] as number;
        expect(Math.abs(ours - value), `step ${i + 1}, ${key}: ${ours} against ${value}`).toBeLessThan(2e-5 + 1e-4 * Math.abs(value));
      }
    }
    const names = lora.names();
    for (const [name, values] of Object.entries(run.adapter)) {
      const ours = lora.variables()[names.indexOf(name)]!.dataSync();
      for (const [k, value] of values.entries()) expect(Math.abs(ours[k]! - value), `${name}[${k}]`).toBeLessThan(2e-4);
    }
    lora.dispose();
  });
});
