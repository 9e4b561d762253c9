import * as tf from "@tensorflow/tfjs";
import { drawTokens } from "../backend/ops/draw-tokens.js";
import type { Rng } from "../backend/random.js";
import { readLast } from "../backend/read.js";
import type { KvCache } from "../model/cache.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import type { SamplingWeights } from "../model/merge.js";
import { type Choice, chooseToken } from "./choose.js";

export interface SampleOptions extends Choice {
  /** Upper bound of new tokens a completion, the end token included; >= 1. */
  maxNewTokens: number;
  /** Prompts that are decoded together. */
  batchSize: number;
  /** Each prompt gets its own stream, forked by its index: what is sampled does not depend on the order of the others. */
  rng: Rng;
  /** Index of the prompts' first one in a longer list, which they are a piece of; default 0. */
  first?: number;
  /** Ends a completion early: called with its tokens so far after each one. */
  stop?: (ids: readonly number[], index: number) => boolean;
  signal?: AbortSignal;
}

export interface Completion {
  /** Which prompt, counted from 0. */
  index: number;
  /** New tokens, the end token included. */
  ids: number[];
  /** Whether the model or `stop` ended it, rather than `maxNewTokens` or the end of the model's positions. */
  finished: boolean;
  /** From when its prompt was taken into the batch to its last token. */
  seconds: number;
}

/**
 * Completions of prompts, yielded as they end. A row that has ended leaves its batch; when half of the batch has left, prompts that wait take
 * the free places, the shortest first.
 *
 * @param lora merged into a copy of the weights for the time of the call
 * @param prompts token ids, each >= 1
 * @throws RangeError before anything is sampled: for a temperature below 0, and when a prompt is longer than the model's positions
 */
export async function* sample(
  model: LanguageModel,
  lora: Lora | null,
  prompts: readonly number[][],
  options: SampleOptions,
): AsyncGenerator<Completion> {
  if (!(options.temperature >= 0)) throw new RangeError(`sample: the temperature must be >= 0, got ${options.temperature}`);
  const { maxPositions } = model.config;
  const long = prompts.findIndex((prompt) => prompt.length > maxPositions);
  if (long >= 0) {
    throw new RangeError(`sample: prompt ${long + 1} has ${prompts[long]!.length} tokens, the model's positions end at ${maxPositions}`);
  }
  const weights = model.decoder.merged(lora);
  try {
    yield* sampleMerged(model, weights, prompts, options);
  } finally {
    weights.dispose();
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

/** Rows that are decoded together: their keys and values, and the logits [B, V] of their next tokens. */
interface Batch {
  rows: Row[];
  cache: KvCache;
  logits: tf.Tensor2D;
}

async function* sampleMerged(
  { decoder, tokenizer, config }: LanguageModel,
  weights: SamplingWeights,
  prompts: readonly number[][],
  { maxNewTokens, batchSize, rng, first = 0, stop, signal, ...choice }: SampleOptions,
): AsyncGenerator<Completion> {
  const ends = new Set([tokenizer.eosId, ...config.eosTokenIds]);
  const room = (index: number) => Math.min(maxNewTokens, config.maxPositions - prompts[index]!.length + 1); // the last token has no position
  const waiting = prompts.map((_, i) => i).sort((a, b) => prompts[a]!.length - prompts[b]!.length);
  let batch: Batch | null = null;
  try {
    while (batch || waiting.length > 0) {
      const places: number = batchSize - (batch?.rows.length ?? 0);
      if (waiting.length > 0 && places >= batchSize / 2) {
        const rows = waiting
          .splice(0, places)
          .map((index) => ({ index, rng: rng.fork(String(first + index)), ids: [], since: performance.now() }));
        const begun = decoder.prefill(
          weights,
          rows.map(({ index }) => prompts[index]!),
        );
        batch = batch ? joined(batch, { rows, ...begun }) : { rows, ...begun };
      }
      await new Promise((resolve) => setImmediate(resolve)); // timers and signals get their turn
      signal?.throwIfAborted();
      const { rows, logits }: Batch = batch!;
      const next = await chooseTokens(
        logits,
        rows.map((row) => row.rng),
        choice,
      );
      const stays: number[] = [];
      for (const [at, { index, ids, since }] of rows.entries()) {
        ids.push(next[at]!);
        const finished = ends.has(next[at]!) || (stop?.(ids, index) ?? false);
        if (finished || ids.length === room(index)) yield { index, ids, finished, seconds: (performance.now() - since) / 1000 };
        else stays.push(at);
      }
      batch = kept(batch!, stays);
      if (batch)
        batch.logits = decoder.step(
          weights,
          batch.cache,
          stays.map((at) => next[at]!),
        );
    }
  } finally {
    batch?.cache.dispose();
    batch?.logits.dispose();
  }
}

/** The rows of both batches, `a`'s first. */
function joined(a: Batch, b: Batch): Batch {
  const logits = tf.concat([a.logits, b.logits], 0);
  tf.dispose([a.logits, b.logits]);
  return { rows: [...a.rows, ...b.rows], cache: a.cache.join(b.cache), logits };
}

/** The batch with some of its rows, without its logits, which are used up; null where none stays. */
function kept(batch: Batch, stays: readonly number[]): Batch | null {
  const { rows, cache, logits } = batch;
  logits.dispose();
  if (stays.length === rows.length) return batch;
  const selected = stays.length > 0 ? cache.select(stays) : null;
  cache.dispose();
  return selected && { rows: stays.map((at) => rows[at]!), cache: selected, logits };
}

/** One token a row: the likeliest at temperature 0, else drawn with the row's own stream. logits [B, V] -> [B] ids. */
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
