import { durations, durationsWithSecond, type Span, secondsLeft, spanInWords, type Timed } from "../methods/erpo/duration.js";
import { leftToCompute, plan } from "../methods/erpo/plan.js";
import { finishedStages } from "../methods/method.js";
import { busyCores, holdsWhile } from "../setup/busy.js";
import { type Job, jobSpeed, say } from "./notebook-job.js";

/** What knows how much time is left of a job. */
export interface JobClock {
  /** When the running notebook has taken so many seconds. */
  left(running: number): Span;
  /** What is left between two notebooks. */
  inWords(): string;
  /** Notes that a notebook has ended, which took so many seconds. */
  ended(seconds: number): void;
}

/** Measures the machine, and says how long a job takes on it. @param second whether a second process computes its part beside the notebooks */
export async function jobClock(job: Job, second: boolean): Promise<JobClock> {
  const busy = await busyCores();
  const { gflops, parameters, bf16, tokensPerSecond } = await jobSpeed(job);
  const kind = bf16 ? "a processor with BF16 products" : "a device without BF16 products or a GPU, of which less is known";
  say(`${tokensPerSecond.toFixed(0)} tokens per second in training, on ${kind}`);
  const planned = leftToCompute(plan(job.profile), finishedStages(job.dir));
  const estimates = (second ? durationsWithSecond : durations)(planned, gflops, parameters).map(({ seconds }) => seconds);
  const timed: Timed[] = [];
  let current = 0;
  const left = (running: number) => secondsLeft(estimates.slice(current), running, timed, bf16);
  const inWords = () => spanInWords(left(0));
  say(`the ${job.profile.name} profile takes about ${inWords()} here, ${holdsWhile(busy)}`);
  return {
    left,
    inWords,
    ended(seconds) {
      if (planned[current]!.work.length > 0) timed.push({ estimated: estimates[current]!, took: seconds });
      current++;
    },
  };
}
