import * as tf from "@tensorflow/tfjs";
import { giveWay } from "../backend/give-way.js";
import { drawTokens } from "../backend/ops/draw-tokens.js";
import type { Rng } from "../backend/random.js";
import { readLast } from "../backend/read.js";
import type { KvCache } from "../model/cache.js";
import { prefillTokens, rowsInCache } from "../model/footprint.js";
import type { LanguageModel } from "../model/load.js";
import type { SamplingWeights } from "../model/merge.js";
import { type Choice, chooseToken } from "./choose.js";
import { contextTokens, promptEdits } from "./contexts.js";
import { boundEdits, type LogitsRule, ruledLogits, type StateRules } from "./decoding.js";
import type { Policy } from "./policy.js";
import type { Completion, Prompt, SampleOptions } from "./types.js";
import { LogitsError, unusableRow } from "./usable.js";

export type { Completion, Prompt, SampleOptions } from "./types.js";

/**
 * Completions of prompts, yielded as they end. A row that has ended leaves its batch; when half of the batch has left, prompts that wait take
 * the free places, the shortest first. Long prompts stand in smaller batches, so that keys and values stay below 2.6 GB. The policy's adapter is
 * merged into a copy of the weights for the time of the call.
 *
 * @throws RangeError before anything is sampled: for a temperature below 0, for maxNewTokens or batchSize that is no whole number >= 1, when a prompt is longer than the
 * model's positions, and when a policy with several contexts is given token ids instead of questions; later for an empty prompt, for top-k or top-p out of range, and
 * where a rule, an edit or a search's score gives what it must not
 * @throws LogitsError where logits hold NaN, as behind a training that diverged; the signal's reason once it is aborted
 */
export async function* sample(policy: Policy, prompts: readonly Prompt[], options: SampleOptions): AsyncGenerator<Completion> {
  const { model, adapter, decoding } = policy;
  const { search, choice } = decoding;
  if (!(choice.temperature >= 0)) throw new RangeError(`sample: the temperature must be >= 0, got ${choice.temperature}`);
  for (const name of ["maxNewTokens", "batchSize"] as const)
    if (!(Number.isInteger(options[name]) && options[name] >= 1))
      throw new RangeError(`sample: ${name} must be a whole number >= 1, got ${options[name]}`);
  const inContexts = (some: readonly Prompt[]) => contextTokens(policy, some, "sample");
  for (const asked of inContexts(prompts)) checkLengths(model, asked);
  const weights = model.decoder.merged(adapter);
  async function* once(some: readonly Prompt[], how: SampleOptions): AsyncGenerator<Completion> {
    const edits = await promptEdits(policy, some, "sample");
    yield* sampleMerged(policy, weights, inContexts(some), edits, how);
  }
  try {
    yield* search ? search.find(once, prompts, options, model.tokenizer) : once(prompts, options);
  } finally {
    weights.dispose();
  }
}

/** Token ids that end a completion of the model. */
export const endTokens = ({ tokenizer, config }: LanguageModel): ReadonlySet<number> => new Set([tokenizer.eosId, ...config.eosTokenIds]);

function checkLengths({ config: { maxPositions } }: LanguageModel, prompts: readonly (readonly number[])[]): void {
  const long = prompts.findIndex((prompt) => prompt.length > maxPositions);
  if (long >= 0) {
    throw new RangeError(`sample: prompt ${long + 1} has ${prompts[long]!.length} tokens, the model's positions end at ${maxPositions}`);
  }
}

/** A prompt's completion under way. */
interface Row {
  index: number;
  rng: Rng;
  ids: number[];
  /** When its prompt was taken up, ms. */
  since: number;
}

/** Keys and values of the rows in one context, and the logits [B, V] of their next tokens. */
interface Stream {
  cache: KvCache;
  logits: tf.Tensor2D;
}

/** Rows that are decoded together, in the policy's own context and the decoding's others. */
interface Batch {
  rows: Row[];
  streams: Stream[];
}

/** @param asked the prompts' token ids in each context, the policy's own first */
async function* sampleMerged(
  policy: Policy,
  weights: SamplingWeights,
  asked: readonly (readonly (readonly number[])[])[],
  edits: StateRules | null,
  { maxNewTokens, batchSize, rng, stream = String, stop, signal }: SampleOptions,
): AsyncGenerator<Completion> {
  const { model, decoding } = policy;
  const { choice, logits: rule } = decoding;
  const { decoder, config } = model;
  const ends = endTokens(model);
  const longest = asked[0]!.map((_, index) => Math.max(...asked.map((prompts) => prompts[index]!.length)));
  const room = (index: number) => Math.min(maxNewTokens, config.maxPositions - longest[index]! + 1); // the last token has no position
  const all = longest.map((_, i) => i);
  for (const index of all) if (room(index) <= 0) yield { index, ids: [], finished: false, seconds: 0 }; // a search's branch that has filled the positions
  const waiting = all.filter((index) => room(index) > 0).sort((a, b) => asked[0]![a]!.length - asked[0]![b]!.length);
  const most = (index: number) => Math.min(batchSize, rowsInCache(config, longest[index]! + maxNewTokens, asked.length));
  let batch: Batch | null = null;
  const decoded = (): number => batch?.rows.length ?? 0;
  /** Prompts that wait and now go through the model together: none where the batch is full. */
  const admitted = (): number[] => {
    let [count, tokens] = [0, 0];
    for (const index of waiting) {
      tokens += longest[index]!;
      if (decoded() + count >= most(index) || (count > 0 && tokens > prefillTokens)) break;
      count++;
    }
    return waiting.splice(0, count);
  };
  try {
    while (batch || waiting.length > 0) {
      if (waiting.length > 0 && decoded() <= most(waiting[0]!) / 2) {
        for (let some = admitted(); some.length > 0; some = admitted()) {
          const rows = some.map((index) => ({ index, rng: rng.fork(stream(index)), ids: [], since: performance.now() }));
          const streams = asked.map((prompts) =>
            decoder.prefill(
              weights,
              some.map((index) => prompts[index]!),
              { edit: boundEdits(edits, rows) },
            ),
          );
          batch = batch ? joined(batch, { rows, streams }) : { rows, streams };
        }
      }
      await giveWay(signal);
      const { rows, streams }: Batch = batch!;
      const logits = ruled(rule, streams, rows);
      const rngs = rows.map(({ rng }) => rng);
      const [next, wrong] = await Promise.all([chooseTokens(logits, rngs, choice), unusableRow(logits, rule)]);
      if (rule) logits.dispose();
      if (wrong >= 0) {
        const { index, ids } = rows[wrong]!;
        throw new LogitsError(policy, `${decoding.search ? "try" : "prompt"} ${index + 1}, token ${ids.length + 1}`);
      }
      const stays: number[] = [];
      for (const [at, { index, ids, since }] of rows.entries()) {
        ids.push(next[at]!);
        const finished = ends.has(next[at]!) || (stop?.(ids, index) ?? false);
        if (finished || ids.length === room(index)) yield { index, ids, finished, seconds: (performance.now() - since) / 1000 };
        else stays.push(at);
      }
      batch = kept(batch!, stays);
      if (!batch) continue;
      const edit = boundEdits(edits, batch.rows);
      for (const stream of batch.streams)
        stream.logits = decoder.step(
          weights,
          stream.cache,
          stays.map((at) => next[at]!),
          { edit },
        );
    }
  } finally {
    for (const { cache, logits } of batch?.streams ?? []) {
      cache.dispose();
      logits.dispose();
    }
  }
}

/** The logits that a token is chosen from. */
function ruled(rule: LogitsRule | null, [own, ...others]: readonly Stream[], rows: readonly Row[]): tf.Tensor2D {
  if (!rule) return own!.logits;
  return tf.tidy(() => {
    const contexts = others.map(({ logits }) => logits);
    return tf.clone(ruledLogits(rule, [own!.logits, ...contexts], rows)); // the rule may give one of its inputs back
  });
}

/** The rows of both batches, `a`'s first. */
function joined(a: Batch, b: Batch): Batch {
  const streams = a.streams.map((mine, i) => {
    const other = b.streams[i]!;
    const logits = tf.concat([mine.logits, other.logits], 0);
    tf.dispose([mine.logits, other.logits]);
    return { cache: mine.cache.join(other.cache), logits };
  });
  return { rows: [...a.rows, ...b.rows], streams };
}

/** The batch with some of its rows, without its logits, which are used up; null where none stays. */
function kept({ rows, streams }: Batch, stays: readonly number[]): Batch | null {
  for (const { logits } of streams) logits.dispose();
  if (stays.length === rows.length) return { rows, streams };
  if (stays.length > 0)
    return { rows: stays.map((at) => rows[at]!), streams: streams.map(({ cache, logits }) => ({ cache: cache.take(stays), logits })) };
  for (const { cache } of streams) cache.dispose();
  return null;
}

/** One token per row: the likeliest at temperature 0, else drawn with the row's own stream. logits [B, V] -> [B] ids. */
async function chooseTokens(logits: tf.Tensor2D, rngs: readonly Rng[], choice: Choice): Promise<ArrayLike<number>> {
  if (choice.temperature === 0) return readLast(tf.argMax(logits, 1));
  if (choice.topK === undefined && choice.topP === undefined) {
    const at = rngs.map((rng) => rng.uniform());
    return readLast(drawTokens(logits, at, choice.temperature));
  }
  const values = (await logits.data()) as Float32Array;
  const V = logits.shape[1];
  return rngs.map((rng, row) => chooseToken(values.subarray(row * V, (row + 1) * V), choice, rng));
}
