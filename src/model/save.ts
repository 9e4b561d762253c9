import { join } from "node:path";
import { writeAtomic } from "../setup/atomic.js";
import { configToJson } from "./config.js";
import type { LanguageModel } from "./load.js";
import type { Lora } from "./lora.js";
import { writeSafetensors } from "./safetensors.js";
import { storedTensors } from "./weights.js";

/**
 * Saves a model as a Hugging Face style directory (config.json, model.safetensors in f32, tokenizer.json, tokenizer_config.json) that transformers loads.
 * @param lora an adapter to merge into the weights, or null
 */
export async function saveModel(dir: string, model: LanguageModel, lora: Lora | null = null): Promise<void> {
  const { config, decoder, tokenizer } = model;
  const merged = decoder.merged(lora);
  const tensors = storedTensors(config, { ...decoder.weights, layers: merged.layers });
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
