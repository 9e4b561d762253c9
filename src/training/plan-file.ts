import { z } from "zod";
import { readText } from "../data/jsonl.js";
import { parseJsonText } from "../setup/json.js";
import type { Plan } from "./batches.js";
import { TrainingError } from "./errors.js";
import type { Tokenized } from "./rows.js";

const planSchema = z.array(z.array(z.int().min(0)).min(1)).min(1);

/**
 * A plan of a JSON file: for each optimizer step a list of the rows' places in the data, from 0.
 * @throws TrainingError when the file is not one, or not of these rows; DataError when it cannot be read
 */
export function readPlan(path: string, { rows, leftOut }: Pick<Tokenized<unknown>, "rows" | "leftOut">): Plan {
  if (leftOut[0] !== undefined)
    throw new TrainingError(`${path}: row ${leftOut[0]} of the data is left out by max_length, so the places in this file are of others`);
  let value: unknown;
  try {
    value = parseJsonText(readText(path));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new TrainingError(`${path}: not JSON (${error.message.split("\n")[0]})`);
  }
  const parsed = planSchema.safeParse(value);
  if (!parsed.success) {
    const { path: at, message } = parsed.error.issues[0]!;
    throw new TrainingError(`${path}: must be a list of lists of row numbers: ${at.length > 0 ? `[${at.join("][")}]: ` : ""}${message}`);
  }
  const step = parsed.data.findIndex((batch) => batch.some((row) => row >= rows.length));
  if (step >= 0) {
    const beyond = parsed.data[step]!.find((row) => row >= rows.length);
    throw new TrainingError(`${path}: step ${step + 1} has row ${beyond}, but the data's rows are 0 to ${rows.length - 1}`);
  }
  return parsed.data;
}
