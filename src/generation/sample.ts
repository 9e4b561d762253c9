import * as tf from "@tensorflow/tfjs";
import type { Rng } from "../backend/random.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import { type Choice, chooseToken } from "./choose.js";

export interface SampleOptions extends Choice {
  /** Upper bound of new tokens a completion, the end token included; >= 1. */
  maxNewTokens: number;
  /** Prompts that are decoded together. */
  batchSize: number;
  /** Each prompt gets its own stream, forked by its index: what is sampled does not depend on the order of the others. */
  rng: Rng;
  /** Ends a completion early: called with its tokens so far after each one. */
  stop?: (ids: readonly number[], index: number) => boolean;
  signal?: AbortSignal;
}

export interface Completion {
  /** Which prompt, counted from 0. */
  index: number;
  /** New tokens, the end token included. */
  ids: number[];
  /** Whether the model or `stop` ended it, rather than `maxNewTokens`. */
  finished: boolean;
}

/**
 * Completions of prompts, yielded as they end. Prompts of like length share a batch; a row that has ended leaves it.
 *
 * @param lora merged into a copy of the weights for the time of the call
 * @param prompts token ids, each >= 1
 */
export async function* sample(
  model: LanguageModel,
  lora: Lora | null,
  prompts: readonly number[][],
  options: SampleOptions,
): AsyncGenerator<Completion> {
  const order = prompts.map((_, i) => i).sort((a, b) => prompts[a]!.length - prompts[b]!.length);
  const weights = model.decoder.merged(lora);
  try {
    for (let start = 0; start < order.length; start += options.batchSize) {
      yield* sampleBatch(model, weights, prompts, order.slice(start, start + options.batchSize), options);
    }
  } finally {
    weights.dispose();
  }
}

async function* sampleBatch(
  { decoder, tokenizer, config }: LanguageModel,
  weights: ReturnType<LanguageModel["decoder"]["merged"]>,
  prompts: readonly number[][],
  indices: readonly number[],
  { maxNewTokens, rng, stop, signal, ...choice }: SampleOptions,
): AsyncGenerator<Completion> {
  const ends = new Set([tokenizer.eosId, ...config.eosTokenIds]);
  const rngs = new Map(indices.map((i) => [i, rng.fork(String(i))]));
  const written = new Map(indices.map((i) => [i, [] as number[]]));
  let live = [...indices];
  let { cache, logits } = decoder.prefill(
    weights,
    live.map((i) => prompts[i]!),
  );
  try {
    for (let step = 1; ; step++) {
      await new Promise((resolve) => setImmediate(resolve)); // timers and signals get their turn
      signal?.throwIfAborted();
      const next = await chooseTokens(
        logits,
        live.map((i) => rngs.get(i)!),
        choice,
      );
      const stays: number[] = [];
      for (const [row, index] of live.entries()) {
        const ids = written.get(index)!;
        ids.push(next[row]!);
        const finished = ends.has(next[row]!) || (stop?.(ids, index) ?? false);
        if (finished || step === maxNewTokens) yield { index, ids, finished };
        else stays.push(row);
      }
      if (stays.length === 0) return;
      if (stays.length < live.length) {
        const kept = cache.select(stays);
        cache.dispose();
        cache = kept;
      }
      live = stays.map((row) => live[row]!);
      logits.dispose();
      logits = decoder.step(
        weights,
        cache,
        stays.map((row) => next[row]!),
      );
    }
  } finally {
    cache.dispose();
    logits.dispose();
  }
}

/** One token a row: the likeliest at temperature 0, else drawn with the row's own stream. logits [B, V] -> [B] ids. */
async function chooseTokens(logits: tf.Tensor2D, rngs: readonly Rng[], choice: Choice): Promise<ArrayLike<number>> {
  if (choice.temperature === 0) return read(tf.argMax(logits, 1));
  if (choice.topK === undefined && choice.topP === undefined) return read(drawTokens(logits, rngs, choice.temperature));
  const values = (await logits.data()) as Float32Array;
  const V = logits.shape[1];
  return rngs.map((rng, row) => chooseToken(values.subarray(row * V, (row + 1) * V), choice, rng));
}

/** Draws from the whole softmax on the device, by inverting its cumulative sum at one uniform number a row. [B, V] -> [B]. */
function drawTokens(logits: tf.Tensor2D, rngs: readonly Rng[], temperature: number): tf.Tensor {
  const [B, V] = logits.shape;
  return tf.tidy(() => {
    const cumulative = tf.cumsum(tf.softmax(tf.div(logits, temperature)), 1); // [B, V], up to 1
    const total = tf.slice(cumulative, [0, V - 1], [B, 1]);
    const at = tf.mul(
      total,
      tf.tensor2d(
        rngs.map((rng) => rng.uniform()),
        [B, 1],
      ),
    );
    return tf.minimum(tf.sum(tf.cast(tf.lessEqual(cumulative, at), "int32"), 1), V - 1);
  });
}

async function read(ids: tf.Tensor): Promise<ArrayLike<number>> {
  try {
    return await ids.data();
  } finally {
    ids.dispose();
  }
}
