import * as tf from "@tensorflow/tfjs";
import { giveWay } from "../backend/give-way.js";
import { givenInWords, hasShape } from "../backend/given.js";
import type { Rng } from "../backend/random.js";
import { readLast } from "../backend/read.js";
import { releaseTape } from "../backend/tape.js";
import type { CompletionRow } from "../data/tokens.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import { pieces } from "../setup/lists.js";
import { completionLogps, rowSums, sequenceLogps } from "./completion.js";
import { TrainingError } from "./errors.js";
import type { EvaluationMetrics, ObjectiveMetrics } from "./metrics.js";
import { checkedLoss, type Objective } from "./objective.js";
import { flatten } from "./optimizer.js";

/** How rows are run through the model. */
export interface ScoreOptions {
  lora: Lora;
  /** Rows at a time. */
  size: number;
  gradientCheckpointing?: boolean;
  /** Dropout on the adapter's inputs; each part draws its own from the step's stream. */
  dropout?: { p: number; rng: Rng };
}

/** What an objective says of some rows. */
export interface Outcome {
  /** The weighted mean over the rows. */
  loss: number;
  /** The objective's columns, each part's values behind those of the part before it. */
  columns: Record<string, number[]>;
}

/** Sum of the rows' weights. */
export const totalWeight = <Row>({ weight }: Objective<Row>, rows: readonly Row[]): number =>
  weight ? rows.reduce((sum, row) => sum + weight(row), 0) : rows.length;

/** Tokens of prompts and completions that the rows are scored on, those that are run once for several counted for each. */
export const scoredTokens = <Row>(objective: Objective<Row>, rows: readonly Row[]): number =>
  objective.completions(rows).reduce((sum, { prompt, completion }) => sum + prompt.length + completion.length, 0);

/** The metrics that an objective makes of its columns. */
export const summary = <Row>({ summarize = means }: Objective<Row>, { columns }: Outcome): ObjectiveMetrics => summarize(columns);

const means = (columns: Readonly<Record<string, readonly number[]>>): ObjectiveMetrics =>
  Object.fromEntries(Object.entries(columns).map(([name, xs]) => [name, xs.reduce((a, b) => a + b, 0) / xs.length]));

/**
 * Loss of a step's rows and its flat gradient `[P]`, part by part; null when the signal ends it. Parts whose rows count for nothing are left out. Keeps the gradient
 * only.
 */
export async function stepGradient<Row>(
  model: LanguageModel,
  rows: readonly Row[],
  objective: Objective<Row>,
  options: ScoreOptions,
  signal: AbortSignal | undefined,
): Promise<(Outcome & { gradient: tf.Tensor1D }) | null> {
  const variables = options.lora.variables();
  const outcome: Outcome = { loss: 0, columns: {} };
  let gradient: tf.Tensor1D | null = null;
  for (const [k, part] of weighted(objective, rows, options.size).entries()) {
    if (k > 0) await giveWay();
    if (signal?.aborted) {
      gradient?.dispose();
      return null;
    }
    const observed = observedSums(model, part.rows, objective, options.lora);
    let seen: Seen | undefined;
    try {
      const { value, sum } = tf.tidy(() => {
        const pass = () =>
          tf.variableGrads(() => {
            const { loss, ...columns } = score(model, part, objective, options, observed);
            seen = columns;
            return loss;
          }, variables);
        const { p = 0, rng } = options.dropout ?? {};
        const { value, grads } = rng ? options.lora.withDropout(p, rng.fork(String(k)), pass) : pass();
        const own = flatten(variables.map((variable) => grads[variable.name] ?? tf.zerosLike(variable)));
        const sum: tf.Tensor1D = gradient ? tf.add(gradient, own) : own;
        return { value, sum };
      });
      gradient?.dispose();
      gradient = sum;
      outcome.loss += (await readLast(value))[0]!;
      if (seen) await addColumns(outcome, seen);
    } catch (error) {
      gradient?.dispose();
      releaseTape();
      throw error;
    } finally {
      observed.dispose();
      seen?.values?.dispose();
    }
  }
  return { ...outcome, gradient: gradient! };
}

/**
 * What an objective says of rows that are not trained on: its loss, a mean over all of them, as `eval_loss`, and its metrics. Gradients are not computed.
 * @param rows with all that the objective needs, such as log-probs under the reference: they are not looked through as `train` does
 * @param options.lora the policy
 * @param options.size rows that are run at a time
 * @throws TrainingError when the rows count for nothing, or the objective gives no loss; RangeError when a row is longer than the model's positions
 */
export async function evaluateRows<Row>(
  model: LanguageModel,
  rows: readonly Row[],
  objective: Objective<Row>,
  options: { lora: Lora; size: number },
): Promise<EvaluationMetrics> {
  const parts = weighted(objective, rows, options.size);
  if (parts.length === 0)
    throw new TrainingError("held-out rows: no completion token counts: all weights are 0 or the completions are empty");
  const outcome: Outcome = { loss: 0, columns: {} };
  for (const part of parts) {
    await giveWay();
    const observed = observedSums(model, part.rows, objective, options.lora);
    let seen: Seen | undefined;
    try {
      const value = tf.tidy(() => {
        const { loss, ...columns } = score(model, part, objective, options, observed);
        seen = columns;
        return loss;
      });
      outcome.loss += (await readLast(value))[0]!;
      if (seen) await addColumns(outcome, seen);
    } finally {
      observed.dispose();
      seen?.values?.dispose();
    }
  }
  const own = Object.entries(summary(objective, outcome)).map(([name, value]) => [`eval_${name}`, value]);
  return { eval_loss: outcome.loss, ...Object.fromEntries(own) };
}

/** Some of a step's rows, and which share of the step's weight they have. */
interface Part<Row> {
  rows: readonly Row[];
  weight: number;
  share: number;
}

function weighted<Row>(objective: Objective<Row>, rows: readonly Row[], size: number): Part<Row>[] {
  const total = totalWeight(objective, rows);
  return pieces(rows, size).flatMap((rows) => {
    const weight = totalWeight(objective, rows);
    return weight > 0 ? [{ rows, weight, share: weight / total }] : [];
  });
}

/** A part's columns in one vector, kept; their names and how long each is. */
interface Seen {
  sizes: [name: string, size: number][];
  values?: tf.Tensor1D;
}

/** A part's contribution to the loss, and its columns. */
function score<Row>(
  model: LanguageModel,
  { rows, weight, share }: Part<Row>,
  objective: Objective<Row>,
  { lora, gradientCheckpointing }: Omit<ScoreOptions, "size">,
  observed: tf.Tensor1D,
): Seen & { loss: tf.Scalar } {
  const completions: readonly CompletionRow[] = objective.completions(rows);
  const tokens = completionLogps(model.decoder, completions, lora, gradientCheckpointing);
  const sums = (options?: { unweighted: true }) => rowSums(tokens, options ? completions.map(({ weights, ...row }) => row) : completions);
  const { name } = objective;
  const { loss, columns = {} } = checkedLoss(name, objective.loss({ ...tokens, rows, weight, sums, observed }));
  const named = Object.entries(columns);
  const wrong = named.find(([, column]) => !hasShape(column, [column?.size]));
  if (wrong) throw new TrainingError(`objective "${name}": its ${wrong[0]} are ${givenInWords(wrong[1])}; return a tensor [any]`);
  return {
    loss: tf.mul(loss, share),
    sizes: named.map(([name, { size }]) => [name, size]),
    values: named.length > 0 ? tf.keep(tf.concat1d(named.map(([, column]) => column))) : undefined,
  };
}

const observedSums = <Row>(model: LanguageModel, rows: readonly Row[], { observed }: Objective<Row>, lora: Lora): tf.Tensor1D =>
  observed ? sequenceLogps(model.decoder, observed(rows), lora) : tf.tensor1d([]);

async function addColumns({ columns }: Outcome, { sizes, values }: Seen): Promise<void> {
  const numbers = values ? [...((await values.data()) as Float32Array)] : [];
  let at = 0;
  for (const [name, size] of sizes) {
    columns[name] = [...(columns[name] ?? []), ...numbers.slice(at, at + size)];
    at += size;
  }
}
