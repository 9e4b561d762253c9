import { type GGUFTypedMetadata, GGUFValueType } from "@huggingface/gguf";
import { frequencyFactors, type RopeScaling } from "../backend/ops/rotary.js";
import { checked, type DecoderConfig, MAX_LAYERS } from "./config.js";
import { WeightsError } from "./errors.js";
import { FAMILIES, type Family, traits } from "./families.js";

/** Keys and typed values of a GGUF file. */
export type Entries = Record<string, { type: GGUFValueType; subType?: GGUFValueType; value: unknown }>;

export const uint32 = (value: number) => ({ type: GGUFValueType.UINT32, value });
const float32 = (value: number) => ({ type: GGUFValueType.FLOAT32, value });
export const flag = (value: boolean) => ({ type: GGUFValueType.BOOL, value });
export const text = (value: string) => ({ type: GGUFValueType.STRING, value });
export const strings = (value: readonly string[]) => ({ type: GGUFValueType.ARRAY, subType: GGUFValueType.STRING, value });
export const ints = (value: readonly number[]) => ({ type: GGUFValueType.ARRAY, subType: GGUFValueType.INT32, value });
export const floats = (value: readonly number[]) => ({ type: GGUFValueType.ARRAY, subType: GGUFValueType.FLOAT32, value });
const flags = (value: readonly boolean[]) => ({ type: GGUFValueType.ARRAY, subType: GGUFValueType.BOOL, value });

/** Ends of a turn, and of a message that a tool answers, by their texts. llama.cpp knows them so where a file has no key for them, which its converters often leave out. */
export const TURN_ENDS: readonly string[] = ["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>"];
export const MESSAGE_END = "<|eom_id|>";

/** What attention's scores are divided by the square root of, for which GGUF has no key: llama.cpp knows Gemma 3 27B by its layers. */
const queryScalarOf = ({
  numLayers,
  hiddenSize,
  numHeads,
  headDim,
}: Pick<DecoderConfig, "numLayers" | "hiddenSize" | "numHeads" | "headDim">) => (numLayers === 62 ? hiddenSize / numHeads : headDim);

/** What the gains of q's heads are multiplied with in a GGUF file, so that its readers' division comes to the config's. */
export const queryGainInGguf = (config: DecoderConfig): number =>
  config.queryScalar === undefined ? 1 : Math.sqrt(queryScalarOf(config) / config.queryScalar);

/**
 * Reads the metadata of a GGUF file, whose keys begin with its architecture.
 * @param factors of its tensor rope_freqs.weight, by which the frequencies are divided, where it has one
 * @throws WeightsError that names the key
 */
export function configFromGguf(metadata: Record<string, unknown>, file: string, tied: boolean, factors?: Float32Array): DecoderConfig {
  const architecture = metadata["general.architecture"];
  const families = (Object.keys(FAMILIES) as Family[]).filter((name) => traits(name).gguf === architecture);
  if (families.length === 0) {
    const known = [...new Set(Object.values(FAMILIES).map(({ gguf }) => gguf))];
    throw new WeightsError(
      file,
      `general.architecture is ${JSON.stringify(architecture)}`,
      `erpo runs the architectures ${known.join(", ")}`,
    );
  }
  const number = (key: string, fallback?: number): number => {
    const value = metadata[key] ?? fallback;
    const n = typeof value === "bigint" ? Number(value) : value;
    if (typeof n !== "number" || !Number.isFinite(n) || n < 0) {
      throw new WeightsError(file, `metadata "${key}" is ${JSON.stringify(n)}`, "convert the model again");
    }
    return n;
  };
  const own = (key: string, fallback?: number) => number(`${architecture}.${key}`, fallback);
  const scaling = metadata[`${architecture}.rope.scaling.type`];
  if (scaling !== undefined && scaling !== "none") {
    throw new WeightsError(
      file,
      `metadata "${architecture}.rope.scaling.type": ${scaling} is not supported`,
      "use a model with plain rotary positions",
    );
  }
  const hiddenSize = own("embedding_length");
  const numHeads = own("attention.head_count");
  const numLayers = own("block_count");
  const tokens = metadata["tokenizer.ggml.tokens"];
  const window = own("attention.sliding_window", 0) || null;
  const family = (window !== null && families.find((name) => traits(name).window !== null)) || families[0]!;
  const headDim = own("attention.key_length", own("rope.dimension_count", hiddenSize / numHeads));
  if (own("rope.dimension_count", headDim) !== headDim) {
    const problem = `metadata "${architecture}.rope.dimension_count" is ${own("rope.dimension_count")} of a head's ${headDim}`;
    throw new WeightsError(file, problem, "use a model that turns whole heads");
  }
  const ropeTheta = own("rope.freq_base", 10000);
  const local = traits(family).localRopeTheta;
  const eos = number("tokenizer.ggml.eos_token_id", 2);
  const texts: readonly unknown[] = Array.isArray(tokens) ? tokens : [];
  const end = (key: string, ends: readonly string[]) => {
    const known = texts.findIndex((text) => ends.includes(String(text)));
    return number(`tokenizer.ggml.${key}_token_id`, known < 0 ? eos : known);
  };
  const eot = end("eot", TURN_ENDS);
  const eom = end("eom", [MESSAGE_END]);
  return checked(
    {
      family,
      vocabSize: own("vocab_size", Array.isArray(tokens) ? tokens.length : undefined),
      hiddenSize,
      intermediateSize: own("feed_forward_length"),
      numLayers,
      numHeads,
      numKvHeads: own("attention.head_count_kv", numHeads),
      headDim,
      qkvBias: traits(family).qkvBias,
      qkNorm: traits(family).qkNorm,
      windows: windowsFromGguf(metadata[`${architecture}.attention.sliding_window_pattern`], family, numLayers, window, file),
      ropeTheta,
      ...(local !== undefined && {
        localRopeTheta: own("rope.freq_base_swa", local),
        queryScalar: queryScalarOf({ numLayers, hiddenSize, numHeads, headDim }),
      }),
      ropeScaling: factors ? ropeScalingFromFactors(factors, headDim, ropeTheta, file) : null,
      rmsNormEps: Number(own("attention.layer_norm_rms_epsilon").toPrecision(7)), // stored as f32
      tieWordEmbeddings: tied,
      maxPositions: own("context_length"),
      bosTokenId: number("tokenizer.ggml.bos_token_id", 1),
      eosTokenIds: [...new Set([eos, eot, eom])], // of a text, a turn, a message
    },
    file,
  );
}

/**
 * Which layers have the window.
 * @param pattern a list of them, or of how many layers in a row one, the last, has none; all have it where there is neither, unless the family says otherwise
 * @throws WeightsError for a list of another length
 */
function windowsFromGguf(pattern: unknown, family: Family, layers: number, window: number | null, file: string): (number | null)[] {
  if (Array.isArray(pattern) && pattern.length !== layers)
    throw new WeightsError(file, `field "sliding_window_pattern": has ${pattern.length} layers, and the model ${layers}`);
  const period = typeof pattern === "number" || typeof pattern === "bigint" ? Number(pattern) : traits(family).windowPeriod;
  const has = (layer: number) => (Array.isArray(pattern) ? pattern[layer] : period === undefined || (layer + 1) % period !== 0);
  return Array.from({ length: Math.min(layers, MAX_LAYERS) }, (_, layer) => (has(layer) ? window : null));
}

/** The inverse: the period where the family's files have one, else a list. */
function windowPattern({ family, windows }: DecoderConfig) {
  const period = windows.indexOf(null) + 1;
  const periodic = traits(family).windowPeriod !== undefined && windows.every((w, l) => (w === null) === ((l + 1) % period === 0));
  return periodic ? uint32(period) : flags(windows.map((w) => w !== null));
}

/** GGUF files hold the factors that Llama 3.1's scaling gives, not its parameters; those of the released models are tried. */
function ropeScalingFromFactors(factors: Float32Array, headDim: number, ropeTheta: number, file: string): RopeScaling {
  const ropeScaling = { factor: factors.reduce((most, x) => Math.max(most, x), 1), low: 1, high: 4, original: 8192 };
  const same = () => frequencyFactors({ headDim, ropeTheta, ropeScaling }).every((x, i) => Math.abs(x / factors[i]! - 1) < 1e-4);
  if (factors.length !== headDim / 2 || !same())
    throw new WeightsError(file, "tensor rope_freqs.weight is not Llama 3.1's scaling", "use a Hugging Face directory");
  return ropeScaling;
}

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
      "attention.sliding_window_pattern": windowPattern(config),
    }),
    ...(config.localRopeTheta && { "rope.freq_base_swa": float32(config.localRopeTheta) }),
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
