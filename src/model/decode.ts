import * as tf from "@tensorflow/tfjs";
import { matMulFew } from "../backend/ops/mat-mul.js";
import { rmsNormForward } from "../backend/ops/rms-norm.js";
import { commonPrefix, sharedStarts } from "../backend/ops/rows.js";
import { KvCache } from "./cache.js";
import type { DecoderConfig } from "./config.js";
import { checkLayers, editedLayers, editPacked, editStates, type StateEdits } from "./edit.js";
import { layerForward } from "./layer.js";
import type { SamplingWeights } from "./merge.js";
import { gatedUnit, outputNorm, scaledEmbeddings } from "./parts.js";
import { passContexts, rotaryByLayer } from "./pass.js";
import { qkvForward } from "./qkv.js";
import type { LayerWeights } from "./weights.js";

/** Runs prompts and keeps their keys and values; logits [B, V] after each row's last token. See `Decoder.prefill`. */
export function prefillRows(
  config: DecoderConfig,
  weights: SamplingWeights,
  rows: readonly (readonly number[])[],
  edit: StateEdits,
): { cache: KvCache; logits: tf.Tensor2D } {
  if (rows.length === 0 || rows.some((r) => r.length === 0)) throw new RangeError("prefill: every prompt needs at least one token");
  const edits = editedLayers(edit);
  checkLayers(config, edits);
  const sharing = edits.length === 0; // an edit sees whole rows
  const prefix = sharing ? commonPrefix(rows) : 0;
  const own = rows.map((r) => r.slice(prefix));
  const lengths = own.map((r) => r.length);
  const shared = sharing ? sharedStarts(own) : own.map(() => null);
  const keys: tf.Tensor4D[] = [];
  const values: tf.Tensor4D[] = [];
  try {
    const logits = tf.tidy(() => {
      const contexts = passContexts(config, prefix, lengths, shared);
      const { layout } = contexts[0]!;
      const run = own.map((r, b) => r.slice(shared[b]?.tokens ?? 0));
      const ids = [...rows[0]!.slice(0, prefix), ...run.flat()];
      const embedded = embed(config, weights, ids); // [P + N, C]
      let x = editPacked(edit, -1, embedded, layout);
      for (const [l, w] of weights.layers.entries()) {
        x = tf.tidy(() => {
          const { value, saved } = layerForward(w, x, contexts[l]!, null);
          keys.push(tf.keep(saved.mix.rows.k));
          values.push(tf.keep(saved.mix.rows.v));
          return editPacked(edit, l, value, layout);
        });
      }
      const last = run.map((r, b) => prefix + layout.starts[b]! + r.length - 1); // each row's last token
      return output(config, weights, tf.gather(x, tf.tensor1d(last, "int32")) as tf.Tensor2D);
    });
    const tokens = Int32Array.from(rows, (r) => r.length);
    return { cache: KvCache.from(config, tokens, keys, values), logits };
  } finally {
    tf.dispose([keys, values]);
  }
}

/** Appends a token to every row: ids [B] -> logits [B, V]. See `Decoder.step`. */
export function decodeStep(
  config: DecoderConfig,
  weights: SamplingWeights,
  cache: KvCache,
  ids: ArrayLike<number>,
  edit: StateEdits,
): tf.Tensor2D {
  if (ids.length !== cache.size) throw new RangeError(`step: ${ids.length} tokens for ${cache.size} rows`);
  checkLayers(config, editedLayers(edit));
  return tf.tidy(() => {
    if (Math.max(...cache.lengths) >= config.maxPositions)
      throw new RangeError(`step: the model's positions end at ${config.maxPositions}`);
    const at = cache.advance();
    const rotary = rotaryByLayer(config, at);
    const positions = tf.tensor1d(at, "int32");
    const place = { positions: [...at], lengths: Array.from(at, () => 1) };
    const edited = (layer: number, x: tf.Tensor2D): tf.Tensor2D =>
      edit[layer] ? tf.reshape(editStates(edit, layer, tf.reshape(x, [x.shape[0], 1, x.shape[1]]), place), x.shape) : x;
    let x = edited(-1, embed(config, weights, ids)); // [B, C]
    weights.layers.forEach((w, layer) => {
      x = tf.tidy(() =>
        edited(
          layer,
          layerStep(config, w, x, (qkv) => cache.attend(layer, qkv, rotary[layer]!, positions)),
        ),
      );
    });
    return output(config, weights, x);
  });
}

/** One decoder layer for one token per row: x [B, C] -> the same shape. */
function layerStep(config: DecoderConfig, w: LayerWeights, x: tf.Tensor2D, attend: (qkv: tf.Tensor2D) => tf.Tensor2D): tf.Tensor2D {
  const { rmsNormEps: eps } = config;
  /** x + the product a b, normed where the layer has a gain for it. */
  const added = (a: tf.Tensor2D, b: tf.Tensor2D, gain: tf.Tensor1D | null, x: tf.Tensor2D): tf.Tensor2D =>
    gain ? tf.add(x, outputNorm(matMulFew(a, b), gain, eps).value) : matMulFew(a, b, x);
  const product = matMulFew(rmsNormForward(x, w.inputNorm, eps).value, w.qkv); // [B, (H + 2 KV) D]
  const y = added(attend(qkvForward(product, w, eps).value), w.o, w.attentionNorm, x);
  const gateUp = matMulFew(rmsNormForward(y, w.postNorm, eps).value, w.gateUp); // [B, 2 I]
  return added(gatedUnit(config).forward(gateUp), w.down, w.mlpNorm, y);
}

/** Embeddings of tokens as the first layer sees them, [N, C]. */
const embed = (config: DecoderConfig, { embedding }: SamplingWeights, ids: ArrayLike<number>): tf.Tensor2D =>
  scaledEmbeddings(config, tf.gather(embedding, tf.tensor1d(Int32Array.from(ids), "int32")));

/** Final norm and output projection: [B, C] -> [B, V]. */
const output = (config: DecoderConfig, { norm, head }: SamplingWeights, x: tf.Tensor2D): tf.Tensor2D =>
  matMulFew(rmsNormForward(x, norm, config.rmsNormEps).value, head);
