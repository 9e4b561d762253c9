import { logitRows } from "../backend/ops/token-logps.js";
import type { DecoderConfig } from "./config.js";
import { traits } from "./families.js";
import { linearNames, linearShape } from "./lora.js";
import { tensorShapes } from "./weights.js";

/** Rows that go through a decoder together. */
export interface PassShape {
  /** "train": forward and backward through an adapter; "score": forward alone; "sample": token by token with a cache. */
  kind: "train" | "score" | "sample";
  rows: number;
  /** Tokens of the longest row. */
  prompt: number;
  completion: number;
}

/** What an adapter changes, and whether the process multiplies in BF16. */
export interface FootprintOptions {
  /** LoRA's rank and how many layers it is in, the last ones, on all linear layers. */
  rank: number;
  adaptedLayers: number;
  /** Whether BF16 forms of the frozen matrices are kept: for training (`freeze`), and packed for sampling (`packFrozen`). */
  halves: boolean;
}

/** Bytes of a pass's tensors. */
export interface Footprint {
  /** Weights, their BF16 forms, the output projection turned for sampling and, to sample, a copy of the adapted layers with the adapter in it. */
  weights: number;
  /** The adapter; to train, also its two moments and its gradient. */
  adapter: number;
  /** What the layers keep for the backward pass, and what the layer that is being computed holds. */
  activations: number;
  /** Logits that are held at once, and what is made of them. */
  logits: number;
  /** Keys and values of all layers; and those of the prompts that go through the model, which are copied into it. */
  cache: number;
}

const FLOAT = 4; // bytes
/** Positions that a cache grows by (cache.ts). */
const CACHE_GROWTH = 32;

/** Most bytes of the keys and values that are sampled with at a time: of 96 rows of 580 tokens in SmolLM2-135M. */
const cacheBytes = 2.6e9;

/** Most tokens of prompts that go through a model together: more take gigabytes for scores and states, and are no faster. */
export const prefillTokens = 16_384;

const cacheBytesPerToken = ({ numLayers, numKvHeads, headDim }: DecoderConfig): number => 2 * numLayers * numKvHeads * headDim * FLOAT;

/** Rows that may be sampled at a time, at least 1, where the longest has so many tokens in each of some contexts. */
export const rowsInCache = (config: DecoderConfig, tokens: number, contexts = 1): number =>
  Math.max(1, Math.floor(cacheBytes / (tokens * contexts * cacheBytesPerToken(config))));

/** Parameters of a decoder, from its shapes. */
export const parameters = (config: DecoderConfig): number =>
  [...tensorShapes(config).values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** Those that each token is multiplied with: the layers' matrices and the output projection. */
export const multipliedParameters = (config: DecoderConfig): number =>
  config.numLayers * layerParameters(config) + config.vocabSize * config.hiddenSize;

/** Numbers in an adapter of all linear layers: A [r, in] and B [out, r] each. */
export const adapterParameters = (config: DecoderConfig, rank: number, layers: number): number =>
  layers * linearNames(config).reduce((sum, name) => sum + rank * (linearShape(config, name)[0] + linearShape(config, name)[1]), 0);

const layerParameters = (config: DecoderConfig): number =>
  linearNames(config).reduce((sum, name) => sum + linearShape(config, name)[0] * linearShape(config, name)[1], 0);

/** Estimates the largest memory that a pass takes, from what `layerForward` saves and what the other parts are known to hold; for rows as long as the longest. */
export function footprint(config: DecoderConfig, shape: PassShape, { rank, adaptedLayers, halves }: FootprintOptions): Footprint {
  const { hiddenSize: C, intermediateSize: I, numHeads: H, numKvHeads: KV, headDim: D, vocabSize: V, numLayers } = config;
  const { kind, prompt } = shape;
  const T = prompt + shape.completion;
  const rows = kind === "sample" ? Math.min(shape.rows, rowsInCache(config, T)) : shape.rows;
  const forms = halves ? 2 * 2 : 0; // bytes a number, of both BF16 forms
  const frozen = numLayers * layerParameters(config) + V * C;
  const merged = kind === "sample" ? adaptedLayers * layerParameters(config) * (FLOAT + forms) : 0;
  const adapter = adapterParameters(config, rank, adaptedLayers) * FLOAT;

  const S = kind === "sample" ? prompt : T; // a sampled token is a pass of one per row
  const passRows = kind === "sample" ? Math.min(rows, Math.max(1, Math.floor(prefillTokens / prompt))) : rows;
  const tokens = passRows * S;
  const scores = H * tokens * S;
  const qkv = (H + 2 * KV) * D;
  const normed = traits(config.family).outputNorms ? 2 * C : 0; // what attention and the MLP add, before their norms
  // inputs of the layer's two halves, q k v, attention's output, gate and up, low-rank products
  const kept = tokens * (2 * C + normed + qkv + H * D + 2 * I + 7 * rank) + scores;
  const lowRank = rank * (5 * C + H * D + 5 * I + 3 * qkv); // the matrices as `stack` makes them
  // of the layer that is being computed: gradients of the MLP's and attention's insides, or what is not kept of them
  const working = tokens * (2 * C + qkv + 2 * H * D + 5 * I) + 2 * scores;

  return {
    weights: parameters(config) * FLOAT + frozen * forms + V * C * FLOAT + merged,
    adapter: kind === "train" ? 4 * adapter : adapter,
    activations: FLOAT * ((kind === "train" ? adaptedLayers * (kept + lowRank) : kept) + working),
    logits: FLOAT * V * (kind === "sample" ? 4 * rows : 2 * logitRows(V)),
    cache: kind === "sample" ? cacheBytesPerToken(config) * (rows * (T + CACHE_GROWTH) + tokens) : 0,
  };
}

/** All tensors together. */
export const tensorBytes = ({ weights, adapter, activations, logits, cache }: Footprint): number =>
  weights + adapter + activations + logits + cache;

/**
 * Memory that has to be there for so many bytes of tensors: Node, TensorFlow and the kernel with its type checker come to it, and what the allocator keeps;
 * more than measured peaks of resident memory. On a GPU the same is allowed for CUDA's context and work space, which was not measured.
 */
export const processBytes = (tensors: number): number => 1e9 + 1.1 * tensors;
