import * as tf from "@tensorflow/tfjs";
import { disposeFrozen, freeze } from "../backend/ops/mat-mul.js";
import type { DecoderConfig } from "./config.js";
import { WeightsError } from "./errors.js";

/** One layer's weights, [in, out] (PyTorch's transposed); q, k, v and gate, up lie side by side. */
export interface LayerWeights {
  inputNorm: tf.Tensor1D; // [C]
  qkv: tf.Tensor2D; // [C, (H + 2 KV) D]
  o: tf.Tensor2D; // [H D, C]
  postNorm: tf.Tensor1D; // [C]
  gateUp: tf.Tensor2D; // [C, 2 I]
  down: tf.Tensor2D; // [I, C]
}

/** All weights of a decoder, f32. `head` is `embedding` itself where they are tied. */
export interface DecoderWeights {
  embedding: tf.Tensor2D; // [V, C]
  layers: LayerWeights[];
  norm: tf.Tensor1D; // [C]
  head: tf.Tensor2D; // [V, C]
  dispose(): void;
}

/** A tensor as a file holds it, de-quantised to f32. */
export interface StoredTensor {
  shape: number[];
  data: Float32Array;
}

/** Names and shapes, in PyTorch's spelling, of all tensors of a decoder. */
export function tensorShapes(c: DecoderConfig): Map<string, number[]> {
  const shapes = new Map<string, number[]>([["model.embed_tokens.weight", [c.vocabSize, c.hiddenSize]]]);
  for (let l = 0; l < c.numLayers; l++) {
    const p = `model.layers.${l}.`;
    shapes.set(`${p}input_layernorm.weight`, [c.hiddenSize]);
    shapes.set(`${p}self_attn.q_proj.weight`, [c.numHeads * c.headDim, c.hiddenSize]);
    shapes.set(`${p}self_attn.k_proj.weight`, [c.numKvHeads * c.headDim, c.hiddenSize]);
    shapes.set(`${p}self_attn.v_proj.weight`, [c.numKvHeads * c.headDim, c.hiddenSize]);
    shapes.set(`${p}self_attn.o_proj.weight`, [c.hiddenSize, c.numHeads * c.headDim]);
    shapes.set(`${p}post_attention_layernorm.weight`, [c.hiddenSize]);
    shapes.set(`${p}mlp.gate_proj.weight`, [c.intermediateSize, c.hiddenSize]);
    shapes.set(`${p}mlp.up_proj.weight`, [c.intermediateSize, c.hiddenSize]);
    shapes.set(`${p}mlp.down_proj.weight`, [c.hiddenSize, c.intermediateSize]);
  }
  shapes.set("model.norm.weight", [c.hiddenSize]);
  if (!c.tieWordEmbeddings) shapes.set("lm_head.weight", [c.vocabSize, c.hiddenSize]);
  return shapes;
}

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
  const stacked = (names: string[]): tf.Tensor2D => {
    const parts = names.map(get);
    const data = new Float32Array(parts.reduce((n, p) => n + p.data.length, 0));
    let at = 0;
    for (const part of parts) {
      data.set(part.data, at);
      at += part.data.length;
    }
    return tf.tensor2d(data, [data.length / parts[0]!.shape[1]!, parts[0]!.shape[1]!]);
  };
  const table = (name: string): tf.Tensor2D => tf.keep(stacked([name])); // as stored
  const matrix = (...names: string[]): tf.Tensor2D => freeze(tf.keep(tf.tidy(() => tf.transpose(stacked(names))))); // [in, out]
  const vector = (name: string): tf.Tensor1D => tf.keep(tf.tensor1d(get(name).data));
  const embedding = table("model.embed_tokens.weight");
  const layers = Array.from({ length: config.numLayers }, (_, l): LayerWeights => {
    const p = `model.layers.${l}.`;
    return {
      inputNorm: vector(`${p}input_layernorm.weight`),
      qkv: matrix(`${p}self_attn.q_proj.weight`, `${p}self_attn.k_proj.weight`, `${p}self_attn.v_proj.weight`),
      o: matrix(`${p}self_attn.o_proj.weight`),
      postNorm: vector(`${p}post_attention_layernorm.weight`),
      gateUp: matrix(`${p}mlp.gate_proj.weight`, `${p}mlp.up_proj.weight`),
      down: matrix(`${p}mlp.down_proj.weight`),
    };
  });
  const norm = vector("model.norm.weight");
  const head = freeze(config.tieWordEmbeddings ? embedding : table("lm_head.weight"));
  const dispose = () => {
    tf.dispose([embedding, norm]);
    disposeFrozen(head);
    for (const { inputNorm, postNorm, ...matrices } of layers) {
      tf.dispose([inputNorm, postNorm]);
      Object.values(matrices).forEach(disposeFrozen);
    }
  };
  return { embedding, layers, norm, head, dispose };
}
