import * as tf from "@tensorflow/tfjs";
import { giveWay } from "../backend/give-way.js";
import { type Prompt, promptTokens } from "../generation/asking.js";
import { contextTokens, promptEdits } from "../generation/contexts.js";
import { boundEdits, type DecodedRow, ruledLogits } from "../generation/decoding.js";
import type { Policy } from "../generation/policy.js";
import type { KvCache } from "../model/cache.js";
import { completionLogps } from "../training/completion.js";
import { sum } from "./averages.js";

/** A prompt and a completion that is given, not sampled. */
export interface GivenCompletion {
  prompt: Prompt;
  completion: readonly number[];
}

/** Log-probabilities of given completions under a policy, sums over tokens, in nats, one per row. @throws RangeError as `policyTokenLogps` */
export async function policyLogps(policy: Policy, rows: readonly GivenCompletion[]): Promise<number[]> {
  const logps = await policyTokenLogps(policy, rows);
  return logps.map(sum);
}

/**
 * Log-probabilities of the tokens of given completions under a policy, in nats, a list per row; nothing predicts the first token of an empty prompt's completion, which has 0. Where the policy's
 * decoding rewrites logits or edits states they are those of the rewritten ones, found token by token; the temperature, top-k and top-p do not count, nor does a search.
 *
 * @throws RangeError when a row is longer than the model's positions, or a decoding that rewrites is given an empty prompt or, with several contexts, token ids
 */
export async function policyTokenLogps(policy: Policy, rows: readonly GivenCompletion[]): Promise<number[][]> {
  const { model, adapter, asking, decoding } = policy;
  if (decoding.logits || decoding.edits) return forcedLogps(policy, rows);
  await giveWay();
  const asked = rows.map(({ prompt, completion }) => ({ prompt: promptTokens(model.tokenizer, asking, prompt), completion }));
  const { logps, row, position } = completionLogps(model.decoder, asked, adapter);
  const values = await logps.data();
  logps.dispose();
  const all = rows.map(({ completion }) => completion.map(() => 0));
  for (const [n, b] of row.entries()) all[b]![position[n]!] = values[n]!;
  return all;
}

/** The prompts are run in all contexts, then the completions' tokens are put behind them one by one; a row whose completion has ended leaves. */
async function forcedLogps(policy: Policy, rows: readonly GivenCompletion[]): Promise<number[][]> {
  const { model, adapter, decoding } = policy;
  const prompts = rows.map(({ prompt }) => prompt);
  const asked = contextTokens(policy, prompts, "policyLogps");
  const edits = await promptEdits(policy, prompts, "policyLogps");
  /** Rows that have a token behind the first t, with these. */
  const open = (t: number): DecodedRow[] =>
    rows.flatMap(({ completion }, index) => (completion.length > t ? [{ index, ids: completion.slice(0, t) }] : []));
  const all = rows.map((): number[] => []);
  let batch = open(0);
  if (batch.length === 0) return all;
  const weights = model.decoder.merged(adapter);
  const streams: { cache: KvCache; logits: tf.Tensor2D }[] = [];
  try {
    for (const ids of asked) {
      const own = batch.map(({ index }) => ids[index]!);
      streams.push(model.decoder.prefill(weights, own, { edit: boundEdits(edits, batch) }));
    }
    for (let t = 0; ; t++) {
      await giveWay();
      const targets = batch.map(({ index }) => rows[index]!.completion[t]!);
      const logps = tf.tidy(() => {
        const [own, ...others] = streams.map(({ logits }) => logits);
        const next = tf.logSoftmax(ruledLogits(decoding.logits, [own!, ...others], batch)); // [B, V]
        const target = tf.oneHot(tf.tensor1d(targets, "int32"), own!.shape[1], 1, 0, "bool");
        return tf.sum(tf.where(target, next, tf.zerosLike(next)), 1); // [B]; no product, since a rule may forbid tokens by -Infinity
      });
      const values = await logps.data();
      logps.dispose();
      for (const [b, { index }] of batch.entries()) all[index]!.push(values[b]!);
      const stays = batch.flatMap(({ index }, b) => (rows[index]!.completion.length > t + 1 ? [b] : []));
      const ended = stays.length < batch.length;
      batch = open(t + 1);
      if (batch.length === 0) break;
      const given = stays.map((b) => targets[b]!);
      for (const stream of streams) {
        stream.logits.dispose();
        if (ended) stream.cache = stream.cache.take(stays);
        stream.logits = model.decoder.step(weights, stream.cache, given, { edit: boundEdits(edits, batch) });
      }
    }
  } finally {
    for (const { cache, logits } of streams) {
      cache.dispose();
      logits.dispose();
    }
    weights.dispose();
  }
  return all;
}
