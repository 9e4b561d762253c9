import type * as tf from "@tensorflow/tfjs";
import { givenInWords, hasShape } from "../backend/given.js";
import type { CompletionRow } from "../data/tokens.js";
import type { CompletionLogps } from "./completion.js";
import { TrainingError } from "./errors.js";
import type { ObjectiveMetrics } from "./metrics.js";

/** Plain JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Hyperparameters in readable form. */
export type Settings = { readonly [name: string]: Json };

/**
 * What training minimises, over rows of any kind: which completions of a row the model is scored on, and the loss as a function of those scores. `tokenObjective`,
 * `pairObjective` and `unpairedObjective` make one of a loss per token, per pair, or per labelled completion.
 */
export interface Objective<Row> {
  readonly name: string;
  /** With the name and the rows all that the loss depends on: checkpoints compare it, kept results digest it. */
  readonly settings: Settings;
  /** The completions whose log-probs the loss is a function of. */
  completions(rows: readonly Row[]): readonly CompletionRow[];
  /** Completions that are scored without gradients, before the loss. */
  observed?(rows: readonly Row[]): readonly CompletionRow[];
  /** How much a row counts in the mean over an optimizer step, >= 0; default 1. */
  weight?(row: Row): number;
  /** What is missing in a row, in words that follow "row 3 "; undefined where it can be trained on. */
  lacks?(row: Row): string | undefined;
  /**
   * The weighted mean over rows. Called while gradients are recorded, possibly for a part of a step's rows; a step's loss is the weighted mean of its parts', so that of what is no
   * mean over rows, such as `tokenNll`, depends on the parts.
   */
  loss(batch: ScoredBatch<Row>): RowsLoss;
  /** A step's metrics from the columns that its parts gave, one after the other. Left out: the mean of each. */
  summarize?(columns: Readonly<Record<string, readonly number[]>>): ObjectiveMetrics;
  /** All names that its metrics can have, where they are known. */
  readonly metrics?: readonly string[];
}

/** Rows with the log-probs that the objective asked for. */
export interface ScoredBatch<Row> extends CompletionLogps {
  rows: readonly Row[];
  /** Sum of the rows' weights. */
  weight: number;
  /** Log-probs of `completions(rows)`, sums over their tokens times the tokens' weights, `[R]`, in nats. */
  sums(options?: { unweighted: true }): tf.Tensor1D;
  /** The same of `observed(rows)`, without gradients; empty without them. */
  observed: tf.Tensor1D;
}

/** What an objective makes of a batch. */
export interface RowsLoss {
  /** A scalar. */
  loss: tf.Scalar;
  /** Numbers to look at, `[any]` each. Metrics of one's own have a slash in their names. */
  columns?: Record<string, tf.Tensor1D>;
}

/**
 * What an objective's loss gave, as it is.
 * @throws TrainingError naming the objective, when there is no scalar among it
 */
export function checkedLoss<Loss extends { loss: tf.Scalar }>(name: string, given: Loss): Loss {
  if (hasShape(given?.loss, [])) return given;
  const gave = given instanceof Promise ? given : given?.loss;
  throw new TrainingError(`objective "${name}": its loss is ${givenInWords(gave)}; return a scalar tensor as \`loss\``);
}
