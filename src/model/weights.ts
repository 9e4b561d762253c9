import * as tf from "@tensorflow/tfjs";
import { disposeFrozen, freeze } from "../backend/ops/mat-mul.js";
import { readLast } from "../backend/read.js";
import type { DecoderConfig } from "./config.js";
import { WeightsError } from "./errors.js";
import { traits } from "./families.js";
import { type LinearName, linearNames, linearShape, moduleGroups, modulePath } from "./lora.js";

/** One layer's weights, [in, out] (PyTorch's transposed); q, k, v and gate, up lie side by side. */
export interface LayerWeights {
  inputNorm: tf.Tensor1D; // [C]
  qkv: tf.Tensor2D; // [C, (H + 2 KV) D]
  qkvBias: tf.Tensor1D | null; // [(H + 2 KV) D]
  headGains: tf.Tensor2D | null; // [H + KV, D], of the norms of q's and k's heads
  o: tf.Tensor2D; // [H D, C]
  attentionNorm: tf.Tensor1D | null; // [C], of what attention adds
  postNorm: tf.Tensor1D; // [C], before the MLP
  gateUp: tf.Tensor2D; // [C, 2 I]
  down: tf.Tensor2D; // [I, C]
  mlpNorm: tf.Tensor1D | null; // [C], of what the MLP adds
}

/** All weights of a decoder, f32. `head` is `embedding` itself where they are tied. */
export interface DecoderWeights {
  embedding: tf.Tensor2D; // [V, C]
  layers: LayerWeights[];
  norm: tf.Tensor1D; // [C]
  head: tf.Tensor2D; // [V, C]
  /** Frees all of them. */
  dispose(): void;
}

/** A tensor as a file holds it, de-quantised to f32. */
export interface StoredTensor {
  shape: number[];
  data: Float32Array;
}

/** A tensor to be written; its values are asked for, and waited for, when their turn comes. */
export interface WritableTensor {
  name: string;
  shape: readonly number[];
  data(): Float32Array | Promise<Float32Array>;
}

/** Names and shapes, in PyTorch's spelling, of all tensors of a decoder. */
export function tensorShapes(c: DecoderConfig): Map<string, number[]> {
  const shapes = new Map<string, number[]>([["model.embed_tokens.weight", [c.vocabSize, c.hiddenSize]]]);
  for (let l = 0; l < c.numLayers; l++) {
    const p = `model.layers.${l}.`;
    shapes.set(`${p}input_layernorm.weight`, [c.hiddenSize]);
    for (const module of linearNames(c)) shapes.set(`${p}${modulePath(module)}.weight`, linearShape(c, module));
    if (c.qkvBias) {
      shapes.set(`${p}self_attn.q_proj.bias`, [c.numHeads * c.headDim]);
      shapes.set(`${p}self_attn.k_proj.bias`, [c.numKvHeads * c.headDim]);
      shapes.set(`${p}self_attn.v_proj.bias`, [c.numKvHeads * c.headDim]);
    }
    if (c.qkNorm) {
      shapes.set(`${p}self_attn.q_norm.weight`, [c.headDim]);
      shapes.set(`${p}self_attn.k_norm.weight`, [c.headDim]);
    }
    shapes.set(`${p}post_attention_layernorm.weight`, [c.hiddenSize]);
    if (!traits(c.family).outputNorms) continue;
    shapes.set(`${p}pre_feedforward_layernorm.weight`, [c.hiddenSize]);
    shapes.set(`${p}post_feedforward_layernorm.weight`, [c.hiddenSize]);
  }
  shapes.set("model.norm.weight", [c.hiddenSize]);
  if (!c.tieWordEmbeddings) shapes.set("lm_head.weight", [c.vocabSize, c.hiddenSize]);
  return shapes;
}

/** What the gains of q's heads are multiplied with, so that scores are divided by sqrt(queryScalar) where attention itself divides by sqrt(headDim). */
export const queryGain = ({ headDim, queryScalar = headDim }: DecoderConfig): number => Math.sqrt(headDim / queryScalar);

/**
 * Uploads a file's tensors as a decoder's weights.
 * @param read gives a tensor by PyTorch's name
 * @throws WeightsError when a shape is not what the config says
 */
export function uploadWeights(config: DecoderConfig, read: (name: string) => StoredTensor, file: string): DecoderWeights {
  const shapes = tensorShapes(config);
  const get = (name: string): StoredTensor => {
    const tensor = read(name);
    const want = shapes.get(name)!;
    if (tensor.shape.join() !== want.join()) {
      throw new WeightsError(
        file,
        `tensor ${name} is [${tensor.shape}], the config says [${want}]`,
        "config and weights are of two models",
      );
    }
    return tensor;
  };
  const joined = (names: string[]): Float32Array => {
    const parts = names.map((name) => get(name).data);
    const data = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const part of parts) {
      data.set(part, at);
      at += part.length;
    }
    return data;
  };
  const stacked = (names: string[]): tf.Tensor2D => {
    const data = joined(names);
    const columns = shapes.get(names[0]!)![1]!;
    return tf.tensor2d(data, [data.length / columns, columns]);
  };
  const table = (name: string): tf.Tensor2D => tf.keep(stacked([name])); // as stored
  const matrix = (...names: string[]): tf.Tensor2D => freeze(tf.keep(tf.tidy(() => tf.transpose(stacked(names))))); // [in, out]
  const vector = (...names: string[]): tf.Tensor1D => tf.keep(tf.tensor1d(joined(names)));
  const { normOffset, outputNorms } = traits(config.family);
  const gain = (name: string): tf.Tensor1D => tf.tensor1d(get(name).data.map((x) => x + normOffset));
  const norm = (name: string): tf.Tensor1D => tf.keep(gain(name));
  const gains = (q: string, k: string): tf.Tensor2D =>
    tf.keep(
      tf.tidy(() => {
        const each = (name: string, heads: number, by: number) =>
          tf.tile(tf.reshape(by === 1 ? gain(name) : tf.mul(gain(name), by), [1, -1]), [heads, 1]) as tf.Tensor2D;
        return tf.concat([each(q, config.numHeads, queryGain(config)), each(k, config.numKvHeads, 1)], 0);
      }),
    );
  const groups = moduleGroups(config);
  const stack = (p: string, group: keyof typeof groups) => matrix(...groups[group].map((module) => `${p}${modulePath(module)}.weight`));
  const embedding = table("model.embed_tokens.weight");
  const layers = Array.from({ length: config.numLayers }, (_, l): LayerWeights => {
    const p = `model.layers.${l}.`;
    return {
      inputNorm: norm(`${p}input_layernorm.weight`),
      qkv: stack(p, "qkv"),
      qkvBias: config.qkvBias ? vector(`${p}self_attn.q_proj.bias`, `${p}self_attn.k_proj.bias`, `${p}self_attn.v_proj.bias`) : null,
      headGains: config.qkNorm ? gains(`${p}self_attn.q_norm.weight`, `${p}self_attn.k_norm.weight`) : null,
      o: stack(p, "o"),
      attentionNorm: outputNorms ? norm(`${p}post_attention_layernorm.weight`) : null,
      postNorm: norm(`${p}${outputNorms ? "pre_feedforward" : "post_attention"}_layernorm.weight`),
      gateUp: stack(p, "gateUp"),
      down: stack(p, "down"),
      mlpNorm: outputNorms ? norm(`${p}post_feedforward_layernorm.weight`) : null,
    };
  });
  const last = norm("model.norm.weight");
  const head = freeze(config.tieWordEmbeddings ? embedding : table("lm_head.weight"));
  const dispose = () => {
    tf.dispose([embedding, last]);
    disposeFrozen(head);
    for (const { qkv, o, gateUp, down, ...others } of layers) {
      for (const matrix of [qkv, o, gateUp, down]) disposeFrozen(matrix);
      for (const vector of Object.values(others)) vector?.dispose();
    }
  };
  return { embedding, layers, norm: last, head, dispose };
}

/**
 * The inverse: a decoder's tensors by PyTorch's names, in the order of `tensorShapes`.
 * @param weights the decoder's own, or those with an adapter merged in; they must live until the values have been asked for
 */
export function storedTensors(config: DecoderConfig, weights: Omit<DecoderWeights, "dispose">): WritableTensor[] {
  const { numHeads: H, headDim: D } = config;
  const groups = Object.entries(moduleGroups(config)) as [keyof ReturnType<typeof moduleGroups>, readonly LinearName[]][];
  /** The stacked matrix that holds a module, and its first column there. */
  const place = (module: LinearName) => {
    const [group, members] = groups.find(([, members]) => members.includes(module))!;
    const before = members.slice(0, members.indexOf(module));
    return { group, from: before.reduce((sum, m) => sum + linearShape(config, m)[0], 0) };
  };
  const { normOffset } = traits(config.family);
  const stored = (gain: tf.Tensor): tf.Tensor => (normOffset === 0 ? tf.clone(gain) : tf.sub(gain, normOffset));
  const find = (name: string, shape: readonly number[]): tf.Tensor => {
    if (name === "model.embed_tokens.weight") return tf.clone(weights.embedding);
    if (name === "lm_head.weight") return tf.clone(weights.head);
    if (name === "model.norm.weight") return stored(weights.norm);
    const [, layer, module, kind] = /layers\.(\d+)\.(?:self_attn\.|mlp\.)?(\w+)\.(weight|bias)$/.exec(name)!;
    const w = weights.layers[Number(layer)]!;
    if (module === "input_layernorm") return stored(w.inputNorm);
    if (module === "post_attention_layernorm") return stored(w.attentionNorm ?? w.postNorm);
    if (module === "pre_feedforward_layernorm") return stored(w.postNorm);
    if (module === "post_feedforward_layernorm") return stored(w.mlpNorm!);
    if (module === "q_norm") return stored(tf.div(tf.slice(w.headGains!, [0, 0], [1, D]), queryGain(config)));
    if (module === "k_norm") return stored(tf.slice(w.headGains!, [H, 0], [1, D]));
    const { group, from } = place(module as LinearName);
    if (kind === "bias") return tf.slice(w.qkvBias!, from, shape[0]!);
    return tf.transpose(tf.slice(w[group], [0, from], [shape[1]!, shape[0]!]));
  };
  const values = async (name: string, shape: readonly number[]) => (await readLast(tf.tidy(() => find(name, shape)))) as Float32Array;
  return [...tensorShapes(config)].map(([name, shape]) => ({ name, shape, data: () => values(name, shape) }));
}
