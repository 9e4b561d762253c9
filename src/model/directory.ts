import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { configFromJson, type DecoderConfig, endsFromJson, withEnds } from "./config.js";
import { WeightsError } from "./errors.js";
import { openRanges, type RangeFile } from "./files.js";
import { readSafetensors, type Safetensors } from "./safetensors.js";
import { readJson, type TokenizerFiles, tokenizerFromDirectory } from "./tokenizer-files.js";
import { type StoredTensor, tensorShapes } from "./weights.js";

/** A validated model, not yet on a device. */
export interface ModelFiles {
  config: DecoderConfig;
  tokenizer: TokenizerFiles;
  /** Weights files, for their hash. */
  weights: string[];
  /** A tensor by PyTorch's name, as f32. */
  read(name: string): StoredTensor;
  close(): void;
}

/**
 * Opens a Hugging Face style directory: config.json, model.safetensors (or the shards of model.safetensors.index.json), tokenizer.json,
 * tokenizer_config.json and, where there is one, generation_config.json, whose ends of a completion join the config's. A path of a .safetensors file means that file with its neighbours. Weights are validated first, then what else a model needs.
 * @throws WeightsError
 */
export async function openDirectory(path: string): Promise<ModelFiles> {
  const dir = path.endsWith(".safetensors") ? dirname(path) : path;
  const files: RangeFile[] = [];
  try {
    const byName = new Map<string, Safetensors>();
    const open = (file: string): Safetensors => {
      const ranges = openRanges(file);
      files.push(ranges);
      return readSafetensors(ranges);
    };
    if (path.endsWith(".safetensors")) addAll(byName, open(path));
    else await openShards(dir, open, byName);
    const file = join(dir, "config.json");
    const generation = join(dir, "generation_config.json");
    const ends = existsSync(generation) ? endsFromJson(await readJson(generation), generation) : [];
    const config = withEnds(configFromJson(await readJson(file), file), ends);
    const tokenizer = await tokenizerFromDirectory(dir);
    const bare = (name: string) => (byName.has(name) ? name : name.replace(/^model\./, "")); // a model saved without its head lacks the prefix
    const shapes = tensorShapes(config);
    const known = new Set([...shapes.keys()].map(bare));
    const other = [...byName.keys()].find((name) => !known.has(name) && !LEFT_OUT.test(name));
    if (other !== undefined)
      throw new WeightsError(
        files[0]!.path,
        `tensor ${other} is not one of a ${config.family} decoder`,
        "erpo would leave it out; use another model",
      );
    for (const [name, shape] of shapes) {
      const holder = byName.get(bare(name));
      if (!holder) throw new WeightsError(files[0]!.path, `tensor ${name} is missing`, "config.json and weights are of two models");
      const dtype = holder.dtype(bare(name));
      if (!["F32", "F16", "BF16"].includes(dtype))
        throw new WeightsError(files[0]!.path, `tensor ${name} is stored as ${dtype}`, "erpo reads F32, F16 and BF16");
      const found = holder.shape(bare(name));
      if (found.join() !== shape.join()) {
        throw new WeightsError(
          files[0]!.path,
          `tensor ${name} is [${found}], config.json says [${shape}]`,
          "config.json and weights are of two models",
        );
      }
    }
    return {
      config,
      tokenizer,
      weights: files.map((f) => f.path),
      read: (name) => byName.get(bare(name))!.read(bare(name)),
      close: () => files.forEach((f) => void f.close()),
    };
  } catch (error) {
    for (const f of files) f.close();
    throw error;
  }
}

/** Tensors that change nothing: tables that older files hold, and a copy of tied embeddings. */
const LEFT_OUT = /rotary_emb\.inv_freq$|^lm_head\.weight$/;

/** More files than any model has; each is kept open while the model is read. */
const MAX_SHARDS = 500;

function addAll(byName: Map<string, Safetensors>, file: Safetensors): void {
  for (const name of file.names) byName.set(name, file);
}

async function openShards(dir: string, open: (file: string) => Safetensors, byName: Map<string, Safetensors>): Promise<void> {
  const single = join(dir, "model.safetensors");
  const index = join(dir, "model.safetensors.index.json");
  if (existsSync(single) || !existsSync(index)) {
    if (!existsSync(single))
      throw new WeightsError(dir, "no model.safetensors and no model.safetensors.index.json", "give a model's directory");
    addAll(byName, open(single));
    return;
  }
  const { weight_map: map } = await readJson(index, "get it again");
  if (typeof map !== "object" || map === null || Object.values(map).some((f) => typeof f !== "string" || basename(f) !== f)) {
    throw new WeightsError(index, 'field "weight_map" does not map tensors to files of the same folder', "get it again");
  }
  const files = new Set(Object.values(map));
  if (files.size > MAX_SHARDS) throw new WeightsError(index, `it names ${files.size} files`, `a model has ${MAX_SHARDS} at most`);
  const shards = new Map<string, Safetensors>();
  for (const [name, file] of Object.entries(map as Record<string, string>)) {
    const shard = shards.get(file) ?? open(join(dir, file));
    shards.set(file, shard);
    if (!shard.has(name))
      throw new WeightsError(join(dir, file), `tensor ${name} is missing`, "the index names this file for it; get both again");
    byName.set(name, shard);
  }
}
