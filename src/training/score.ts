import { DataError } from "../data/errors.js";
import type { PreferenceRow } from "../data/preferences.js";
import type { TokenPair } from "../data/tokens.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import { referenceLogps } from "./preference.js";
import { tokenizeCut } from "./rows.js";

/** Log-probs of a pair's completions: sums over their tokens, in nats. */
export interface PairScore {
  chosen_logps: number;
  rejected_logps: number;
  chosen_tokens: number;
  rejected_tokens: number;
}

/**
 * Scores preference pairs, in their order. A pair whose prompt alone fills `maxLength` has no completion tokens left: sums and counts of 0.
 * @param options.source names the rows in errors
 * @throws DataError when a row is longer than the model's positions or mixes strings and messages
 */
export async function scorePairs(
  model: LanguageModel,
  rows: readonly PreferenceRow[],
  lora: Lora | null,
  options: { batchSize: number; maxLength: number | null; source: string; onBatch?: (done: number, total: number) => void },
): Promise<PairScore[]> {
  const pairs = ofRows(rows, options.source, ({ prompt, chosen, rejected }): TokenPair => {
    const [w, l] = tokenizeCut(model, prompt, [chosen, rejected], options);
    return { prompt: w?.prompt ?? [], chosen: w?.completion ?? [], rejected: l?.completion ?? [] };
  });
  const scored = await referenceLogps(model, pairs, lora, options);
  return scored.map(({ chosen, rejected, reference }) => ({
    chosen_logps: reference!.chosen,
    rejected_logps: reference!.rejected,
    chosen_tokens: chosen.length,
    rejected_tokens: rejected.length,
  }));
}

/** What is made of each row. @throws DataError naming `source` and the row, where one cannot be used */
export function ofRows<Row, Made>(rows: readonly Row[], source: string, make: (row: Row) => Made): Made[] {
  return rows.map((row, i) => {
    try {
      return make(row);
    } catch (error) {
      if (error instanceof DataError) throw new DataError(`${source}: row ${i + 1}: ${error.message}`);
      throw error;
    }
  });
}
