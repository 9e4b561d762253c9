import { z } from "zod";
import { WeightsError } from "./errors.js";

/** The shape of a Llama decoder (Touvron et al. 2023): RMSNorm, rotary positions, grouped-query attention, SwiGLU. */
export interface DecoderConfig {
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  numLayers: number;
  numHeads: number;
  /** Key/value heads; each serves numHeads / numKvHeads query heads. */
  numKvHeads: number;
  headDim: number;
  /** Base of the rotary frequencies. */
  ropeTheta: number;
  rmsNormEps: number;
  /** Whether the output projection is the embedding matrix. */
  tieWordEmbeddings: boolean;
  maxPositions: number;
  bosTokenId: number;
  /** Token ids that end a completion; the first is the tokenizer's. */
  eosTokenIds: number[];
}

const count = z.number().int().positive();
const ropeParameters = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
});

/** config.json of transformers 4 (`rope_theta`, `rope_scaling`) and 5 (`rope_parameters`). */
const configJson = z.looseObject({
  model_type: z.literal("llama"),
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  hidden_act: z.literal("silu").default("silu"),
  attention_bias: z.literal(false).default(false),
  mlp_bias: z.literal(false).default(false),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: ropeParameters.nullish(),
  rope_parameters: ropeParameters.nullish(),
  rms_norm_eps: z.number().positive().default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  max_position_embeddings: count.default(2048),
  bos_token_id: z.number().int().nonnegative().nullish(),
  eos_token_id: z.union([z.number().int().nonnegative(), z.array(z.number().int().nonnegative()).min(1)]).nullish(),
});

/**
 * Reads the parsed content of a config.json.
 * @param file its path, for the error
 * @throws WeightsError that names the field, when the file describes something other than a plain Llama decoder
 */
export function configFromJson(json: unknown, file: string): DecoderConfig {
  const parsed = configJson.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new WeightsError(
      file,
      `field "${issue.path.join(".")}": ${issue.message}`,
      "erpo runs Llama decoders without biases (model_type llama)",
    );
  }
  const c = parsed.data;
  const rope = c.rope_parameters ?? c.rope_scaling;
  const ropeType = rope?.rope_type ?? rope?.type ?? "default";
  if (ropeType !== "default") {
    throw new WeightsError(file, `field "rope_type": ${ropeType} is not supported`, "use a model with plain rotary positions");
  }
  return checked(
    {
      vocabSize: c.vocab_size,
      hiddenSize: c.hidden_size,
      intermediateSize: c.intermediate_size,
      numLayers: c.num_hidden_layers,
      numHeads: c.num_attention_heads,
      numKvHeads: c.num_key_value_heads ?? c.num_attention_heads,
      headDim: c.head_dim ?? c.hidden_size / c.num_attention_heads,
      ropeTheta: c.rope_theta ?? rope?.rope_theta ?? 10000,
      rmsNormEps: c.rms_norm_eps,
      tieWordEmbeddings: c.tie_word_embeddings,
      maxPositions: c.max_position_embeddings,
      bosTokenId: c.bos_token_id ?? 1,
      eosTokenIds: [c.eos_token_id ?? 2].flat(),
    },
    file,
  );
}

/** The inverse: what a config.json of transformers 5 says of this decoder. */
export function configToJson(config: DecoderConfig): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numLayers,
    num_attention_heads: config.numHeads,
    num_key_value_heads: config.numKvHeads,
    head_dim: config.headDim,
    hidden_act: "silu",
    attention_bias: false,
    mlp_bias: false,
    // both spellings: transformers 4 reads rope_theta, 5 reads rope_parameters
    rope_theta: config.ropeTheta,
    rope_parameters: { rope_type: "default", rope_theta: config.ropeTheta },
    rms_norm_eps: config.rmsNormEps,
    tie_word_embeddings: config.tieWordEmbeddings,
    max_position_embeddings: config.maxPositions,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenIds.length === 1 ? config.eosTokenIds[0] : config.eosTokenIds,
    dtype: "float32",
  };
}

/**
 * Reads the `llama.*` metadata of a GGUF file.
 * @throws WeightsError that names the key
 */
export function configFromGguf(metadata: Record<string, unknown>, file: string, tied: boolean): DecoderConfig {
  const architecture = metadata["general.architecture"];
  if (architecture !== "llama") {
    throw new WeightsError(file, `general.architecture is ${JSON.stringify(architecture)}`, "erpo runs the llama architecture");
  }
  const number = (key: string, fallback?: number): number => {
    const value = metadata[key] ?? fallback;
    const n = typeof value === "bigint" ? Number(value) : value;
    if (typeof n !== "number" || !Number.isFinite(n) || n < 0) {
      throw new WeightsError(file, `metadata "${key}" is ${JSON.stringify(n)}`, "convert the model again");
    }
    return n;
  };
  const scaling = metadata["llama.rope.scaling.type"];
  if (scaling !== undefined && scaling !== "none") {
    throw new WeightsError(
      file,
      `metadata "llama.rope.scaling.type": ${scaling} is not supported`,
      "use a model with plain rotary positions",
    );
  }
  const hiddenSize = number("llama.embedding_length");
  const numHeads = number("llama.attention.head_count");
  const tokens = metadata["tokenizer.ggml.tokens"];
  return checked(
    {
      vocabSize: number("llama.vocab_size", Array.isArray(tokens) ? tokens.length : undefined),
      hiddenSize,
      intermediateSize: number("llama.feed_forward_length"),
      numLayers: number("llama.block_count"),
      numHeads,
      numKvHeads: number("llama.attention.head_count_kv", numHeads),
      headDim: number("llama.attention.key_length", number("llama.rope.dimension_count", hiddenSize / numHeads)),
      ropeTheta: number("llama.rope.freq_base", 10000),
      rmsNormEps: Number(number("llama.attention.layer_norm_rms_epsilon").toPrecision(7)), // stored as f32
      tieWordEmbeddings: tied,
      maxPositions: number("llama.context_length"),
      bosTokenId: number("tokenizer.ggml.bos_token_id", 1),
      eosTokenIds: [number("tokenizer.ggml.eos_token_id", 2)],
    },
    file,
  );
}

function checked(c: DecoderConfig, file: string): DecoderConfig {
  for (const [key, value] of Object.entries(c)) {
    if (typeof value === "number" && key !== "bosTokenId" && !(value > 0))
      throw new WeightsError(file, `${key} is ${value}`, "it must be positive");
  }
  if (c.numHeads % c.numKvHeads !== 0) throw new WeightsError(file, `${c.numHeads} heads cannot share ${c.numKvHeads} key/value heads`);
  if (!Number.isInteger(c.headDim) || c.headDim % 2 !== 0)
    throw new WeightsError(file, `head_dim is ${c.headDim}`, "rotary positions need an even one");
  if (c.numLayers > 1000 || c.vocabSize > 10_000_000)
    throw new WeightsError(file, `${c.numLayers} layers, ${c.vocabSize} tokens: not a real model`);
  return c;
}
