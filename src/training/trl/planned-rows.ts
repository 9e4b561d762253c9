import type { Rng } from "../../backend/random.js";
import { readCompletions, readPreferences } from "../../data/preferences.js";
import { holdsTokenIds, pairToColumns, rowToColumns } from "../../data/token-rows.js";
import type { TokenPair } from "../../data/tokens.js";
import type { LanguageModel } from "../../model/load.js";
import type { Plan } from "../batches.js";
import { TrainingError } from "../errors.js";
import { readTokenPairs, readTokenRows, type Tokenized } from "../rows.js";
import { batchPlan } from "../run.js";
import { lossTypes, type RunConfig } from "../run-config.js";
import { AVERAGED, hasReferences } from "../run-methods.js";

/** What train.jsonl holds, row by row. */
export interface PlannedRows {
  /** Text, or token ids with the step that they belong to. */
  rows: object[];
  steps: number;
  /** What DPO measures against: the log-probs that the rows have, the base model, or the policy as it starts. */
  reference: "rows" | "base" | "start";
}

/**
 * The rows of a stage in the order in which erpo takes them.
 * @param rng of the plan
 * @throws TrainingError for text in batches of unlike sizes, and for weights whose pairs have no log-probs under the reference, which TRL cannot be told; DataError
 */
export function plannedRows(config: RunConfig, model: LanguageModel, rng: Rng): PlannedRows {
  const cut = { maxLength: config.max_length };
  const before = config.reference_adapter === null ? "base" : "start";
  const ids = holdsTokenIds(config.data);
  if (config.method === "sft") {
    const read = readTokenRows(config.data, model, cut);
    const rows = ids ? idRows(config, read, rowToColumns, rng) : textRows(config, read, readCompletions(config.data), rng);
    return { ...rows, reference: before };
  }
  const read = readTokenPairs(config.data, model, cut);
  const known = hasReferences(config, read.rows);
  checkWeights(config, read.rows, known);
  const columns = ({ reference, ...pair }: TokenPair) => pairToColumns(known ? { ...pair, reference } : pair);
  const rows = ids ? idRows(config, read, columns, rng) : textRows(config, read, readPreferences(config.data), rng);
  return { ...rows, reference: known ? "rows" : before };
}

/** TRL knows no weights of pairs: the script gives them to its losses, which then weigh the NLL of `sft` too, and not to what computes the reference. */
function checkWeights(config: RunConfig, pairs: readonly TokenPair[], known: boolean): void {
  if (!pairs.some(({ weights }) => weights)) return;
  const where = `${config.data}: its pairs have weights`;
  if (!known)
    throw new TrainingError(`${where}, which TRL's reference would not: give all of them ref_chosen_logps and ref_rejected_logps`);
  if (lossTypes(config).includes("sft")) throw new TrainingError(`${where}, which TRL's loss_type sft would count: use nll_weight`);
  const averaged = lossTypes(config).find((loss) => AVERAGED.includes(loss));
  if (averaged) throw new TrainingError(`${where}, by which TRL's loss_type ${averaged} would not divide: it counts all tokens`);
}

type Rows = Pick<PlannedRows, "rows" | "steps">;

function idRows<Row>(config: RunConfig, read: Tokenized<Row>, columns: (row: Row) => object, rng: Rng): Rows {
  const plan = batchPlan(config, read, rng);
  return { rows: plan.flatMap((batch, step) => batch.map((i) => ({ step: step + 1, ...columns(read.rows[i]!) }))), steps: plan.length };
}

/** Text goes to TRL as it is: which rows are left out and in which order they come is known from the same rows as token ids. */
function textRows(config: RunConfig, read: Tokenized<unknown>, text: readonly object[], rng: Rng): Rows {
  const kept = text.filter((_, i) => !read.leftOut.includes(i + 1));
  const plan = batchPlan(config, read, rng);
  checkEven(config, plan, kept.length);
  return { rows: plan.flat().map((i) => kept[i]!), steps: plan.length };
}

/** TRL tokenizes text, and takes as many rows for each step. */
function checkEven({ data, batch_size, gradient_accumulation_steps }: RunConfig, plan: Plan, rows: number): void {
  const size = batch_size * gradient_accumulation_steps;
  const short = plan.findIndex((batch) => batch.length !== size);
  if (short < 0) return;
  const message = `step ${short + 1} has ${plan[short]!.length} of ${size} rows, which TRL would fill up`;
  throw new TrainingError(`${data}: ${message}: choose a batch_size that divides the ${rows} rows, or fewer max_steps`);
}
