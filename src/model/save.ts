import { readdirSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { writeAtomic } from "../setup/atomic.js";
import { configToJson } from "./config.js";
import type { LanguageModel } from "./load.js";
import type { Lora } from "./lora.js";
import { modelCard, type Provenance, provenanceOf, safetensorsProvenance } from "./provenance.js";
import { type StoredType, storedBytes, writeSafetensors } from "./safetensors.js";
import { storedTensors, type WritableTensor } from "./weights.js";

export interface SaveOptions {
  /** How the weights are stored. Default: F32. */
  type?: StoredType;
  /** Bytes of tensors that a file holds at most, unless one alone has more. Default: 5 GB. */
  maxShardBytes?: number;
  /** What the model is made from. Default: what it knows itself, which is not the adapter's digest. */
  provenance?: Provenance;
}

const DTYPES = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

/**
 * Saves a model as a Hugging Face style directory (config.json, model.safetensors or shards and their index, tokenizer.json, tokenizer_config.json) that transformers
 * loads, with a model card (README.md) that says what it was made from.
 * @param lora an adapter to merge into the weights, or null
 */
export async function saveModel(
  dir: string,
  model: LanguageModel,
  lora: Lora | null = null,
  { type = "F32", maxShardBytes = 5e9, provenance }: SaveOptions = {},
): Promise<void> {
  const made = provenance ?? (await provenanceOf(model, lora));
  const { config, decoder, tokenizer } = model;
  const merged = decoder.merged(lora);
  const tensors = storedTensors(config, { ...decoder.weights, embedding: merged.embedding, layers: merged.layers });
  try {
    writeAtomic(join(dir, "config.json"), [json(configToJson(config, DTYPES[type]))]);
    writeAtomic(join(dir, "tokenizer.json"), [json(tokenizer.files.tokenizer)]);
    writeAtomic(join(dir, "tokenizer_config.json"), [json(tokenizer.files.config)]);
    writeAtomic(join(dir, "README.md"), [modelCard(basename(resolve(dir)), made, type.toLowerCase())]);
    await writeWeights(dir, tensors, { type, maxBytes: maxShardBytes, metadata: safetensorsProvenance(made) });
  } finally {
    merged.dispose();
  }
}

/** One file, or several and, when they are there, the index that names them. What an earlier save left goes: the other form, and shards of another number. */
async function writeWeights(
  dir: string,
  tensors: readonly WritableTensor[],
  { type, maxBytes, metadata }: { type: StoredType; maxBytes: number; metadata: Record<string, string> },
): Promise<void> {
  const single = join(dir, "model.safetensors");
  const index = join(dir, "model.safetensors.index.json");
  const shards: WritableTensor[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const size = storedBytes(tensor, type);
    if (size > room || shards.length === 0) {
      shards.push([]);
      room = maxBytes;
    }
    shards.at(-1)!.push(tensor);
    room -= size;
  }
  if (shards.length === 1) {
    await writeSafetensors(single, tensors, metadata, type);
    rmSync(index, { force: true });
    removeShards(dir, []);
    return;
  }
  const digits = (n: number) => String(n).padStart(5, "0");
  const map: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const file = `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
    await writeSafetensors(join(dir, file), shard, metadata, type);
    for (const { name } of shard) map[name] = file;
  }
  const total_size = tensors.reduce((sum, tensor) => sum + storedBytes(tensor, type), 0);
  writeAtomic(index, [json({ metadata: { total_size }, weight_map: map })]);
  rmSync(single, { force: true });
  removeShards(dir, Object.values(map));
}

function removeShards(dir: string, kept: readonly string[]): void {
  const shards = readdirSync(dir).filter((name) => /^model-\d{5}-of-\d{5}\.safetensors$/.test(name));
  for (const name of shards) if (!kept.includes(name)) rmSync(join(dir, name));
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
