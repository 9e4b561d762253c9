import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { z } from "zod";
import { formatJsonl } from "../data/jsonl.js";
import { pairToColumns, rowToColumns } from "../data/token-rows.js";
import type { TokenPair, TokenRow } from "../data/tokens.js";
import { saveAdapter } from "../model/adapter-io.js";
import { writeAtomic, writeJson } from "../setup/atomic.js";
import { TrainingError } from "../training/errors.js";
import { parseRunConfig, type runConfigSchema } from "../training/run-config.js";
import type { Run } from "./run.js";
import { startAdapter, type Training } from "./training.js";

type Fields = z.input<typeof runConfigSchema>;

/** Settings of the objectives that a RUN.json has a method for, as ERPO's stages name them. */
interface PairSettings {
  beta: number;
  nllWeight: number;
  alpha?: number;
}

/**
 * Writes a stage's training as a RUN.json: rows.jsonl has its rows as token ids with their weights or reference log-probs, batches.json the rows of each step, and
 * init_adapter/ a fresh adapter as it was drawn. `erpo train` then trains what `trainKept` does. Its paths are absolute.
 *
 * @param options.output folder; what its run.json trains goes to its adapter/
 * @param options.model what loads the run's model; default: its name
 * @returns the RUN.json's path
 * @throws TrainingError for an objective that no RUN.json has; DataError for rows that have no columns
 */
export async function exportTraining(
  run: Run,
  training: Training<TokenRow> | Training<TokenPair>,
  { output, model = run.model.name }: { output: string; model?: string },
): Promise<string> {
  const { start, rows, batches, optimizer, everySteps } = training;
  const path = (name: string) => resolve(output, name);
  const fields: Fields = {
    ...methodFields(training),
    model: existsSync(model) ? resolve(model) : model,
    init_adapter: "stage" in start ? resolve(run.path(start.stage)) : path("init_adapter"),
    data: path("rows.jsonl"),
    batches: path("batches.json"),
    output_dir: path("adapter"),
    seed: run.seed,
    batch_size: Math.max(...batches.map((batch) => batch.length)),
    learning_rate: optimizer.learningRate,
    warmup_ratio: optimizer.warmup,
    lr_scheduler_type: "cosine_with_min_lr",
    lr_scheduler_kwargs: { min_lr_rate: optimizer.floor },
    weight_decay: optimizer.weightDecay,
    adam_beta1: optimizer.betas[0],
    adam_beta2: optimizer.betas[1],
    max_grad_norm: optimizer.maxGradNorm,
    max_length: null,
    precision: run.device.precision,
    save_steps: everySteps,
  };
  const file = path("run.json");
  parseRunConfig(fields, file);
  const columns = rows.map((row) => ("chosen" in row ? pairToColumns(row) : rowToColumns(row)));
  if ("stream" in start) {
    const lora = await startAdapter(run, training);
    try {
      await saveAdapter(path("init_adapter"), lora, run.model.name);
    } finally {
      lora.dispose();
    }
  }
  writeAtomic(path("rows.jsonl"), [formatJsonl(columns)]);
  writeAtomic(path("batches.json"), [`${JSON.stringify(batches)}\n`]);
  writeJson(file, fields);
  return join(output, "run.json");
}

function methodFields({
  recipe,
  objective: { name, settings },
}: Training<TokenRow> | Training<TokenPair>): Pick<Fields, "method"> & Partial<Fields> {
  const { beta, nllWeight: nll_weight, alpha: length_alpha } = settings as unknown as PairSettings;
  if (name === "sft") return { method: "sft" };
  if (name === "dpo") return { method: "dpo", beta, nll_weight };
  if (name === "length margin") return { method: "length-controlled-dpo", beta, nll_weight, length_alpha };
  throw new TrainingError(`${recipe}: a RUN.json has no objective "${name}": it has sft, dpo and length margin`);
}
