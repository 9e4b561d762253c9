import { openDevice } from "../../backend/device.js";
import { createRng } from "../../backend/random.js";
import type { TokenRow } from "../../data/tokens.js";
import { promptIds } from "../../exante/rows.js";
import { loadModel } from "../../model/load.js";
import type { Profile } from "../../runs/profile.js";
import { freshAdapter } from "../../runs/training.js";
import { train } from "../../training/loop.js";
import type { StepMetrics } from "../../training/metrics.js";
import { constant } from "../../training/schedule.js";
import { sftObjective } from "../../training/token-objective.js";
import { stage1 as knobs } from "./recipe.js";

/** How fast a machine trains. */
export interface TrainingSpeed {
  /** Of prompts and completions, pads not counted. */
  tokensPerSecond: number;
  /** Whether it was a processor with BF16 products: what the estimates were measured on. */
  bf16: boolean;
}

const parts = ["chain", "brakes", "saddle", "lamp", "bell", "pedals", "tyres", "gears"];

/**
 * The speed of three real steps of stage 1a, behind one that warms up: the model, the profile's adapter, and rows of the shape that decisions have. Nothing is kept.
 * @param model a built-in name or a path
 */
export async function threeSteps(model: string, profile: Profile): Promise<TrainingSpeed> {
  const device = await openDevice({ precision: "bf16" }); // as runs do
  const opened = await loadModel(model);
  const { tokenizer } = opened;
  const rng = createRng(1);
  const lora = freshAdapter({ model: opened, profile, rng: (purpose) => rng.fork(purpose) }, "three steps");
  const rows = parts.slice(0, knobs.batchSize).map((part): TokenRow => {
    const prompt = promptIds(`How do I mend the ${part} of a bicycle that has stood in the rain for weeks?`, tokenizer);
    return { prompt, completion: tokenizer.encode(`<assess>none; mend the ${part} of`) };
  });
  const options = { lora, batches: Array.from({ length: 4 }, () => rows.map((_, i) => i)), learningRate: 1e-4, schedule: constant() };
  const steps: StepMetrics[] = [];
  try {
    for await (const step of train(opened, rows, sftObjective, { ...options, maxGradNorm: 1, weightDecay: 0 })) steps.push(step);
  } finally {
    lora.dispose();
    opened.dispose();
  }
  const timed = steps.slice(1);
  const seconds = timed.reduce((sum, { step_seconds }) => sum + step_seconds, 0);
  const tokens = timed.reduce((sum, step) => sum + step.tokens_per_second * step.step_seconds, 0);
  return { tokensPerSecond: tokens / seconds, bf16: device.kind === "tensorflow" && device.precision === "bf16" };
}
