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

const rowColumns = z
  .object({ prompt_ids: ids, completion_ids: completion, weights: z.array(z.number().min(0)).optional() })
  .refine(({ completion_ids, weights = completion_ids }) => weights.length === completion_ids.length, {
    path: ["weights"],
    error: "must have a number for each of completion_ids",
  });

const pairColumns = z
  .object({
    prompt_ids: ids,
    chosen_ids: completion,
    rejected_ids: completion,
    ref_chosen_logps: z.number().optional(),
    ref_rejected_logps: z.number().optional(),
  })
  .refine((row) => (row.ref_chosen_logps === undefined) === (row.ref_rejected_logps === undefined), {
    path: ["ref_chosen_logps"],
    error: "and ref_rejected_logps belong together",
  });

/** `{prompt_ids, completion_ids, weights}`; weights where the row has some. @throws DataError for a row with targets, which have no column */
export function rowToColumns({ prompt, completion, weights, targets }: TokenRow): z.input<typeof rowColumns> {
  if (targets) throw new DataError("a row has targets, which no column of token ids is for");
  return { prompt_ids: prompt, completion_ids: completion, ...(weights && { weights }) };
}

/** `{prompt_ids, chosen_ids, rejected_ids, ref_chosen_logps, ref_rejected_logps}`. @throws DataError for a pair with weights, which have no column */
export function pairToColumns({ prompt, chosen, rejected, weights, reference }: TokenPair): z.input<typeof pairColumns> {
  if (weights) throw new DataError("a pair has weights, which no column of token ids is for");
  return {
    prompt_ids: prompt,
    chosen_ids: chosen,
    rejected_ids: rejected,
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
  readColumns(path, pairColumns).map(
    ({ prompt_ids, chosen_ids, rejected_ids, ref_chosen_logps: chosen, ref_rejected_logps: rejected }) => ({
      prompt: prompt_ids,
      chosen: chosen_ids,
      rejected: rejected_ids,
      ...(chosen !== undefined && rejected !== undefined && { reference: { chosen, rejected } }),
    }),
  );

const readColumns = <T>(path: string, columns: z.ZodType<T>): T[] =>
  readJsonl(path).map(({ line, value }) => {
    const parsed = columns.safeParse(value);
    if (parsed.success) return parsed.data;
    const { path: field, message } = parsed.error.issues[0]!;
    throw new DataError(`${path}:${line}: ${field.join(".")}: ${message}`);
  });
