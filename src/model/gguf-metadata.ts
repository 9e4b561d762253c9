import { type GGUFTypedMetadata, GGUFValueType } from "@huggingface/gguf";
import type { DecoderConfig } from "./config.js";
import { traits } from "./families.js";

/** Keys and typed values of a GGUF file. */
export type Entries = Record<string, { type: GGUFValueType; subType?: GGUFValueType; value: unknown }>;

export const uint32 = (value: number) => ({ type: GGUFValueType.UINT32, value });
export const float32 = (value: number) => ({ type: GGUFValueType.FLOAT32, value });
export const flag = (value: boolean) => ({ type: GGUFValueType.BOOL, value });
export const text = (value: string) => ({ type: GGUFValueType.STRING, value });
export const strings = (value: readonly string[]) => ({ type: GGUFValueType.ARRAY, subType: GGUFValueType.STRING, value });
export const ints = (value: readonly number[]) => ({ type: GGUFValueType.ARRAY, subType: GGUFValueType.INT32, value });
export const floats = (value: readonly number[]) => ({ type: GGUFValueType.ARRAY, subType: GGUFValueType.FLOAT32, value });
const flags = (value: readonly boolean[]) => ({ type: GGUFValueType.ARRAY, subType: GGUFValueType.BOOL, value });

/** What a GGUF file says of a decoder: the inverse of `configFromGguf`. */
export function configToGguf(config: DecoderConfig): Entries {
  const architecture = traits(config.family).gguf;
  const window = config.windows.find((w) => w !== null);
  const own: Entries = {
    vocab_size: uint32(config.vocabSize),
    context_length: uint32(config.maxPositions),
    embedding_length: uint32(config.hiddenSize),
    block_count: uint32(config.numLayers),
    feed_forward_length: uint32(config.intermediateSize),
    "attention.head_count": uint32(config.numHeads),
    "attention.head_count_kv": uint32(config.numKvHeads),
    "attention.key_length": uint32(config.headDim),
    "attention.value_length": uint32(config.headDim),
    "attention.layer_norm_rms_epsilon": float32(config.rmsNormEps),
    "rope.dimension_count": uint32(config.headDim),
    "rope.freq_base": float32(config.ropeTheta),
    ...(window && {
      "attention.sliding_window": uint32(window),
      "attention.sliding_window_pattern": flags(config.windows.map((w) => w !== null)),
    }),
  };
  return {
    "general.architecture": text(architecture),
    ...Object.fromEntries(Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value])),
  };
}

/** The library's form of entries, with the number of tensors. */
export const typedMetadata = (entries: Entries, tensors: number): GGUFTypedMetadata =>
  ({
    version: uint32(3),
    tensor_count: { type: GGUFValueType.UINT64, value: BigInt(tensors) },
    kv_count: { type: GGUFValueType.UINT64, value: BigInt(Object.keys(entries).length) },
    ...entries,
  }) as unknown as GGUFTypedMetadata;
