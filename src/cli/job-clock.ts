import { durations, durationsWithSecond, type Span, secondsLeft, spanInWords, type Timed } from "../methods/erpo/duration.js";
import { leftToCompute, type PlannedNotebook, plan } from "../methods/erpo/plan.js";
import { finishedStages } from "../runs/claim.js";
import { busyCores, holdsWhile } from "../setup/busy.js";
import { type Job, jobSpeed } from "./notebook-job.js";
import { say } from "./output.js";

/** What knows how much time is left of a job. */
export interface JobClock {
  /** When the running notebook has taken so many seconds. */
  left(running: number): Span;
  /** What is left between two notebooks. */
  inWords(): string;
  /** Notes that a notebook has ended, which took so many seconds. */
  ended(seconds: number): void;
}

/** A notebook of a job before the job begins. */
export interface NotebookAhead {
  /** Seconds that what is left of it takes, as estimated. */
  estimated: number;
  /** Whether its time will say how far the estimates are off. It does not where it computes nothing, or where some of its results are kept: what every notebook takes beside them is then most of its time. */
  tells: boolean;
}

/**
 * Measures the machine, and says how long a job takes on it.
 * @param second whether a second process computes its part beside the notebooks
 * @param begun notebooks that an earlier job had begun
 */
export async function jobClock(job: Job, second: boolean, begun: ReadonlySet<string>): Promise<JobClock> {
  const busy = await busyCores();
  const { gflops, parameters, bf16, tokensPerSecond } = await jobSpeed(job);
  const kind = bf16 ? "a processor with BF16 products" : "a device without BF16 products or a GPU, of which less is known";
  say(`${tokensPerSecond.toFixed(0)} tokens per second in training, on ${kind}`);
  const whole = plan(job.profile);
  const planned = leftToCompute(whole, finishedStages(job.dir));
  const estimates = (second ? durationsWithSecond : durations)(planned, gflops, parameters);
  const tell = telling(whole, planned, begun);
  const clock = clockOver(
    estimates.map(({ seconds }, i) => ({ estimated: seconds, tells: tell[i]! })),
    bf16,
  );
  say(`the ${job.profile.name} profile takes about ${clock.inWords()} here, ${holdsWhile(busy)}`);
  return clock;
}

/** Of each notebook whether its time tells: it computes something, and all that is planned of it. */
export const telling = (whole: readonly PlannedNotebook[], left: readonly PlannedNotebook[], begun: ReadonlySet<string>): boolean[] =>
  left.map(({ notebook, work }, i) => work.length > 0 && work.length === whole[i]!.work.length && !begun.has(notebook));

/** The clock of notebooks that are computed one behind the other. @param measured whether the estimates are for a kind of processor that was measured */
export function clockOver(notebooks: readonly NotebookAhead[], measured: boolean): JobClock {
  const timed: Timed[] = [];
  let current = 0;
  const left = (running: number) =>
    secondsLeft(
      notebooks.slice(current).map(({ estimated }) => estimated),
      running,
      timed,
      measured,
    );
  return {
    left,
    inWords: () => spanInWords(left(0)),
    ended(seconds) {
      const { estimated, tells } = notebooks[current++]!;
      if (tells) timed.push({ estimated, took: seconds });
    },
  };
}
