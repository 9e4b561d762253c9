import { existsSync } from "node:fs";
import { join } from "node:path";
import { appendJsonl, formatJsonl, type JsonlAppender, readAppended } from "../data/jsonl.js";
import { writeAtomic } from "../setup/atomic.js";

/** What objectives say of a step. */
export interface ObjectiveMetrics {
  /** An objective's own metrics have a slash in their names. */
  [own: `${string}/${string}`]: number | undefined;
  /** Estimated divergence of the policy from the reference, in nats, >= 0; of KTO. */
  kl?: number;
}

/** What held-out rows say of a step's adapter: `eval_loss`, and the objective's own metrics with `eval_` before their names. */
export type EvaluationMetrics = { [name: `eval_${string}`]: number | undefined };

/**
 * One optimizer step, under TRL's names. The rewards and log-probs are there for preference losses only; all are means over the step's pairs, or over the desirable and
 * the undesirable ones of its labelled completions.
 */
export interface StepMetrics extends ObjectiveMetrics, EvaluationMetrics {
  /** From 1. */
  step: number;
  /** The objective's, a weighted mean over the step's rows; of SFT in nats per token. */
  loss: number;
  /** Euclidean norm of the whole gradient before clipping. */
  grad_norm: number;
  learning_rate: number;
  /** beta * (logp - ref) of the chosen completions, in nats. */
  "rewards/chosen"?: number;
  "rewards/rejected"?: number;
  "rewards/margins"?: number;
  /** Share of pairs whose chosen completion has the higher reward, by more than rounding (1e-4 nats). */
  "rewards/accuracies"?: number;
  /** Sums over the completion's tokens, in nats. */
  "logps/chosen"?: number;
  "logps/rejected"?: number;
  step_seconds: number;
  /** Real tokens of prompts and completions per second, pads not counted. */
  tokens_per_second: number;
  /** The process's largest resident memory so far, in bytes. */
  peak_rss_bytes: number;
  /** Real tokens since the run's first step. */
  numTokens: number;
}

const file = (dir: string): string => join(dir, "metrics.jsonl");

/** The rows of a run's metrics.jsonl, none where there is no such file; a torn last one is left out. @throws DataError when another line is broken */
export const readMetrics = (dir: string): StepMetrics[] => readAppended(file(dir)) as unknown as StepMetrics[];

/**
 * Opens a run's metrics.jsonl to go on behind step `after`: later rows, which a killed run wrote after its last checkpoint, are cut off; 0 starts anew.
 * Each appended row is on disk when the call returns.
 */
export function openMetrics(dir: string, after: number): JsonlAppender {
  if (existsSync(file(dir))) {
    const kept = after === 0 ? [] : readMetrics(dir).filter(({ step }) => step <= after);
    writeAtomic(file(dir), [formatJsonl(kept)]);
  }
  return appendJsonl(file(dir));
}
