import { DataError } from "../data/errors.js";
import {
  type PreferenceRow,
  type PromptCompletionRow,
  readCompletions,
  readPreferences,
  readUnpaired,
  type UnpairedRow,
} from "../data/preferences.js";
import { holdsTokenIds, readPairColumns, readRowColumns } from "../data/token-rows.js";
import type { TokenPair, TokenRow, TokenUnpaired } from "../data/tokens.js";
import type { LanguageModel } from "../model/load.js";
import { keepStart, type Text, tokenizeCompletions } from "./tokenize.js";

/** Of a model, what token ids depend on. */
export type RowModel = Pick<LanguageModel, "tokenizer" | "config">;

/** How rows are cut. */
export interface CutOptions {
  /** Tokens of prompt and completion that are kept, from the start; null for all. */
  maxLength: number | null;
}

/** Tokenized rows, and which of the given rows (from 1) are not among them, since their prompts alone fill `maxLength`. */
export interface Tokenized<T> {
  rows: T[];
  leftOut: number[];
}

/**
 * TRL's rows {prompt, completion} as token ids, as TRL tokenises and cuts them.
 * @param rows strings or messages
 * @throws DataError `row N: cause` when a row mixes strings and messages, does not fit the model, or none is left
 */
export const tokenizeRows = (model: RowModel, rows: readonly PromptCompletionRow[], options: CutOptions): Tokenized<TokenRow> =>
  cutAll(rows, options, ({ prompt, completion }) => tokenizeCut(model, prompt, [completion], options)[0] ?? null);

/** TRL's rows {prompt, completion, label} as token ids; see `tokenizeRows`. */
export const tokenizeUnpaired = (model: RowModel, rows: readonly UnpairedRow[], options: CutOptions): Tokenized<TokenUnpaired> =>
  cutAll(rows, options, ({ prompt, completion, label }) => {
    const [cut] = tokenizeCut(model, prompt, [completion], options);
    return cut ? { ...cut, label } : null;
  });

/** TRL's rows {prompt, chosen, rejected} as token ids; see `tokenizeRows`. */
export const tokenizePairs = (model: RowModel, rows: readonly PreferenceRow[], options: CutOptions): Tokenized<TokenPair> =>
  cutAll(rows, options, (row) => {
    const [chosen, rejected] = tokenizeCut(model, row.prompt, [row.chosen, row.rejected], options);
    return chosen && rejected ? { prompt: chosen.prompt, chosen: chosen.completion, rejected: rejected.completion } : null;
  });

/**
 * The same from a JSON Lines file; rows and pairs may also be token ids (data/token-rows.ts).
 * @throws DataError `FILE:LINE: cause` when a row is broken, `FILE: row N: cause` as `tokenizeRows`
 */
export const readTokenRows = (path: string, model: RowModel, options: CutOptions): Tokenized<TokenRow> =>
  ofFile(path, () =>
    holdsTokenIds(path)
      ? cutAll(readRowColumns(path), options, (row) => cutIds(row, model, options))
      : tokenizeRows(model, readCompletions(path), options),
  );
export const readTokenUnpaired = (path: string, model: RowModel, options: CutOptions): Tokenized<TokenUnpaired> =>
  ofFile(path, () => tokenizeUnpaired(model, readUnpaired(path), options));
export const readTokenPairs = (path: string, model: RowModel, options: CutOptions): Tokenized<TokenPair> =>
  ofFile(path, () =>
    holdsTokenIds(path)
      ? cutAll(readPairColumns(path), options, (pair) => cutPair(pair, model, options))
      : tokenizePairs(model, readPreferences(path), options),
  );

/** A row of token ids, cut. @throws DataError for a token that the model has not, or as `cutRow` */
function cutIds<T extends TokenRow>(row: T, model: RowModel, options: CutOptions): T | null {
  const { vocabSize } = model.config;
  const unknown = [...row.prompt, ...row.completion].find((id) => id >= vocabSize);
  if (unknown !== undefined) throw new DataError(`token ${unknown} is not among the model's ${vocabSize}`);
  return cutRow(row, model, options);
}

/** The same of a pair. @throws DataError also where log-probs under a reference would be of other tokens than are kept */
function cutPair(pair: TokenPair, model: RowModel, options: CutOptions): TokenPair | null {
  const { prompt, weights, reference } = pair;
  const cut = (side: "chosen" | "rejected") =>
    cutIds({ prompt, completion: pair[side], ...(weights && { weights: weights[side] }) }, model, options);
  const [chosen, rejected] = [cut("chosen"), cut("rejected")];
  if (!chosen || !rejected) return null;
  const isCut = chosen.completion.length < pair.chosen.length || rejected.completion.length < pair.rejected.length;
  if (reference && isCut) throw new DataError(`its ref_chosen_logps are of more tokens than max_length ${options.maxLength} keeps`);
  return {
    ...pair,
    ...{ chosen: chosen.completion, rejected: rejected.completion },
    ...(weights && { weights: { chosen: chosen.weights!, rejected: rejected.weights! } }),
  };
}

/** A prompt with each of its completions, cut to `maxLength`; empty when the prompt alone fills it. */
export function tokenizeCut(
  model: RowModel,
  prompt: Text,
  completions: readonly Text[],
  options: CutOptions,
): { prompt: number[]; completion: number[] }[] {
  const ids = tokenizeCompletions(model.tokenizer, prompt, completions);
  return ids.completions.flatMap((completion) => cutRow({ prompt: ids.prompt, completion }, model, options) ?? []);
}

/** A row cut to `maxLength`; null when its prompt alone fills it. @throws DataError when it is longer than the model's positions */
export function cutRow<T extends TokenRow>(row: T, { config }: Pick<RowModel, "config">, { maxLength }: CutOptions): T | null {
  const kept = maxLength === null ? row : keepStart(row, maxLength);
  const tokens = kept ? kept.prompt.length + kept.completion.length : 0;
  if (tokens > config.maxPositions)
    throw new DataError(`${tokens} tokens, but the model has ${config.maxPositions} positions: set a smaller max_length`);
  return kept;
}

/** Makes rows of rows, and notes those that nothing is left of. @throws DataError `row N: cause` */
export function cutAll<R, T>(rows: readonly R[], { maxLength }: CutOptions, cut: (row: R) => T | null): Tokenized<T> {
  if (rows.length === 0) throw new DataError("there are no rows");
  const leftOut: number[] = [];
  const kept = rows.flatMap((row, i) => {
    try {
      const tokens = cut(row);
      if (tokens === null) leftOut.push(i + 1);
      return tokens ?? [];
    } catch (error) {
      throw error instanceof DataError ? new DataError(`row ${i + 1}: ${error.message}`) : error;
    }
  });
  if (kept.length === 0) throw new DataError(`the prompts alone fill max_length ${maxLength} in all ${rows.length} rows`);
  return { rows: kept, leftOut };
}

/** Puts the file before errors that do not name it. */
export function ofFile<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof DataError && !error.message.startsWith(`${path}:`) ? new DataError(`${path}: ${error.message}`) : error;
  }
}
