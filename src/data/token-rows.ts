import { z } from "zod";
import { DataError } from "./errors.js";
import { readJsonl } from "./jsonl.js";
import type { TokenPair, TokenRow } from "./tokens.js";

/**
 * JSON Lines of token ids, with the columns of TRL's tokenized data sets: what a RUN.json trains on where text would not say which tokens are meant, or how much each
 * counts.
 */

const ids = z.array(z.int().min(0));
const completion = ids.min(1);

const weights = z.array(z.number().min(0));

type Columns = Record<string, number | number[] | undefined>;
type Check = (row: Columns, context: z.RefinementCtx) => void;

const sized = (value: Columns[string]) => (Array.isArray(value) ? value.length : 0);
const issue = (field: string, message: string) => ({ code: "custom" as const, path: [field], message });

/** `weights`, where a row has them, are of each token of `of`. */
const weighs =
  (of: string, weights: string): Check =>
  (row, context) => {
    if (row[weights] && sized(row[weights]) !== sized(row[of])) context.addIssue(issue(weights, `must have a number for each of ${of}`));
  };

/** A row has both fields or neither. */
const together =
  (one: string, other: string): Check =>
  (row, context) => {
    if ((row[one] === undefined) !== (row[other] === undefined)) context.addIssue(issue(one, `and ${other} belong together`));
  };

const rowColumns = z
  .object({ prompt_ids: ids, completion_ids: completion, weights: weights.optional() })
  .superRefine(weighs("completion_ids", "weights"));

const pairColumns = z
  .object({
    prompt_ids: ids,
    chosen_ids: completion,
    rejected_ids: completion,
    chosen_weights: weights.optional(),
    rejected_weights: weights.optional(),
    ref_chosen_logps: z.number().optional(),
    ref_rejected_logps: z.number().optional(),
  })
  .superRefine(weighs("chosen_ids", "chosen_weights"))
  .superRefine(weighs("rejected_ids", "rejected_weights"))
  .superRefine(together("chosen_weights", "rejected_weights"))
  .superRefine(together("ref_chosen_logps", "ref_rejected_logps"));

/** `{prompt_ids, completion_ids, weights}`; weights where the row has some. @throws DataError for a row with targets, which have no column */
export function rowToColumns({ prompt, completion, weights, targets }: TokenRow): z.input<typeof rowColumns> {
  if (targets) throw new DataError("a row has targets, which no column of token ids is for");
  return { prompt_ids: prompt, completion_ids: completion, ...(weights && { weights }) };
}

/** `{prompt_ids, chosen_ids, rejected_ids, chosen_weights, rejected_weights, ref_chosen_logps, ref_rejected_logps}`; the last four where the pair has them. */
export function pairToColumns({ prompt, chosen, rejected, weights, reference }: TokenPair): z.input<typeof pairColumns> {
  return {
    prompt_ids: prompt,
    chosen_ids: chosen,
    rejected_ids: rejected,
    ...(weights && { chosen_weights: weights.chosen, rejected_weights: weights.rejected }),
    ...(reference && { ref_chosen_logps: reference.chosen, ref_rejected_logps: reference.rejected }),
  };
}

/** Whether a file's rows are token ids. @throws DataError as `readJsonl` */
export const holdsTokenIds = (path: string): boolean => "prompt_ids" in (readJsonl(path)[0]?.value ?? {});

/** Rows for supervised fine-tuning. @throws DataError `FILE:LINE: FIELD: cause` */
export const readRowColumns = (path: string): TokenRow[] =>
  readColumns(path, rowColumns).map(({ prompt_ids, completion_ids, weights }) => ({
    prompt: prompt_ids,
    completion: completion_ids,
    ...(weights && { weights }),
  }));

/** Preference pairs. @throws DataError `FILE:LINE: FIELD: cause` */
export const readPairColumns = (path: string): TokenPair[] =>
  readColumns(path, pairColumns).map((row) => ({
    prompt: row.prompt_ids,
    chosen: row.chosen_ids,
    rejected: row.rejected_ids,
    ...both("weights", row.chosen_weights, row.rejected_weights),
    ...both("reference", row.ref_chosen_logps, row.ref_rejected_logps),
  }));

/** What a pair has of both sides, or of neither. */
const both = <Name extends string, T>(name: Name, chosen: T | undefined, rejected: T | undefined) =>
  chosen !== undefined && rejected !== undefined ? ({ [name]: { chosen, rejected } } as { [K in Name]: { chosen: T; rejected: T } }) : {};

const readColumns = <T>(path: string, columns: z.ZodType<T>): T[] =>
  readJsonl(path).map(({ line, value }) => {
    const parsed = columns.safeParse(value);
    if (parsed.success) return parsed.data;
    const { path: field, message } = parsed.error.issues[0]!;
    throw new DataError(`${path}:${line}: ${field.join(".")}: ${message}`);
  });
