import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../src/setup/paths.js";
import { parseRunConfig, runJsonSchema } from "../../src/training/run-config.js";
import { hasReferences } from "../../src/training/run-methods.js";

const run = { method: "sft", model: "m", data: "d.jsonl", output_dir: "o", max_steps: 5 };

test("fills in TRL's defaults", () => {
  expect(parseRunConfig(run, "RUN.json")).toMatchObject({
    init_adapter: null,
    batch_size: 8,
    gradient_accumulation_steps: 1,
    warmup_ratio: 0,
    lr_scheduler_type: "linear",
    weight_decay: 0,
    max_grad_norm: 1,
    max_length: 1024,
    beta: 0.1,
    loss_type: "sigmoid",
    precision: "f32",
    shuffle: true,
    save_steps: 500,
    resume: false,
  });
});

test.each([
  [{ learning_rate: "fast" }, 'RUN.json: field "learning_rate": Invalid input: expected number, received string'],
  [{ max_steps: undefined }, 'RUN.json: field "max_steps": is missing'],
  [{ num_train_epochs: 2 }, 'RUN.json: field "num_train_epochs": give max_steps or num_train_epochs, not both'],
  [{ load_best_model_at_end: true }, 'RUN.json: field "load_best_model_at_end": needs eval_data'],
  [
    { eval_data: "e", eval_steps: 3, save_steps: 4, load_best_model_at_end: true },
    'RUN.json: field "save_steps": must be a multiple of eval_steps 3',
  ],
  [{ batches: "b.json" }, 'RUN.json: field "max_steps": leave it out: batches has all steps'],
  [{ batches: "b.json", max_steps: undefined, gradient_accumulation_steps: 2 }, 'RUN.json: field "gradient_accumulation_steps": must be 1'],
  [{ eval_steps: 2 }, 'RUN.json: field "eval_steps": needs eval_data'],
  [{ lr_scheduler_kwargs: { min_lr_rate: 0.1 } }, 'RUN.json: field "lr_scheduler_kwargs": belongs to cosine_with_min_lr'],
  [{ method: "kto", batches: "b.json", max_steps: undefined }, 'RUN.json: field "batches": is not for kto'],
  [{ max_steps: 0 }, 'RUN.json: field "max_steps": Too small: expected number to be >=1'],
  [{ lora: { r: 8, dropout: 1 } }, 'RUN.json: field "lora.dropout": Too big: expected number to be <1'],
  [{ lora: { target_modules: ["foo"] } }, 'RUN.json: field "lora.target_modules": must be "all-linear" or some of qkv_proj, q_proj, '],
  [{ lora: { rank: 8 } }, 'RUN.json: field "lora.rank": there is no such field; see src/training/run.schema.json'],
  [{ method: "ppo" }, 'RUN.json: field "method": Invalid option: expected one of "sft"|"dpo"|"length-controlled-dpo"|"kto"'],
  [{ length_alpha: 1 }, 'RUN.json: field "length_alpha": belongs to method length-controlled-dpo'],
  [{ lr_scheduler_type: "cosine_with_min_lr" }, 'RUN.json: field "lr_scheduler_kwargs": cosine_with_min_lr needs min_lr_rate'],
  [{ method: "length-controlled-dpo", loss_type: "ipo" }, 'RUN.json: field "loss_type": method length-controlled-dpo has the loss sigmoid'],
  [{ loss_type: "hinge" }, 'RUN.json: field "loss_type": belongs to method dpo'],
  [{ method: "dpo", loss_type: "dpo" }, 'RUN.json: field "loss_type": must be one or a list of sigmoid, hinge, ipo, '],
  [
    { method: "dpo", loss_type: ["sigmoid", "sft"], loss_weights: [1] },
    'RUN.json: field "loss_weights": must have as many numbers as loss_type has losses, 2',
  ],
  [
    { method: "dpo", loss_type: "ipo", label_smoothing: 0.1 },
    'RUN.json: field "label_smoothing": belongs to loss_type robust or sigmoid of method dpo',
  ],
  ...["sft", "kto", "derta"].flatMap((method): [object, string][] => [
    [{ method, ld_alpha: 0.5 }, 'RUN.json: field "ld_alpha": belongs to methods dpo and length-controlled-dpo'],
    [{ method, nll_weight: 0.1 }, 'RUN.json: field "nll_weight": belongs to methods dpo and length-controlled-dpo'],
  ]),
  ...["sft", "dpo"].flatMap((method): [object, string][] => [
    [{ method, desirable_weight: 2 }, 'RUN.json: field "desirable_weight": belongs to method kto'],
    [{ method, undesirable_weight: 2 }, 'RUN.json: field "undesirable_weight": belongs to method kto'],
  ]),
  [{ method: "dpo", simpo_gamma: 1 }, 'RUN.json: field "simpo_gamma": belongs to loss_type simpo of method dpo'],
  [{ method: "kto", batch_size: 1 }, 'RUN.json: field "batch_size": must be 2 or more for kto'],
])("names the field: %o", (more, message) => {
  expect(() => parseRunConfig({ ...run, ...more }, "RUN.json")).toThrow(message);
});

test.each(["robust", "sigmoid", ["hinge", "sigmoid"]])("labels may be smoothed with loss_type %j", (loss_type) => {
  expect(parseRunConfig({ ...run, method: "dpo", loss_type, label_smoothing: 0.1 }, "RUN.json").label_smoothing).toBe(0.1);
});

test("log-probs under a reference that came with all pairs are taken, unless ld_alpha weighs their tokens", () => {
  const pairs = [{ prompt: [1], chosen: [2], rejected: [3], reference: { chosen: -1, rejected: -2 } }];
  const config = (more: object) => parseRunConfig({ ...run, method: "dpo", ...more }, "RUN.json");
  expect(hasReferences(config({}), pairs)).toBe(true);
  expect(hasReferences(config({}), [...pairs, { ...pairs[0]!, reference: undefined }])).toBe(false);
  expect(hasReferences(config({ ld_alpha: 0.5 }), pairs)).toBe(false);
});

test("the published JSON Schema is the one of the code", () => {
  const published = JSON.parse(readFileSync(join(packageRoot(), "src/training/run.schema.json"), "utf8"));
  expect(published).toEqual(JSON.parse(JSON.stringify(runJsonSchema())));
});
