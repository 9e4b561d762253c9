import * as tf from "@tensorflow/tfjs";
import { disposeFrozen, freeze, packFrozen } from "../backend/ops/mat-mul.js";
import { replaceRows } from "../backend/ops/token-rows.js";
import type { DecoderConfig } from "./config.js";
import { layerAdapters } from "./layer.js";
import type { Lora } from "./lora.js";
import type { DecoderWeights, LayerWeights } from "./weights.js";

/** Weights as sampling uses them: the adapter added in, the output projection [C, V] (a product with few rows is twice as fast that way round). */
export interface SamplingWeights {
  embedding: tf.Tensor2D; // [V, C]
  layers: LayerWeights[];
  norm: tf.Tensor1D; // [C]
  head: tf.Tensor2D; // [C, V]
  /** Frees what was made by merging; the decoder's own weights stay. */
  dispose(): void;
}

/** W + (alpha / r) B A of every adapted weight, and the rows of trained tokens in embedding and tied head; all else is the decoder's own. */
export function mergeLora(config: DecoderConfig, weights: DecoderWeights, head: tf.Tensor2D, lora: Lora | null): SamplingWeights {
  const made: tf.Tensor2D[] = [];
  const layers = weights.layers.map((w, l): LayerWeights => {
    const adapters = layerAdapters(config, lora, l);
    if (!adapters) return w;
    const merged = { ...w };
    for (const group of ["qkv", "o", "gateUp", "down"] as const) {
      const low = adapters[group];
      if (!low) continue;
      merged[group] = tf.tidy(() =>
        low.parts.reduce<tf.Tensor2D>((sum, { A, B, offset }) => {
          const delta = tf.mul(tf.matMul(A, B, true, true), low.scale); // [in, out_i]
          return tf.add(
            sum,
            tf.pad(delta, [
              [0, 0],
              [offset, sum.shape[1] - offset - B.shape[0]],
            ]),
          );
        }, w[group]),
      );
      made.push(freeze(tf.keep(merged[group])));
    }
    return merged;
  });
  let embedding = weights.embedding;
  let output = head;
  if (lora?.tokens) {
    const { tokens } = lora;
    embedding = tf.keep(tf.tidy(() => replaceRows(weights.embedding, tokens)));
    made.push(embedding);
    if (config.tieWordEmbeddings) {
      output = tf.keep(tf.tidy(() => tf.transpose(embedding)));
      made.push(output);
    }
  }
  for (const matrix of [output, ...layers.flatMap((w) => [w.qkv, w.o, w.gateUp, w.down])]) packFrozen(matrix);
  return { embedding, layers, norm: weights.norm, head: output, dispose: () => made.forEach(disposeFrozen) };
}
