import { sum } from "../../evaluation/averages.js";
import type { PlannedNotebook, PlannedSteps, PlannedWork } from "./plan.js";

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
 * BF16 products, when the quick profile computed a third of what it does now: they gave 7% more than its notebooks took at 243 GFLOP/s (10.5 minutes in all) and 6% less than
 * at 150 GFLOP/s (19 minutes). A processor without BF16 products may take twice as long; a GPU, which waits for many small operations, was not measured.
 */
const GIGAFLOP: Record<PlannedWork["kind"], number> = { train: 0.28, score: 0.14, sample: 0.5 };

/**
 * Seconds of a step that networks act in, all seeds together: mostly not of products but of their dispatch, which a device that computes faster does not shorten. From the processor time of trainings
 * of 2 and 5 seeds, 0.17 and 0.28 ms per step, on two cores at 243 GFLOP/s; more where other work leaves less of them.
 */
const stepSeconds = (rows: number, gflops: number): number => 1e-3 * (0.1 + 0.037 * rows) * Math.max(1, 243 / gflops);

/**
 * Estimated duration of each notebook of a job: its own part, and its tokens at the device's speed.
 *
 * @param planned `plan(profile)`, or what is left of it (`leftToCompute`)
 * @param gflops what `measure` says of the device
 * @param parameters that the model multiplies each token with (`multipliedParameters`)
 */
export function durations(planned: readonly PlannedNotebook[], gflops: number, parameters = SMOLLM2_PARAMETERS): NotebookDuration[] {
  return planned.map(({ notebook, work }) => ({ notebook, seconds: notebookSeconds(work, gflops, parameters) }));
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

/**
 * Estimated duration of each notebook of a job where a second process computes beside them what is marked so: each process has half of the cores. Where the second one
 * takes longer than all notebooks, the last of them waits for it.
 */
export function durationsWithSecond(planned: readonly PlannedNotebook[], gflops: number, parameters?: number): NotebookDuration[] {
  const share = (work: readonly PlannedWork[], second: boolean) =>
    work.filter(({ beside = false }) => beside === second).map((part) => ({ ...part, tokens: HALF_THE_CORES * part.tokens }));
  const first = planned.map(({ notebook, work }) => ({ notebook, work: share(work, false) }));
  const notebooks = durations(first, gflops, parameters);
  const all = planned.flatMap(({ work }) => work);
  const second = notebookSeconds(share(all, true), gflops, parameters);
  const waits = Math.max(0, second - totalSeconds(notebooks));
  return notebooks.map((notebook, i) => (i === notebooks.length - 1 ? { ...notebook, seconds: notebook.seconds + waits } : notebook));
}

/** Measured on two cores: a step of training takes one thread as long as two where other work is about, and 1.15 times as long where nothing is. */
const HALF_THE_CORES = 1.15;

/** The whole main job, in seconds. */
export const totalSeconds = (notebooks: readonly NotebookDuration[]): number => notebooks.reduce((sum, { seconds }) => sum + seconds, 0);

/**
 * The parameters with which `durations` and `notebookSeconds` say of a token's training what real steps of a model took: those of its shape, and what else of the machine shows in a step and not in a product of matrices,
 * such as a processor without BF16.
 *
 * @param tokensPerSecond of `threeSteps`
 */
export const parametersBySpeed = (gflops: number, tokensPerSecond: number): number =>
  (SMOLLM2_PARAMETERS * gflops) / (GIGAFLOP.train * tokensPerSecond);

/** What a job takes by an estimate, in seconds, from the least to the most that is likely. */
export interface Span {
  least: number;
  most: number;
}

/**
 * How far estimates were off, as factors: of processors with BF16 products, of which machines were measured, from three steps (`estimated`); of those without and of GPUs, on which sampling and training may stand in
 * another relation; and behind a notebook that has been timed (`corrected`). Other work on the machine is in none of them.
 */
const offBy = {
  estimated: { least: 0.85, most: 1.25 },
  unmeasured: { least: 0.7, most: 1.8 },
  corrected: { least: 0.9, most: 1.15 },
} as const;

/** Of the time that a notebook has taken, what is left of it at least, once that is more than the estimate says: none ends with its estimate, and the lower end is no 0 for minutes. */
const LEAST_LEFT = 0.05;

/** A notebook that is through: the estimate, and what it took. */
export interface Timed {
  estimated: number;
  took: number;
}

/**
 * What is left of a job: the estimates of the notebooks ahead, scaled by what those that are through took of theirs. Where the running one has outrun its estimate, what it
 * has taken so far takes the estimate's place.
 *
 * @param ahead estimated seconds of the notebooks ahead, the running one first
 * @param running seconds that this one has taken so far
 * @param timed notebooks that were computed in this job; without any the estimates stand
 * @param measured whether the estimates are for a kind of processor that was measured
 */
export function secondsLeft(ahead: readonly number[], running: number, timed: readonly Timed[], measured: boolean): Span {
  const estimated = sum(timed.map((notebook) => notebook.estimated));
  const scale = estimated > 0 ? sum(timed.map(({ took }) => took)) / estimated : 1;
  const factors = estimated > 0 ? offBy.corrected : measured ? offBy.estimated : offBy.unmeasured;
  const [current = 0, ...later] = ahead.map((seconds) => seconds * scale);
  const left = (factor: number) =>
    Math.max(LEAST_LEFT * running, Math.max(current, running) * factor - running) + sum(later.map((seconds) => seconds * factor));
  return { least: left(factors.least), most: left(factors.most) };
}

/** A span for people: `26 to 38 min`; one value where both ends read the same. */
export function spanInWords({ least, most }: Span): string {
  const [low, high] = [inWords(least), inWords(most)];
  if (low === high) return low;
  const [lowNumber, lowUnit] = low.split(" ");
  return lowUnit === high.split(" ")[1] ? `${lowNumber} to ${high}` : `${low} to ${high}`;
}

/** Seconds for people: whole ones up to two minutes, then minutes, then hours. */
export function inWords(seconds: number): string {
  if (seconds < 120) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
