import { z } from "zod";
import type { RopeScaling } from "../backend/ops/rotary.js";
import { WeightsError } from "./errors.js";
import { FAMILIES, type Family, traits } from "./families.js";

/** The shape of a decoder with RMSNorm, rotary positions, grouped-query attention and a gated MLP (Llama: Touvron et al. 2023), and what its family adds. */
export interface DecoderConfig {
  family: Family;
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  numLayers: number;
  numHeads: number;
  /** Key/value heads; each serves numHeads / numKvHeads query heads. */
  numKvHeads: number;
  headDim: number;
  /** Whether the products for q, k and v add a bias. */
  qkvBias: boolean;
  /** Whether each head of q and k is normed (RMSNorm) before it is turned. */
  qkNorm: boolean;
  /** For each layer how many positions a token sees, its own included; null: all before it. */
  windows: readonly (number | null)[];
  /** Base of the rotary frequencies. */
  ropeTheta: number;
  /** That of the layers with a window, whose frequencies are not stretched; absent: the same as the others'. */
  localRopeTheta?: number;
  /** Attention's scores are divided by its square root; absent: headDim. Gemma's `query_pre_attn_scalar`. */
  queryScalar?: number;
  /** How the frequencies are stretched; null: not at all. */
  ropeScaling: RopeScaling | null;
  rmsNormEps: number;
  /** Whether the output projection is the embedding matrix. */
  tieWordEmbeddings: boolean;
  maxPositions: number;
  bosTokenId: number;
  /** Token ids that end a completion; the first is the tokenizer's. */
  eosTokenIds: number[];
}

/** More than any decoder has. */
export const MAX_LAYERS = 1000;

const count = z.number().int().positive();
const tokenId = z.number().int().nonnegative();
const endIds = z.union([tokenId, z.array(tokenId).min(1)]).nullish();
const ropeParameters = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  partial_rotary_factor: z.literal(1).optional(),
});
/** For all layers, or by the kind of layer. */
const ropeByLayer = ropeParameters.extend({ full_attention: ropeParameters.nullish(), sliding_attention: ropeParameters.nullish() });
const llama3Scaling = z.object({
  factor: z.number().positive(),
  low_freq_factor: z.number().positive(),
  high_freq_factor: z.number().positive(),
  original_max_position_embeddings: count,
});

/** config.json of transformers 4 (`rope_theta`, `rope_scaling`) and 5 (`rope_parameters`). */
const configJson = z.looseObject({
  model_type: z.enum(Object.keys(FAMILIES) as Family[]),
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  hidden_act: z.string().nullish(),
  hidden_activation: z.string().nullish(), // Gemma's name of it
  attention_bias: z.literal(false).default(false),
  mlp_bias: z.literal(false).default(false),
  use_sliding_window: z.boolean().nullish(),
  sliding_window: count.nullish(),
  max_window_layers: z.number().int().nonnegative().default(28),
  sliding_window_pattern: count.nullish(),
  _sliding_window_pattern: count.nullish(),
  use_bidirectional_attention: z.literal(false).nullish(),
  query_pre_attn_scalar: z.number().positive().default(256),
  attn_logit_softcapping: z.null().optional(),
  final_logit_softcapping: z.null().optional(),
  rope_local_base_freq: z.number().positive().nullish(),
  layer_types: z.array(z.enum(["full_attention", "sliding_attention"])).nullish(),
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.literal(1).nullish(),
  rope_scaling: ropeByLayer.nullish(),
  rope_parameters: ropeByLayer.nullish(),
  rms_norm_eps: z.number().positive().default(1e-6),
  tie_word_embeddings: z.boolean().nullish(),
  max_position_embeddings: count.default(2048),
  bos_token_id: tokenId.nullish(),
  eos_token_id: endIds,
});

/** What is read of a generation_config.json, which may name ends of a turn that config.json lacks: Phi-3's `<|end|>`, Gemma's `<end_of_turn>`. */
const generationJson = z.looseObject({ eos_token_id: endIds });

/**
 * Reads the parsed content of a config.json.
 * @param file its path, for the error
 * @throws WeightsError that names the field, when the file describes a decoder that erpo does not run
 */
export function configFromJson(json: unknown, file: string): DecoderConfig {
  const parsed = configJson.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new WeightsError(
      file,
      `field "${issue.path.join(".")}": ${issue.message}`,
      `erpo runs plain decoders of the families ${Object.keys(FAMILIES).join(", ")}`,
    );
  }
  const c = parsed.data;
  const family = traits(c.model_type);
  const activation = c.hidden_activation ?? c.hidden_act ?? family.activation;
  if (activation !== family.activation)
    throw new WeightsError(
      file,
      `field "hidden_act": ${activation} is not supported`,
      `a ${c.model_type} decoder has ${family.activation}`,
    );
  const ropes = c.rope_parameters ?? c.rope_scaling;
  const rope = ropes?.full_attention ?? ropes;
  const { qkvBias, qkNorm, headDim = c.hidden_size / c.num_attention_heads } = family;
  return checked(
    {
      family: c.model_type,
      vocabSize: c.vocab_size,
      hiddenSize: c.hidden_size,
      intermediateSize: c.intermediate_size,
      numLayers: c.num_hidden_layers,
      numHeads: c.num_attention_heads,
      numKvHeads: c.num_key_value_heads ?? c.num_attention_heads,
      headDim: c.head_dim ?? headDim,
      qkvBias,
      qkNorm,
      windows: windowsFromJson(c, file),
      ropeTheta: c.rope_theta ?? rope?.rope_theta ?? family.ropeTheta,
      ...(family.localRopeTheta !== undefined && {
        localRopeTheta: localRopeTheta(c.rope_local_base_freq, ropes?.sliding_attention, file) ?? family.localRopeTheta,
        queryScalar: c.query_pre_attn_scalar,
      }),
      ropeScaling: ropeScalingFromJson(rope, file),
      rmsNormEps: c.rms_norm_eps,
      tieWordEmbeddings: c.tie_word_embeddings ?? family.tied,
      maxPositions: c.max_position_embeddings,
      bosTokenId: c.bos_token_id ?? family.bos,
      eosTokenIds: [c.eos_token_id ?? family.eos].flat(),
    },
    file,
  );
}

/**
 * Token ids that end a completion, from the parsed content of a generation_config.json.
 * @param file its path, for the error
 * @throws WeightsError
 */
export function endsFromJson(json: unknown, file: string): number[] {
  const { data } = generationJson.safeParse(json);
  if (!data) throw new WeightsError(file, 'field "eos_token_id" is neither a token id nor a list of them', "get it again");
  return [data.eos_token_id ?? []].flat();
}

/** The config with more ends of a completion, behind those that it has. */
export const withEnds = (config: DecoderConfig, ends: readonly number[]): DecoderConfig => ({
  ...config,
  eosTokenIds: [...config.eosTokenIds, ...new Set(ends.filter((id) => !config.eosTokenIds.includes(id)))],
});

function ropeScalingFromJson(rope: z.infer<typeof ropeParameters> | null | undefined, file: string): RopeScaling | null {
  const type = rope?.rope_type ?? rope?.type ?? "default";
  if (type === "default") return null;
  if (type !== "llama3") {
    throw new WeightsError(file, `field "rope_type": ${type} is not supported`, "use a model with plain rotary positions, or Llama 3.1's");
  }
  const { data, error } = llama3Scaling.safeParse(rope);
  if (!data) throw new WeightsError(file, `field "${error.issues[0]!.path}" of its rotary positions: ${error.issues[0]!.message}`);
  return { factor: data.factor, low: data.low_freq_factor, high: data.high_freq_factor, original: data.original_max_position_embeddings };
}

/** The base of the layers with a window, where the file has one. */
function localRopeTheta(
  base: number | null | undefined,
  rope: z.infer<typeof ropeParameters> | null | undefined,
  file: string,
): number | undefined {
  if (ropeScalingFromJson(rope, file) !== null)
    throw new WeightsError(file, 'field "rope_parameters.sliding_attention" stretches its positions', "use a model whose windows do not");
  return base ?? rope?.rope_theta;
}

/** A null in the file means no window, a missing field the family's. */
function windowsFromJson(c: z.infer<typeof configJson>, file: string): (number | null)[] {
  const { window, windowed, windowPeriod } = traits(c.model_type);
  const size = c.sliding_window === undefined ? window : c.sliding_window;
  const fields = {
    use_sliding_window: c.use_sliding_window ?? false,
    max_window_layers: c.max_window_layers,
    sliding_window_pattern: c.sliding_window_pattern ?? c._sliding_window_pattern ?? windowPeriod ?? 1,
  };
  if (c.layer_types && c.layer_types.length !== c.num_hidden_layers)
    throw new WeightsError(file, `field "layer_types": has ${c.layer_types.length} layers, and the model ${c.num_hidden_layers}`);
  const has = (layer: number) => (c.layer_types ? c.layer_types[layer] === "sliding_attention" : windowed(layer, fields));
  return Array.from({ length: Math.min(c.num_hidden_layers, MAX_LAYERS) }, (_, layer) => (has(layer) ? size : null));
}

/** The inverse: what a config.json of transformers 5 says of this decoder; `dtype` is PyTorch's name of the type of the stored weights. */
export function configToJson(config: DecoderConfig, dtype = "float32"): Record<string, unknown> {
  const window = config.windows.find((w) => w !== null) ?? null;
  const { className, activation } = traits(config.family);
  const local = config.localRopeTheta;
  const scaling = config.ropeScaling;
  const rope = scaling && {
    rope_type: "llama3",
    factor: scaling.factor,
    low_freq_factor: scaling.low,
    high_freq_factor: scaling.high,
    original_max_position_embeddings: scaling.original,
  };
  const global = { ...(rope ?? { rope_type: "default" }), rope_theta: config.ropeTheta };
  return {
    architectures: [className],
    model_type: config.family,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numLayers,
    num_attention_heads: config.numHeads,
    num_key_value_heads: config.numKvHeads,
    head_dim: config.headDim,
    hidden_act: activation,
    ...(local !== undefined && { hidden_activation: activation, query_pre_attn_scalar: config.queryScalar, rope_local_base_freq: local }),
    attention_bias: false,
    mlp_bias: false,
    ...(config.family !== "llama" && {
      sliding_window: window,
      use_sliding_window: window !== null,
      max_window_layers: config.windows.lastIndexOf(null) + 1, // transformers 4 reads this one, 5 the list
      layer_types: config.windows.map((w) => (w === null ? "full_attention" : "sliding_attention")),
    }),
    // both spellings: transformers 4 reads rope_theta and rope_scaling, 5 reads rope_parameters
    rope_theta: config.ropeTheta,
    ...(rope && { rope_scaling: rope }),
    rope_parameters:
      local === undefined ? global : { full_attention: global, sliding_attention: { rope_type: "default", rope_theta: local } },
    rms_norm_eps: config.rmsNormEps,
    tie_word_embeddings: config.tieWordEmbeddings,
    max_position_embeddings: config.maxPositions,
    bos_token_id: config.bosTokenId,
    pad_token_id: null, // transformers' own for Phi-3 is beyond a small vocabulary
    eos_token_id: config.eosTokenIds.length === 1 ? config.eosTokenIds[0] : config.eosTokenIds,
    dtype,
  };
}

/**
 * The config itself.
 * @throws WeightsError when its numbers make no decoder
 */
export function checked(c: DecoderConfig, file: string): DecoderConfig {
  for (const [key, value] of Object.entries(c)) {
    if (typeof value !== "number" || key === "bosTokenId") continue;
    if (!(value > 0)) throw new WeightsError(file, `${key} is ${value}`, "it must be positive");
    if (!Number.isSafeInteger(value) && !["ropeTheta", "localRopeTheta", "queryScalar", "rmsNormEps", "headDim"].includes(key))
      throw new WeightsError(file, `${key} is ${value}`, "it must be a whole number");
  }
  const window = c.windows.find((w) => w !== null && !(Number.isSafeInteger(w) && w > 0));
  if (window !== undefined) throw new WeightsError(file, `a window of ${window} positions`, "it must be a whole number");
  if (c.numHeads % c.numKvHeads !== 0) throw new WeightsError(file, `${c.numHeads} heads cannot share ${c.numKvHeads} key/value heads`);
  if (!Number.isInteger(c.headDim) || c.headDim % 2 !== 0)
    throw new WeightsError(file, `head_dim is ${c.headDim}`, "rotary positions need an even one");
  if (c.numLayers > MAX_LAYERS || c.vocabSize > 10_000_000)
    throw new WeightsError(file, `${c.numLayers} layers, ${c.vocabSize} tokens: not a real model`);
  return c;
}
