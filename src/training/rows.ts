import { z } from "zod";
import { DataError } from "../data/errors.js";
import { readJsonl } from "../data/jsonl.js";
import { readPreferences } from "../data/preferences.js";
import type { TokenPair, TokenRow } from "../data/tokens.js";
import type { Tokenizer } from "../model/tokenizer.js";
import { keepStart, type Text, tokenizeCompletions } from "./tokenize.js";

const message = z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() });
const text = z.union([z.string(), z.array(message).min(1)], "must be a string or a list of messages {role, content}");
const sftRow = z.object({ prompt: text, completion: text });

/** How rows are cut. */
export interface CutOptions {
  /** Tokens of prompt and completion that are kept, from the start; null for all. */
  maxLength: number | null;
  /** The model's positions: no row may be longer. */
  maxPositions: number;
}

/** Tokenized rows, and which of the file's rows (from 1) are not among them, since their prompts alone fill `maxLength`. */
export interface Tokenized<T> {
  rows: T[];
  leftOut: number[];
}

/**
 * Rows {prompt, completion} of a JSON Lines file as token ids.
 * @throws DataError when a row is broken, does not fit the model, or none is left
 */
export function readTokenRows(path: string, tokenizer: Tokenizer, options: CutOptions): Tokenized<TokenRow> {
  const rows = readJsonl(path).map(({ line, value }) => {
    const parsed = sftRow.safeParse(value);
    if (parsed.success) return parsed.data;
    const field = String(parsed.error.issues[0]!.path[0]);
    throw new DataError(`${path}:${line}: ${field in value ? `${field}: ${parsed.error.issues[0]!.message}` : `missing field "${field}"`}`);
  });
  return cutAll(path, rows, options, (row) => {
    const [cut] = tokenizeCut(tokenizer, row.prompt, [row.completion], options);
    return cut ?? null;
  });
}

/**
 * Rows {prompt, chosen, rejected} of a JSON Lines file as token ids.
 * @throws DataError when a row is broken, does not fit the model, or none is left
 */
export function readTokenPairs(path: string, tokenizer: Tokenizer, options: CutOptions): Tokenized<TokenPair> {
  return cutAll(path, readPreferences(path), options, (row) => {
    const [chosen, rejected] = tokenizeCut(tokenizer, row.prompt, [row.chosen, row.rejected], options);
    return chosen && rejected ? { prompt: chosen.prompt, chosen: chosen.completion, rejected: rejected.completion } : null;
  });
}

/** A prompt with each of its completions, cut to `maxLength`; empty when the prompt alone fills it. */
export function tokenizeCut(
  tokenizer: Tokenizer,
  prompt: Text,
  completions: readonly Text[],
  { maxLength, maxPositions }: CutOptions,
): { prompt: number[]; completion: number[] }[] {
  const ids = tokenizeCompletions(tokenizer, prompt, completions);
  return ids.completions.flatMap((completion) => {
    const row = { prompt: ids.prompt, completion };
    const kept = maxLength === null ? row : keepStart(row, maxLength);
    const tokens = kept ? kept.prompt.length + kept.completion.length : 0;
    if (tokens > maxPositions)
      throw new DataError(`${tokens} tokens, but the model has ${maxPositions} positions: set a smaller max_length`);
    return kept ?? [];
  });
}

function cutAll<R, T>(path: string, rows: readonly R[], { maxLength }: CutOptions, cut: (row: R) => T | null): Tokenized<T> {
  if (rows.length === 0) throw new DataError(`${path}: there are no rows`);
  const leftOut: number[] = [];
  const kept = rows.flatMap((row, i) => {
    try {
      const tokens = cut(row);
      if (tokens === null) leftOut.push(i + 1);
      return tokens ?? [];
    } catch (error) {
      if (error instanceof DataError) throw new DataError(`${path}: row ${i + 1}: ${error.message}`);
      throw error;
    }
  });
  if (kept.length === 0) throw new DataError(`${path}: the prompts alone fill max_length ${maxLength} in all ${rows.length} rows`);
  return { rows: kept, leftOut };
}
