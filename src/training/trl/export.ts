import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { createRng } from "../../backend/random.js";
import { formatJsonl } from "../../data/jsonl.js";
import { saveAdapter } from "../../model/adapter-io.js";
import type { LanguageModel } from "../../model/load.js";
import { saveModel } from "../../model/save.js";
import { writeAtomic, writeJson } from "../../setup/atomic.js";
import { packageRoot } from "../../setup/paths.js";
import { TrainingError } from "../errors.js";
import { peakRate } from "../run.js";
import { lossTypes, type RunConfig } from "../run-config.js";
import { startAdapter } from "../start-adapter.js";
import { plannedRows } from "./planned-rows.js";

/** TRL's release whose meaning of the options is the exported one's. */
const TRL = "1.16.0";

/**
 * Writes a stage for TRL: `model/` and `init_adapter/` in Hugging Face's formats, `train.jsonl` with the rows in the order of erpo's own plan, `run.json`, `train.py`,
 * configurations of accelerate (DDP, DeepSpeed ZeRO, FSDP) and a README.txt with the launch line. `adapter/` is what comes back.
 *
 * @throws TrainingError for what TRL has no counterpart of; DataError, WeightsError
 */
export async function exportTrl(config: RunConfig, model: LanguageModel, output: string): Promise<void> {
  if (config.reference_adapter) {
    throw new TrainingError(`reference_adapter: ${config.reference_adapter}: TRL measures against the start or, with null, the base model`);
  }
  if (config.method === "kto") throw new TrainingError("method: kto: is not exported: its batches are of one process");
  if (config.method === "derta") throw new TrainingError("method: derta: is not exported: TRL has no counterpart");
  const unlike =
    config.method === "dpo" && (lossTypes(config).includes("simpo") ? "simpo" : conservative(config) && "sigmoid with label_smoothing");
  if (unlike) throw new TrainingError(`loss_type: TRL's DPO has no ${unlike}`);
  if (config.lora?.dropout) throw new TrainingError(`lora.dropout: ${config.lora.dropout}: is not exported: leave it out`);
  if (config.eval_data) throw new TrainingError(`eval_data: ${config.eval_data}: is not exported: leave it out`);
  const rng = createRng(config.seed);
  const { rows, steps, reference } = plannedRows(config, model, rng.fork("data"));
  const lora = await startAdapter(config, model, rng.fork("lora"));
  try {
    await saveAdapter(join(output, "init_adapter"), lora, "model");
  } finally {
    lora.dispose();
  }
  await saveModel(join(output, "model"), model);
  writeAtomic(join(output, "train.jsonl"), [formatJsonl(rows)]);
  const { model: _, data: __, output_dir: ___, init_adapter: ____, reference_adapter, num_train_epochs, batches, ...kept } = config;
  const run = {
    ...kept,
    max_steps: steps,
    learning_rate: peakRate(config),
    length_alpha: config.length_alpha ?? 0.02,
    reference,
  };
  writeJson(join(output, "run.json"), run);
  for (const [name, settings] of Object.entries(ACCELERATE)) {
    writeJson(join(output, name), { compute_environment: "LOCAL_MACHINE", num_machines: 1, ...settings });
  }
  writeAtomic(join(output, "README.txt"), [README]);
  copyFileSync(join(packageRoot(), "src", "training", "trl", "train.py"), join(output, "train.py"));
}

/** DPO's loss for labels that may be wrong, which TRL had once. */
const conservative = (config: RunConfig): boolean => config.label_smoothing > 0 && lossTypes(config).includes("sigmoid");

/** How processes share the work; accelerate's fields, which `accelerate launch` can override. */
const ACCELERATE: Record<string, object> = {
  "ddp.json": { distributed_type: "MULTI_GPU", num_processes: 2 },
  "zero2.json": { distributed_type: "DEEPSPEED", num_processes: 2, deepspeed_config: { zero_stage: 2 } },
  "zero3.json": { distributed_type: "DEEPSPEED", num_processes: 2, deepspeed_config: { zero_stage: 3, zero3_save_16bit_model: false } },
  "fsdp.json": {
    distributed_type: "FSDP",
    num_processes: 2,
    fsdp_config: {
      fsdp_version: 2,
      fsdp_auto_wrap_policy: "TRANSFORMER_BASED_WRAP",
      fsdp_state_dict_type: "FULL_STATE_DICT",
      fsdp_reshard_after_forward: true,
    },
  },
};

const README = `One stage of training, exported by erpo for TRL ${TRL}.

    pip install trl==${TRL} peft accelerate datasets     (and deepspeed for zero2.json and zero3.json)
    accelerate launch --config_file ddp.json train.py

ddp.json, zero2.json, zero3.json and fsdp.json are for GPUs; --num_processes N changes the number of processes. Without GPUs:

    torchrun --nproc_per_node 2 train.py

The rows of a step are the same whatever the number of processes is; a step of token ids that they cannot share evenly is filled up with rows that count for
nothing. A stopped run goes on from its newest checkpoint.
adapter/ is the result: \`erpo score --adapter adapter\`, or the init_adapter of the next stage. log.json has TRL's metrics of each step.
`;
