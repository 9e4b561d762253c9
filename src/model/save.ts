import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { writeAtomic } from "../setup/atomic.js";
import { configToJson } from "./config.js";
import type { LanguageModel } from "./load.js";
import type { Lora } from "./lora.js";
import { type WritableTensor, writeSafetensors } from "./safetensors.js";
import { tensorShapes } from "./weights.js";

/**
 * Saves a model as a Hugging Face style directory (config.json, model.safetensors in f32, tokenizer.json, tokenizer_config.json) that transformers loads.
 * @param lora an adapter to merge into the weights, or null
 */
export async function saveModel(dir: string, model: LanguageModel, lora: Lora | null = null): Promise<void> {
  const { config, decoder, tokenizer } = model;
  const merged = decoder.merged(lora);
  const { numHeads: H, numKvHeads: KV, headDim: D, intermediateSize: I } = config;
  const at: Record<string, ["qkv" | "o" | "gateUp" | "down", number]> = {
    q_proj: ["qkv", 0],
    k_proj: ["qkv", H * D],
    v_proj: ["qkv", (H + KV) * D],
    o_proj: ["o", 0],
    gate_proj: ["gateUp", 0],
    up_proj: ["gateUp", I],
    down_proj: ["down", 0],
  };
  const find = (name: string, shape: readonly number[]): tf.Tensor => {
    if (name === "model.embed_tokens.weight") return tf.clone(merged.embedding);
    if (name === "lm_head.weight") return tf.clone(decoder.weights.head);
    if (name === "model.norm.weight") return tf.clone(merged.norm);
    const [, layer, module] = /layers\.(\d+)\.(?:self_attn\.|mlp\.)?(\w+)\.weight$/.exec(name)!;
    const w = merged.layers[Number(layer)]!;
    if (module === "input_layernorm") return tf.clone(w.inputNorm);
    if (module === "post_attention_layernorm") return tf.clone(w.postNorm);
    const [group, from] = at[module!]!;
    return tf.transpose(tf.slice(w[group], [0, from], [shape[1]!, shape[0]!]));
  };
  const values = (name: string, shape: readonly number[]): Float32Array => {
    const tensor = tf.tidy(() => find(name, shape)); // the numbers do not pass through tidy: it would walk them one by one
    const data = tensor.dataSync() as Float32Array;
    tensor.dispose();
    return data;
  };
  const tensors = [...tensorShapes(config)].map(([name, shape]): WritableTensor => ({ name, shape, data: () => values(name, shape) }));
  try {
    writeAtomic(join(dir, "config.json"), [json(configToJson(config))]);
    writeAtomic(join(dir, "tokenizer.json"), [json(tokenizer.files.tokenizer)]);
    writeAtomic(join(dir, "tokenizer_config.json"), [json(tokenizer.files.config)]);
    await writeSafetensors(join(dir, "model.safetensors"), tensors);
  } finally {
    merged.dispose();
  }
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
