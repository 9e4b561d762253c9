import { readFileSync } from "node:fs";
import { z } from "zod";
import { cause } from "../data/errors.js";
import { MODULE_NAMES } from "../model/lora.js";
import { parseJsonText } from "../setup/json.js";
import { TrainingError } from "./errors.js";

const lora = z
  .strictObject({
    r: z.int().min(1).default(16).describe("rank"),
    alpha: z.number().positive().default(32).describe("the product B A is scaled by alpha / r"),
    dropout: z.number().min(0).lt(1).default(0).describe("share of an adapter's inputs that are dropped in training, whatever the method"),
    target_modules: z
      .union([z.literal("all-linear"), z.array(z.enum(MODULE_NAMES)).min(1)], `must be "all-linear" or some of ${MODULE_NAMES.join(", ")}`)
      .default("all-linear")
      .describe("linear layers that get an adapter"),
    layers_to_transform: z
      .array(z.int().min(0))
      .min(1)
      .nullable()
      .default(null)
      .describe("decoder layers that get an adapter, from 0; null: all"),
  })
  .describe("a fresh adapter, where init_adapter is null");

const lossType = z.enum(["sigmoid", "hinge", "ipo", "sigmoid_norm", "robust", "apo_zero", "apo_down", "simpo", "sft"]);

/** Default of `simpo_gamma`. */
const SIMPO_GAMMA = 0.5;

const TRACKER = z.enum(["tensorboard", "mlflow"]);

/** One stage of training: the fields of a RUN.json with TRL's names, meanings and defaults. */
export const runConfigSchema = z
  .strictObject({
    $schema: z.string().optional(),
    method: z.enum(["sft", "dpo", "length-controlled-dpo", "kto", "derta"]),
    model: z.string().min(1).describe("a built-in name, a .gguf file, or a Hugging Face style directory"),
    init_adapter: z.string().nullable().default(null).describe("PEFT folder that training starts from; null: a fresh adapter"),
    reference_adapter: z
      .string()
      .nullable()
      .optional()
      .describe(
        "what dpo and kto measure against: a PEFT folder, or null for the base model; left out: the policy as it is at the start; rows that all have ref_ log-probs are measured against those",
      ),
    data: z
      .string()
      .min(1)
      .describe(
        "JSON Lines: {prompt, completion} for sft, {prompt, completion, label} for kto, {prompt, chosen, rejected} for the others; or token ids: " +
          "{prompt_ids, completion_ids, weights} for sft, {prompt_ids, chosen_ids, rejected_ids, chosen_weights, rejected_weights, ref_chosen_logps, ref_rejected_logps} for dpo, " +
          "where weights and ref_ can be left out; for derta a rejected response is read and never " +
          "learned, each such row becomes two, and rows {prompt, completion} may stand among them",
      ),
    batches: z
      .string()
      .min(1)
      .optional()
      .describe("JSON file: for each step a list of its rows, from 0; in place of max_steps, num_train_epochs and shuffle"),
    output_dir: z.string().min(1).describe("gets the adapter, metrics.jsonl, checkpoint-N/ and train.json"),
    seed: z.int().default(42),
    max_steps: z.int().min(1).optional().describe("optimizer steps; this or num_train_epochs"),
    num_train_epochs: z.number().positive().optional().describe("passes over the data, also parts of one; this or max_steps"),
    batch_size: z.int().min(1).default(8).describe("rows that are computed at a time"),
    gradient_accumulation_steps: z.int().min(1).default(1).describe("an optimizer step has batch_size times this many rows"),
    gradient_checkpointing: z.boolean().default(false).describe("computes layers again instead of keeping what their gradients need"),
    learning_rate: z.number().positive().optional().describe("peak; left out: 2e-5 for sft and derta, 1e-6 for the others"),
    warmup_ratio: z.number().min(0).max(1).default(0).describe("warm-up takes ceil(steps * ratio) steps, the first with learning rate 0"),
    lr_scheduler_type: z.enum(["linear", "cosine", "cosine_with_min_lr", "constant", "constant_with_warmup"]).default("linear"),
    lr_scheduler_kwargs: z
      .strictObject({ min_lr_rate: z.number().min(0).max(1) })
      .optional()
      .describe("of cosine_with_min_lr: the last learning rate as a share of the peak"),
    weight_decay: z.number().min(0).default(0),
    adam_beta1: z.number().min(0).lt(1).default(0.9).describe("AdamW's decay rate of the mean of gradients"),
    adam_beta2: z.number().min(0).lt(1).default(0.999).describe("and of their squares"),
    adam_epsilon: z.number().positive().default(1e-8).describe("added to the root of the squares"),
    max_grad_norm: z.number().min(0).default(1).describe("gradients are scaled down to this global norm; 0: not at all"),
    max_length: z
      .int()
      .min(1)
      .nullable()
      .default(1024)
      .describe("tokens of prompt and completion that are kept, from the start; null: all"),
    lora: lora.optional(),
    beta: z.number().positive().default(0.1).describe("strength of the anchor to the reference"),
    loss_type: z
      .union([lossType, z.array(lossType).min(1)], `must be one or a list of ${lossType.options.join(", ")}`)
      .default("sigmoid")
      .describe("of dpo: the preference loss, or several that are added up; simpo needs no reference, sft is the winners' cross-entropy"),
    loss_weights: z.array(z.number()).optional().describe("of a list of loss_type: factor of each; left out: 1"),
    label_smoothing: z
      .number()
      .min(0)
      .lt(0.5)
      .default(0)
      .describe("how often labels are wrong: of loss_type robust, and of sigmoid, which is then conservative DPO"),
    ld_alpha: z
      .number()
      .min(0)
      .max(1)
      .nullable()
      .default(null)
      .describe("LD-DPO: how much the tokens count that the longer completion has more than the other; null: like all others"),
    simpo_gamma: z.number().min(0).default(SIMPO_GAMMA).describe("of loss_type simpo: target margin of the rewards"),
    length_alpha: z.number().min(0).optional().describe("of length-controlled-dpo: price of a token; left out: 0.02"),
    nll_weight: z.number().min(0).default(0).describe("weight of the winners' negative log-likelihood per token"),
    desirable_weight: z.number().min(0).default(1).describe("of kto: factor of the losses of completions with label true"),
    undesirable_weight: z.number().min(0).default(1).describe("of kto: factor of the others' losses"),
    precision: z.enum(["f32", "bf16"]).default("f32"),
    shuffle: z.boolean().default(true).describe("false: file order, then from the top"),
    eval_data: z.string().min(1).nullable().default(null).describe("held-out rows of the same kind as data: eval_loss and eval_ metrics"),
    eval_steps: z.int().min(1).optional().describe("steps between evaluations; the last step is always evaluated; left out: save_steps"),
    save_steps: z.int().min(1).default(500).describe("steps between checkpoints; the last step is always stored"),
    save_total_limit: z.int().min(1).nullable().default(2).describe("the newest checkpoints that are kept, beside the best; null: all"),
    load_best_model_at_end: z.boolean().default(false).describe("output_dir gets the adapter of the best checkpoint instead of the last"),
    metric_for_best_model: z
      .string()
      .default("eval_loss")
      .describe("what makes a checkpoint the best one: eval_loss, eval_rewards/margins, ..."),
    greater_is_better: z.boolean().optional().describe("of metric_for_best_model; left out: true unless its name ends in loss"),
    resume: z.boolean().default(false).describe("go on from the newest whole checkpoint of output_dir, if there is one"),
    report_to: z
      .union([z.literal("none"), TRACKER, z.array(TRACKER)], 'must be "none", "tensorboard", "mlflow", or a list of the latter two')
      .optional()
      .describe("where steps go beside metrics.jsonl; mlflow: to the server of MLFLOW_TRACKING_URI; left out: none"),
    logging_dir: z.string().min(1).optional().describe("gets tensorboard's event file; left out: output_dir/runs"),
  })
  .superRefine((config, context) => {
    const refuse = (field: string, message: string) => context.addIssue({ code: "custom", path: [field], message });
    const floor = config.lr_scheduler_type === "cosine_with_min_lr";
    if (floor && !config.lr_scheduler_kwargs) refuse("lr_scheduler_kwargs", "cosine_with_min_lr needs min_lr_rate");
    if (!floor && config.lr_scheduler_kwargs) refuse("lr_scheduler_kwargs", "belongs to cosine_with_min_lr");
    if (config.length_alpha !== undefined && config.method !== "length-controlled-dpo") {
      refuse("length_alpha", "belongs to method length-controlled-dpo");
    }
    if (config.batches !== undefined) {
      if (["kto", "derta"].includes(config.method)) refuse("batches", `is not for ${config.method}, which arranges its rows itself`);
      const other = (["max_steps", "num_train_epochs"] as const).find((field) => config[field] !== undefined);
      if (other) refuse(other, "leave it out: batches has all steps");
      if (config.gradient_accumulation_steps !== 1) refuse("gradient_accumulation_steps", "must be 1: batches has a step's rows");
    } else if (config.max_steps === undefined && config.num_train_epochs === undefined) {
      refuse("max_steps", "is missing: give max_steps or num_train_epochs");
    }
    if (config.max_steps !== undefined && config.num_train_epochs !== undefined) {
      refuse("num_train_epochs", "give max_steps or num_train_epochs, not both");
    }
    if (config.eval_steps !== undefined && !config.eval_data) refuse("eval_steps", "needs eval_data");
    if (config.load_best_model_at_end && !config.eval_data) refuse("load_best_model_at_end", "needs eval_data");
    if (config.load_best_model_at_end && config.save_steps % evalSteps(config) !== 0) {
      refuse("save_steps", `must be a multiple of eval_steps ${config.eval_steps} for load_best_model_at_end`);
    }
    const losses = lossTypes(config);
    if (config.method === "length-controlled-dpo" && losses.join() !== "sigmoid") {
      refuse("loss_type", "method length-controlled-dpo has the loss sigmoid");
    }
    if (["sft", "kto", "derta"].includes(config.method) && losses.join() !== "sigmoid") refuse("loss_type", "belongs to method dpo");
    if (config.loss_weights && config.loss_weights.length !== losses.length) {
      refuse("loss_weights", `must have as many numbers as loss_type has losses, ${losses.length}`);
    }
    const smoothed = config.method === "dpo" && losses.some((loss) => loss === "robust" || loss === "sigmoid");
    if (config.label_smoothing > 0 && !smoothed) refuse("label_smoothing", "belongs to loss_type robust or sigmoid of method dpo");
    const pairs = ["dpo", "length-controlled-dpo"].includes(config.method);
    if (config.ld_alpha !== null && !pairs) refuse("ld_alpha", "belongs to methods dpo and length-controlled-dpo");
    if (config.nll_weight > 0 && !pairs) refuse("nll_weight", "belongs to methods dpo and length-controlled-dpo");
    for (const field of ["desirable_weight", "undesirable_weight"] as const)
      if (config[field] !== 1 && config.method !== "kto") refuse(field, "belongs to method kto");
    const isSimpo = config.method === "dpo" && losses.includes("simpo");
    if (config.simpo_gamma !== SIMPO_GAMMA && !isSimpo) refuse("simpo_gamma", "belongs to loss_type simpo of method dpo");
    if (config.method === "kto" && config.batch_size < 2) {
      refuse("batch_size", "must be 2 or more for kto: its KL is estimated from completions of other rows");
    }
  });

/** A RUN.json with its defaults filled in. */
export type RunConfig = z.infer<typeof runConfigSchema>;

/** Steps between evaluations. */
export const evalSteps = ({ eval_steps, save_steps }: Pick<RunConfig, "eval_steps" | "save_steps">): number => eval_steps ?? save_steps;

/** The losses of a run as a list. */
export const lossTypes = ({ loss_type }: Pick<RunConfig, "loss_type">): z.infer<typeof lossType>[] => [loss_type].flat();

/**
 * Checks a run's fields and fills in defaults.
 * @param source the file it came from, for errors
 * @throws TrainingError `FILE: field "learning_rate": cause`
 */
export function parseRunConfig(value: unknown, source: string): RunConfig {
  const parsed = runConfigSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  if (issue.code === "unrecognized_keys") {
    const path = [...issue.path, issue.keys[0]].join(".");
    throw new TrainingError(`${source}: field "${path}": there is no such field; see src/training/run.schema.json`);
  }
  const field = issue.path.length > 0 ? `field "${issue.path.join(".")}": ` : "";
  const missing = issue.code === "invalid_type" && issue.input === undefined && issue.message.includes("received undefined");
  throw new TrainingError(`${source}: ${field}${missing ? "is missing" : issue.message}`);
}

/** Reads a RUN.json. @throws TrainingError when it cannot be read, is not JSON, or a field is wrong */
export function readRunConfig(path: string): RunConfig {
  let value: unknown;
  try {
    value = parseJsonText(readFileSync(path, "utf8").replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new TrainingError(`${path}: ${error instanceof SyntaxError ? `not JSON (${cause(error)})` : cause(error)}`);
  }
  return parseRunConfig(value, path);
}

/** The JSON Schema of RUN.json: what src/training/run.schema.json holds. */
export function runJsonSchema(): object {
  return { title: "One stage of training with erpo", ...z.toJSONSchema(runConfigSchema, { io: "input" }) };
}
