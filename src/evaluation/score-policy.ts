import { DataError } from "../data/errors.js";
import type { PreferenceRow } from "../data/preferences.js";
import { type Asking, askingTokenizer, promptTokens, quotedText } from "../generation/asking.js";
import { waysOf } from "../generation/contexts.js";
import type { Policy } from "../generation/policy.js";
import { pieces } from "../setup/lists.js";
import { tokenizeCut } from "../training/rows.js";
import { ofRows, type PairScore, scorePairs } from "../training/score.js";
import { type GivenCompletion, policyLogps } from "./policy-logps.js";
import { whyMessages } from "./prompt-file.js";

/** How pairs are scored. */
export interface ScoreOptions {
  /** Pairs at a time. */
  batchSize: number;
  /** Tokens of prompt and completion that are kept, from the start; null for all. */
  maxLength: number | null;
  /** What errors call the rows' file. */
  source: string;
  /** Told how many rows are done. */
  onBatch?: (done: number, total: number) => void;
}

/**
 * Scores preference pairs under a policy, in their order, as `scorePairs` does under a model: messages are asked in the policy's way, and where its decoding rewrites
 * logits or edits states the log-probs are those of what comes of it. A search does not count.
 * @throws DataError as `scorePairs`, and for a string where the policy needs messages
 */
export async function scorePolicyPairs(policy: Policy, rows: readonly PreferenceRow[], options: ScoreOptions): Promise<PairScore[]> {
  const { model, adapter, asking, decoding } = policy;
  const why = whyMessages(policy);
  const text = rows.findIndex(({ prompt }) => typeof prompt === "string");
  if (why && text >= 0) throw new DataError(`${options.source}: row ${text + 1}: prompt: ${why}`);
  if (!decoding.logits && !decoding.edits)
    return scorePairs(
      { ...model, tokenizer: askingTokenizer(model.tokenizer, asking) },
      rows.map((row) => quotedRow(policy, row)),
      adapter,
      options,
    );

  const given = ofRows(rows, options.source, (row) => givenPair(policy, row, options.maxLength));
  const scores: PairScore[] = [];
  for (const batch of pieces(given, options.batchSize)) {
    const scored = batch.flat().filter(({ completion }) => completion.length > 0);
    const logps = scored.length > 0 ? await policyLogps(policy, scored) : [];
    const score = (one: GivenCompletion) => logps[scored.indexOf(one)] ?? 0;
    for (const [chosen, rejected] of batch) {
      scores.push({
        chosen_logps: score(chosen),
        rejected_logps: score(rejected),
        chosen_tokens: chosen.completion.length,
        rejected_tokens: rejected.completion.length,
      });
    }
    options.onBatch?.(scores.length, rows.length);
  }
  return scores;
}

/** A pair's completions behind their prompt, which a policy with several contexts puts in each of them. */
function givenPair(policy: Policy, row: PreferenceRow, maxLength: number | null): [GivenCompletion, GivenCompletion] {
  const { model, asking } = policy;
  const { tokenizer, config } = model;
  const quoted = quotedRow(policy, row);
  const cut = (way: Asking, longest: number | null) =>
    tokenizeCut({ config, tokenizer: askingTokenizer(tokenizer, way) }, quoted.prompt, [quoted.chosen, quoted.rejected], {
      maxLength: longest,
    });
  const own = cut(asking, maxLength);
  const others = waysOf(policy)
    .slice(1)
    .map((way) => cut(way, null));
  const given = (side: 0 | 1): GivenCompletion => {
    const { prompt, completion } = own[side] ?? { prompt: [], completion: [] };
    if (completion.length > 0 && prompt.length === 0) throw new DataError("prompt: is empty");
    if (others.length === 0 || completion.length === 0 || typeof row.prompt === "string") return { prompt, completion };
    const question = { messages: row.prompt };
    const asked = promptTokens(tokenizer, asking, question).length === prompt.length; // else a token has grown over the seam
    if (!asked || others.some((other) => completion.some((id, t) => other[side]?.completion[t] !== id)))
      throw new DataError(`${side === 0 ? "chosen" : "rejected"}: has other tokens in the policy's second way of asking`);
    return { prompt: question, completion };
  };
  return [given(0), given(1)];
}

/** A pair with its texts as the policy's tokenizer reads them. */
function quotedRow({ model: { tokenizer }, asking }: Policy, row: PreferenceRow): PreferenceRow {
  const quoted = <T extends PreferenceRow["prompt"]>(text: T) => quotedText(tokenizer, asking, text);
  return { ...row, prompt: quoted(row.prompt), chosen: quoted(row.chosen), rejected: quoted(row.rejected) };
}
