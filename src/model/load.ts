import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { basename } from "node:path";
import { openDevice } from "../backend/device.js";
import { digestOf, type IdentityValue } from "../data/identity.js";
import { builtInFile, builtInNames, builtInReady, findBuiltIn } from "./built-in.js";
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
  /** The tokens that `addTokens` has put behind those of its files. */
  added?: readonly string[];
  /** Frees the weights. */
  dispose(): void;
}

/** How a model is found. */
export interface LoadOptions {
  /** Receives lines for the reader, such as what is downloaded. */
  log?: (line: string) => void;
  /** The id of the terms that a model known by name is given under ("gemma"), by which who fetches it accepts them. What is in the cache was accepted when it was fetched. */
  acceptTerms?: string;
}

/**
 * Loads a model onto the open device: a built-in name ("smollm2-135m-instruct", "gemma-3-270m"), a .gguf file, a Hugging Face style directory, or what
 * is none of these and has the form `owner/name` or `owner/name@revision`: a repository of the hub (`fetchModel`).
 * Files are validated in full before a device is opened and anything is uploaded.
 * @throws WeightsError when there is no such model, its terms are not accepted, or a file is broken; SetupError when a built-in one cannot be fetched or the
 * cache cannot take it; DeviceError as `openDevice`
 */
export async function loadModel(model: string, options: LoadOptions = {}): Promise<LanguageModel> {
  const { name, source, hub, files } = await openFiles(model, options);
  try {
    const tokenizer = createTokenizer(files.tokenizer, source);
    await openDevice({ log: options.log });
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
export async function checkModel(model: string, options: LoadOptions = {}): Promise<DecoderConfig> {
  const { files, source } = await openFiles(model, options);
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
  if (builtIn ? !builtInReady(builtIn) : source === undefined || !existsSync(source)) return undefined;
  const { files } = await openFiles(source!);
  files.close();
  return digestsOf(files);
}

async function digestsOf({ weights, config, tokenizer }: ModelFiles): Promise<ModelDigests> {
  const hashes = await Promise.all(weights.map(sha256));
  const ofWeights = hashes.length === 1 ? hashes[0]! : createHash("sha256").update(hashes.join("")).digest("hex");
  return { sha256: ofWeights, digest: digestOf({ weights: ofWeights, config, tokenizer } as unknown as IdentityValue) };
}

async function openFiles(model: string, options: LoadOptions = {}) {
  const { source, name, hub, template } = await locate(model, options);
  const directory = statSync(source).isDirectory() || source.endsWith(".safetensors");
  const files = await (directory ? openDirectory(source) : openGguf(source));
  if (template !== undefined) files.tokenizer.config.chat_template ??= template;
  return { name: name ?? basename(source).replace(/\.(gguf|safetensors)$/, ""), source, hub, files };
}

/** A model's file or directory, fetched where that is needed; its name where that is another than the file's. */
async function locate(
  model: string,
  { log, acceptTerms }: LoadOptions,
): Promise<{ source: string; name?: string; hub?: LanguageModel["hub"]; template?: string }> {
  const builtIn = findBuiltIn(model);
  if (builtIn) {
    const { repository, template } = builtIn;
    return { source: await builtInFile(model, builtIn, acceptTerms, log), name: model, hub: { repository }, template };
  }
  if (existsSync(model)) return { source: model };
  const hubId = parseHubId(model);
  if (!hubId) {
    throw new WeightsError(
      model,
      "no such file or directory, nor a model that erpo knows by name",
      `known: ${builtInNames.join(", ")}; owner/name is a repository of the hub`,
    );
  }
  const { dir, commit } = await fetchModel(hubId, log);
  return { source: dir, name: model, hub: { repository: hubId.repository, commit } };
}
