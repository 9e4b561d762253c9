import * as tf from "@tensorflow/tfjs";
import { type Prompt, promptTokens } from "../generation/asking.js";
import { contextTokens, promptEdits } from "../generation/contexts.js";
import { boundEdits, ruledLogits } from "../generation/decoding.js";
import type { Policy } from "../generation/policy.js";
import { completionLogps } from "../training/completion.js";

/** A prompt and a completion that is given, not sampled. */
export interface GivenCompletion {
  prompt: Prompt;
  completion: readonly number[];
}

/** Log-probabilities of given completions under a policy, sums over tokens, in nats, one per row. @throws RangeError as `policyTokenLogps` */
export async function policyLogps(policy: Policy, rows: readonly GivenCompletion[]): Promise<number[]> {
  const logps = await policyTokenLogps(policy, rows);
  return logps.map((row) => row.reduce((sum, logp) => sum + logp, 0));
}

/**
 * Log-probabilities of the tokens of given completions under a policy, in nats, a list per row; nothing predicts the first token of an empty prompt's completion, which has 0. Where the policy's
 * decoding rewrites logits or edits states they are those of the rewritten ones, found token by token; the temperature, top-k and top-p do not count, nor does a search.
 *
 * @throws RangeError when a decoding with several contexts is given token ids
 */
export async function policyTokenLogps(policy: Policy, rows: readonly GivenCompletion[]): Promise<number[][]> {
  const { model, adapter, asking, decoding } = policy;
  if (decoding.logits || decoding.edits) return forcedLogps(policy, rows);
  const asked = rows.map(({ prompt, completion }) => ({ prompt: promptTokens(model.tokenizer, asking, prompt), completion }));
  const { logps, row, position } = completionLogps(model.decoder, asked, adapter);
  const values = await logps.data();
  logps.dispose();
  const all = rows.map(({ completion }) => completion.map(() => 0));
  for (const [n, b] of row.entries()) all[b]![position[n]!] = values[n]!;
  return all;
}

/** The prompts are run in all contexts, then the completions' tokens are put behind them one by one. */
async function forcedLogps(policy: Policy, rows: readonly GivenCompletion[]): Promise<number[][]> {
  const { model, adapter, decoding } = policy;
  const prompts = rows.map(({ prompt }) => prompt);
  const asked = contextTokens(policy, prompts, "policyLogps");
  const edits = await promptEdits(policy, prompts, "policyLogps");
  const weights = model.decoder.merged(adapter);
  const written = (t: number) => rows.map(({ completion }, index) => ({ index, ids: completion.slice(0, t) }));
  const streams = asked.map((ids) => model.decoder.prefill(weights, ids, { edit: boundEdits(edits, written(0)) }));
  const all = rows.map((): number[] => []);
  try {
    const steps = Math.max(...rows.map(({ completion }) => completion.length));
    for (let t = 0; t < steps; t++) {
      const targets = rows.map(({ completion }) => completion[t] ?? 0); // a row that has ended is run on, and not counted
      const logps = tf.tidy(() => {
        const [own, ...others] = streams.map(({ logits }) => logits);
        const next = tf.logSoftmax(ruledLogits(decoding.logits, [own!, ...others], written(t))); // [B, V]
        const target = tf.oneHot(tf.tensor1d(targets, "int32"), own!.shape[1], 1, 0, "bool");
        return tf.sum(tf.where(target, next, tf.zerosLike(next)), 1); // [B]; no product, since a rule may forbid tokens by -Infinity
      });
      const values = await logps.data();
      logps.dispose();
      for (const [b, { completion }] of rows.entries()) if (t < completion.length) all[b]!.push(values[b]!);
      for (const stream of streams) {
        stream.logits.dispose();
        if (t + 1 < steps) stream.logits = model.decoder.step(weights, stream.cache, targets, { edit: boundEdits(edits, written(t + 1)) });
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
