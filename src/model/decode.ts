import * as tf from "@tensorflow/tfjs";
import { maskedSoftmax } from "../backend/ops/attention.js";
import { splitHeads } from "../backend/ops/heads.js";
import { matMul, matMulAdd } from "../backend/ops/mat-mul.js";
import { rmsNormForward } from "../backend/ops/rms-norm.js";
import { type RotaryTables, rotaryTables } from "../backend/ops/rotary.js";
import { commonPrefix, type RowLayout, rowLayout } from "../backend/ops/rows.js";
import { swigluForward } from "../backend/ops/swiglu.js";
import { KvCache } from "./cache.js";
import type { DecoderConfig } from "./config.js";
import { layerForward } from "./layer.js";
import type { SamplingWeights } from "./merge.js";
import { passContext } from "./pass.js";
import type { LayerWeights } from "./weights.js";

/** Runs prompts and keeps their keys and values; logits [B, V] after each row's last token. See `Decoder.prefill`. */
export function prefillRows(
  config: DecoderConfig,
  weights: SamplingWeights,
  rows: readonly (readonly number[])[],
): { cache: KvCache; logits: tf.Tensor2D } {
  if (rows.length === 0 || rows.some((r) => r.length === 0)) throw new RangeError("prefill: every prompt needs at least one token");
  const prefix = commonPrefix(rows);
  const lengths = rows.map((r) => r.length - prefix);
  const keys: tf.Tensor4D[] = [];
  const values: tf.Tensor4D[] = [];
  const logits = tf.tidy(() => {
    const context = passContext(config, prefix, lengths);
    const ids = [...rows[0]!.slice(0, prefix), ...rows.flatMap((r) => r.slice(prefix))];
    let x = tf.gather(weights.embedding, tf.tensor1d(ids, "int32")) as tf.Tensor2D; // [P + N, C]
    for (const w of weights.layers) {
      x = tf.tidy(() => {
        const { value, saved } = layerForward(w, x, context, null);
        keys.push(tf.keep(saved.mix.rows.k));
        values.push(tf.keep(saved.mix.rows.v));
        return value;
      });
    }
    const last = lengths.map((_, b) => prefix + lengths.slice(0, b + 1).reduce((a, n) => a + n, 0) - 1); // each row's last token
    return output(config, weights, tf.gather(x, tf.tensor1d(last, "int32")) as tf.Tensor2D);
  });
  const cache = KvCache.from(
    config,
    Int32Array.from(rows, (r) => r.length),
    keys,
    values,
  );
  tf.dispose([keys, values]);
  return { cache, logits };
}

/** Appends a token to every row: ids [B] -> logits [B, V]. See `Decoder.step`. */
export function decodeStep(config: DecoderConfig, weights: SamplingWeights, cache: KvCache, ids: ArrayLike<number>): tf.Tensor2D {
  if (ids.length !== cache.size) throw new RangeError(`step: ${ids.length} tokens for ${cache.size} rows`);
  return tf.tidy(() => {
    if (Math.max(...cache.lengths) >= config.maxPositions)
      throw new RangeError(`step: the model's positions end at ${config.maxPositions}`);
    const { positions, mask } = cache.advance();
    const rotary = rotaryTables(config, positions);
    const layout = rowLayout(
      0,
      Array.from(ids, () => 1),
    );
    let x = tf.gather(weights.embedding, tf.tensor1d(Int32Array.from(ids), "int32")) as tf.Tensor2D; // [B, C]
    weights.layers.forEach((w, l) => {
      x = tf.tidy(() => layerStep(config, w, l, x, cache, { layout, rotary, mask }));
    });
    return output(config, weights, x);
  });
}

function layerStep(
  config: DecoderConfig,
  w: LayerWeights,
  layer: number,
  x: tf.Tensor2D,
  cache: KvCache,
  { layout, rotary, mask }: { layout: RowLayout; rotary: RotaryTables; mask: tf.Tensor4D },
): tf.Tensor2D {
  const { numHeads: H, numKvHeads: KV, headDim: D, rmsNormEps } = config;
  const B = x.shape[0];
  const qkv = matMul(rmsNormForward(x, w.inputNorm, rmsNormEps).value, w.qkv); // [B, (H + 2 KV) D]
  const heads = splitHeads(qkv, rotary, config, layout).rows; // T = 1
  const { k, v } = cache.append(layer, tf.reshape(heads.k, [B * KV, D]), tf.reshape(heads.v, [B * KV, D])); // [B, KV, M, D]
  const scores = tf.matMul(tf.reshape(heads.q, [B, KV, H / KV, D]), k, false, true); // [B, KV, G, M]
  const attended = tf.matMul(maskedSoftmax(scores, mask, H), v); // [B, KV, G, D]
  const y = matMulAdd(tf.reshape(attended, [B, H * D]), w.o, x);
  const gateUp = matMul(rmsNormForward(y, w.postNorm, rmsNormEps).value, w.gateUp); // [B, 2 I]
  return matMulAdd(swigluForward(gateUp), w.down, y);
}

/** Final norm and output projection: [B, C] -> [B, V]. */
const output = (config: DecoderConfig, { norm, head }: SamplingWeights, x: tf.Tensor2D): tf.Tensor2D =>
  matMul(rmsNormForward(x, norm, config.rmsNormEps).value, head);
