import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PreferenceRow, PromptCompletionRow, UnpairedRow } from "../../src/data/preferences.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import type { Lora } from "../../src/model/lora.js";
import { dpo } from "../../src/objectives/dpo.js";
import { ipo } from "../../src/objectives/ipo.js";
import { lengthDesensitized } from "../../src/objectives/ld-dpo.js";
import { tokenNll } from "../../src/objectives/nll.js";
import { weightedLosses } from "../../src/objectives/weighted.js";
import { sequential } from "../../src/training/batches.js";
import { train } from "../../src/training/loop.js";
import type { StepMetrics } from "../../src/training/metrics.js";
import type { TrainOptions } from "../../src/training/options.js";
import { pairObjective } from "../../src/training/pair-objective.js";
import { referenceLogps } from "../../src/training/preference.js";
import { tokenizePairs, tokenizeRows, tokenizeUnpaired } from "../../src/training/rows.js";
import { constant, cosine, linear } from "../../src/training/schedule.js";
import { trainSft } from "../../src/training/sft.js";
import { ktoObjective, mismatch } from "../../src/training/unpaired-objective.js";
import trl from "../fixtures/trl-run.json" with { type: "json" }; // made by test/fixtures/trl_run.py
import { fixture } from "../model/open.js";

// cli.test.ts has all runs, by their RUN.json; here is the library's way to those without epochs and held-out rows.

const runs = trl.runs.filter((run) => !run.eval_rows);
type Run = (typeof runs)[number];
const schedules = { cosine, linear, constant };

let model: LanguageModel;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
});
afterAll(() => model.dispose());

const rowsOf = ({ rows, max_length }: Run) => tokenizeRows(model, rows as PromptCompletionRow[], { maxLength: max_length }).rows;
const pairsOf = ({ rows, max_length }: Run) => tokenizePairs(model, rows as PreferenceRow[], { maxLength: max_length }).rows;
const unpairedOf = ({ rows, max_length }: Run) => tokenizeUnpaired(model, rows as UnpairedRow[], { maxLength: max_length }).rows;

test.each(runs)("token ids: $name", (run) => {
  if (run.method === "sft") {
    const ours = rowsOf(run).map(({ prompt, completion }) => ({ ids: [...prompt, ...completion], completion_from: prompt.length }));
    expect(ours).toEqual(run.tokens);
  } else if (run.method === "kto") {
    expect(unpairedOf(run).map(({ prompt, completion }) => ({ prompt, completion }))).toEqual(run.tokens);
  } else {
    const cut = (tokens: { prompt: number[]; chosen: number[]; rejected: number[] }) => {
      const left = run.max_length - tokens.prompt.length; // TRL cuts when it collates
      return { ...tokens, chosen: tokens.chosen.slice(0, left), rejected: tokens.rejected.slice(0, left) };
    };
    expect(pairsOf(run)).toEqual((run.tokens as { prompt: number[]; chosen: number[]; rejected: number[] }[]).map(cut));
  }
});

/** A run's steps. */
async function steps(run: Run, lora: Lora, options: (rows: number) => TrainOptions): Promise<AsyncGenerator<StepMetrics>> {
  const reference = run.reference === "base" ? null : lora;
  const { beta, more } = run;
  if (run.method === "sft") {
    const rows = rowsOf(run);
    return trainSft(model, rows, options(rows.length));
  }
  if (run.method === "kto") {
    const rows = await referenceLogps(model, mismatch(unpairedOf(run), run.batch_size), reference);
    const weights = { desirableWeight: more!.desirable_weight!, undesirableWeight: more!.undesirable_weight! };
    return train(model, rows, ktoObjective({ beta: beta!, ...weights }), options(rows.length));
  }
  const bare = more?.ld_alpha === undefined ? pairsOf(run) : lengthDesensitized(pairsOf(run), more.ld_alpha);
  const pairs = await referenceLogps(model, bare, reference, { batchSize: 3 });
  const objective = pairObjective({
    name: String(run.loss_type),
    settings: { beta: beta! },
    loss: ({ policy, reference, lengths, unweighted }, { beta }) => {
      if (run.loss_type === "ipo") return ipo(policy, reference, lengths, beta);
      const first = dpo(policy, reference, beta);
      if (run.loss_type === "sigmoid") return first;
      return weightedLosses([first, { ...first, loss: tokenNll(unweighted, lengths) }], more!.loss_weights!);
    },
  });
  return train(model, pairs, objective, options(pairs.length));
}

describe.each(runs)("five steps: $name", (run) => {
  // TRL's KL and its mean over winners' tokens are those of a micro-batch
  test.each(run.more ? [run.batch_size] : [undefined, 1])("micro-batches of %s", async (microBatch) => {
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
    const ours: StepMetrics[] = [];
    for await (const step of await steps(run, lora, options)) ours.push(step);
    expect(ours.length).toBe(run.steps.length);
    for (const [i, expected] of run.steps.entries()) {
      for (const [key, value] of Object.entries(expected)) {
        const own = ours[i]![key as keyof StepMetrics] as number;
        expect(Math.abs(own - value), `step ${i + 1}, ${key}: ${own} against ${value}`).toBeLessThan(2e-5 + 1e-4 * Math.abs(value));
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
