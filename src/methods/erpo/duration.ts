import type { Profile } from "../../runs/profile.js";
import { type PlannedSteps, type PlannedWork, plan } from "./plan.js";

/** How long a notebook of the main job takes. */
export interface NotebookDuration {
  /** Its file without `.ipynb`. */
  notebook: string;
  seconds: number;
}

/**
 * What a notebook takes for itself: a kernel starts, cells are type-checked, a model is loaded. 4 s on two cores at 243 GFLOP/s, 11 s where other work leaves 89 of
 * them; a device that computes faster does not shorten it.
 */
const ownSeconds = (gflops: number): number => Math.max(4, 970 / gflops);

/** Parameters that SmolLM2-135M multiplies each token with. */
const SMOLLM2_PARAMETERS = 134.5e6;

/**
 * For a token of SmolLM2-135M, the 10^9 operations that a product of 1024 x 1024 float32 matrices could do in the same time. Chosen on two machines of two cores with
 * BF16 products: for the quick profile they give 7% more than its notebooks took at 243 GFLOP/s (27, 4, 236, 88, 128 and 145 s) and 6% less than
 * at 150 GFLOP/s (19 minutes in all). A processor without BF16 products may take twice as long; a GPU, which waits for many small operations, was not measured.
 */
const GIGAFLOP: Record<PlannedWork["kind"], number> = { train: 0.28, score: 0.14, sample: 0.5 };

/**
 * Seconds of a step that networks act in, all seeds together: mostly not of products but of their dispatch, which a device that computes faster does not shorten. From the processor time of trainings
 * of 2 and 5 seeds, 0.17 and 0.28 ms per step, on two cores at 243 GFLOP/s; more where other work leaves less of them.
 */
const stepSeconds = (rows: number, gflops: number): number => 1e-3 * (0.1 + 0.037 * rows) * Math.max(1, 243 / gflops);

/**
 * Estimated duration of each notebook of the main job: its own part, and its tokens at the device's speed.
 *
 * @param gflops what `measure` says of the device
 * @param parameters that the model multiplies each token with (`multipliedParameters`)
 */
export function durations(profile: Profile, gflops: number, parameters = SMOLLM2_PARAMETERS): NotebookDuration[] {
  return plan(profile).map(({ notebook, work }) => ({ notebook, seconds: notebookSeconds(work, gflops, parameters) }));
}

/** Estimated duration of any notebook that computes this, in seconds. @param gflops, parameters as for `durations` */
export function notebookSeconds(work: readonly (PlannedWork | PlannedSteps)[], gflops: number, parameters = SMOLLM2_PARAMETERS): number {
  const seconds = work.map((part) =>
    part.kind === "act"
      ? part.steps * stepSeconds(part.rows, gflops)
      : (GIGAFLOP[part.kind] * part.tokens * (parameters / SMOLLM2_PARAMETERS)) / gflops,
  );
  return seconds.reduce((sum, part) => sum + part, ownSeconds(gflops));
}

/** The whole main job, in seconds. */
export const totalSeconds = (notebooks: readonly NotebookDuration[]): number => notebooks.reduce((sum, { seconds }) => sum + seconds, 0);

/** Seconds for people: whole ones up to two minutes, then minutes, then hours. */
export function inWords(seconds: number): string {
  if (seconds < 120) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
