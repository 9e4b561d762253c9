import * as tf from "@tensorflow/tfjs";
import { type InputMask, inputMask } from "../backend/ops/dropout.js";
import type { TokenRows } from "../backend/ops/token-rows.js";
import type { Rng } from "../backend/random.js";
import type { DecoderConfig } from "./config.js";
import { traits } from "./families.js";

/** The linear layers of a decoder layer, in the order of its computation; where matrices are fused (`linearNames`), it has others. */
export const LINEAR_NAMES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"] as const;

/** Those of all families, in the same order. */
export const MODULE_NAMES = [
  "qkv_proj",
  "q_proj",
  "k_proj",
  "v_proj",
  "o_proj",
  "gate_up_proj",
  "gate_proj",
  "up_proj",
  "down_proj",
] as const;
export type LinearName = (typeof MODULE_NAMES)[number];

/** Linear layers by the matrix that their outputs lie side by side in. */
type ModuleGroups = Record<"qkv" | "o" | "gateUp" | "down", readonly LinearName[]>;

const SPLIT: ModuleGroups = { qkv: ["q_proj", "k_proj", "v_proj"], o: ["o_proj"], gateUp: ["gate_proj", "up_proj"], down: ["down_proj"] };
const FUSED: ModuleGroups = { ...SPLIT, qkv: ["qkv_proj"], gateUp: ["gate_up_proj"] };

export const moduleGroups = ({ family }: Pick<DecoderConfig, "family">): ModuleGroups => (traits(family).fused ? FUSED : SPLIT);

/** The linear layers that a decoder's layers have, in the order of computation: PEFT's "all-linear". */
export const linearNames = (config: Pick<DecoderConfig, "family">): readonly LinearName[] => Object.values(moduleGroups(config)).flat();

/** Low-rank adaptation (Hu et al. 2022): y = W x + (alpha / r) B A x. */
export interface LoraConfig {
  /** Rank, >= 1. */
  r: number;
  /** > 0. */
  alpha: number;
  targetModules: readonly LinearName[];
  /** Layers that have adapters, from 0 (PEFT's `layers_to_transform`). */
  layers: readonly number[];
  /** Tokens whose embeddings are trained too (PEFT's `trainable_token_indices`), and their rows of the head where it is tied to the embedding. */
  trainableTokens?: readonly number[];
}

/** PEFT's key of the trained tokens' rows [n, C]. */
export const TOKEN_ROWS_KEY = "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta";

/** [out, in] of a linear layer. */
export function linearShape(c: DecoderConfig, module: LinearName): [number, number] {
  const attention = c.numHeads * c.headDim;
  const kv = c.numKvHeads * c.headDim;
  switch (module) {
    case "q_proj":
      return [attention, c.hiddenSize];
    case "k_proj":
    case "v_proj":
      return [kv, c.hiddenSize];
    case "qkv_proj":
      return [attention + 2 * kv, c.hiddenSize];
    case "o_proj":
      return [c.hiddenSize, attention];
    case "gate_proj":
    case "up_proj":
      return [c.intermediateSize, c.hiddenSize];
    case "gate_up_proj":
      return [2 * c.intermediateSize, c.hiddenSize];
    case "down_proj":
      return [c.hiddenSize, c.intermediateSize];
  }
}

/** `self_attn.q_proj` and so on: a linear layer's path below its decoder layer. */
export const modulePath = (module: LinearName): string => (/^(q|k|v|qkv|o)_proj$/.test(module) ? `self_attn.${module}` : `mlp.${module}`);

interface Pair {
  layer: number;
  module: LinearName;
  A: tf.Variable<tf.Rank.R2>; // [r, in]
  B: tf.Variable<tf.Rank.R2>; // [out, r]
}

/** The trainable matrices of an adapter. Layers and modules are kept in the decoder's order, whatever the config's. */
export class Lora {
  readonly #pairs: Pair[];
  readonly #byKey: Map<string, Pair>;
  #dropout: { p: number; rng: Rng } | null = null;
  /** The trained tokens and their rows [n, C], which take the place of the embedding's; null where there are none. */
  readonly tokens: (TokenRows & { rows: tf.Variable<tf.Rank.R2> }) | null;

  /**
   * @param values A [r, in] or B [out, r] of a module; the tensors are taken over
   * @param tokenRows of `config.trainableTokens`, [n, C]; taken over too
   * @throws RangeError when there are not as many rows as trained tokens
   */
  constructor(
    readonly config: LoraConfig,
    values: (layer: number, module: LinearName, matrix: "A" | "B") => tf.Tensor2D,
    tokenRows: tf.Tensor2D | null = null,
  ) {
    const ids = config.trainableTokens ?? [];
    if (ids.length !== (tokenRows?.shape[0] ?? 0)) throw new RangeError(`LoRA: ${tokenRows?.shape[0] ?? 0} rows for ${ids.length} tokens`);
    const layers = [...new Set(config.layers)].sort((a, b) => a - b);
    const variable = (value: tf.Tensor2D) => {
      const v = tf.variable(value, true) as tf.Variable<tf.Rank.R2>;
      value.dispose();
      return v;
    };
    this.tokens = tokenRows && { ids, rows: variable(tokenRows) };
    this.#pairs = layers.flatMap((layer) =>
      MODULE_NAMES.filter((m) => config.targetModules.includes(m)).map((module) => ({
        layer,
        module,
        A: variable(values(layer, module, "A")),
        B: variable(values(layer, module, "B")),
      })),
    );
    this.#byKey = new Map(this.#pairs.map((p) => [`${p.layer} ${p.module}`, p]));
  }

  /** alpha / r, the factor of B A. */
  get scale(): number {
    return this.config.alpha / this.config.r;
  }

  /** The lowest layer that has an adapter: below it no gradient is needed. The embedding, where tokens are trained, is -1. */
  get firstLayer(): number {
    return this.tokens ? -1 : (this.#pairs[0]?.layer ?? Number.POSITIVE_INFINITY);
  }

  /** All variables, by layer, then module, A before B; then the tokens' rows. */
  variables(): tf.Variable[] {
    return [...this.#pairs.flatMap((p) => [p.A, p.B]), ...(this.tokens ? [this.tokens.rows] : [])];
  }

  /** PEFT's keys of `variables()`, in the same order. */
  names(): string[] {
    const key = (p: Pair, matrix: string) => `base_model.model.model.layers.${p.layer}.${modulePath(p.module)}.lora_${matrix}.weight`;
    return [...this.#pairs.flatMap((p) => [key(p, "A"), key(p, "B")]), ...(this.tokens ? [TOKEN_ROWS_KEY] : [])];
  }

  /** [r, in], or undefined where the module has no adapter. */
  A(layer: number, module: LinearName): tf.Variable<tf.Rank.R2> | undefined {
    return this.#byKey.get(`${layer} ${module}`)?.A;
  }

  /** [out, r], or undefined where the module has no adapter. */
  B(layer: number, module: LinearName): tf.Variable<tf.Rank.R2> | undefined {
    return this.#byKey.get(`${layer} ${module}`)?.B;
  }

  /**
   * Runs a pass of training and its gradient with dropout on the adapters' inputs (PEFT's `lora_dropout`): each module's own, of each token.
   * @param p share of inputs that are dropped, in [0, 1)
   * @param rng a stream of this pass; it is not moved on
   * @throws RangeError when p is out of range
   */
  withDropout<T>(p: number, rng: Rng, pass: () => T): T {
    if (!(p >= 0 && p < 1)) throw new RangeError(`LoRA: the dropout must be in [0, 1), got ${p}`);
    this.#dropout = { p, rng };
    try {
      return pass();
    } finally {
      this.#dropout = null;
    }
  }

  /** What a module's A sees of its input in the pass under way; undefined where that is all of it. */
  inputMask(layer: number, module: LinearName): InputMask | undefined {
    const A = this.A(layer, module);
    const { p, rng } = this.#dropout ?? {};
    return A && p && rng ? inputMask(p, A.shape[1], rng.fork(`${layer} ${module}`)) : undefined;
  }

  /** An independent copy. */
  clone(): Lora {
    const rows = this.tokens && (tf.clone(this.tokens.rows) as tf.Tensor2D);
    return new Lora(this.config, (layer, module, matrix) => tf.clone(this[matrix](layer, module)!), rows);
  }

  /** Frees the variables. */
  dispose(): void {
    tf.dispose(this.variables());
  }
}

/** The first of the tokens that the decoder does not have or that is named twice; undefined where all are right. */
export const wrongToken = ({ vocabSize }: DecoderConfig, ids: readonly number[]): number | undefined =>
  ids.find((id, i) => !Number.isInteger(id) || id < 0 || id >= vocabSize || ids.indexOf(id) < i);

/**
 * A fresh adapter that changes nothing yet: A uniform in +-1/sqrt(in) (PEFT's kaiming_uniform with a = sqrt 5), B zero.
 * @param tokenRows what the rows of `config.trainableTokens` begin with, [n, C], taken over; `decoder.embeddings` gives those that change nothing
 * @throws RangeError when a layer, the rank, alpha, the list of modules or a token makes no sense, or there are not as many rows as trained tokens
 */
export function createLora(decoder: DecoderConfig, config: LoraConfig, rng: Rng, tokenRows: tf.Tensor2D | null = null): Lora {
  if (!(Number.isInteger(config.r) && config.r >= 1)) throw new RangeError(`LoRA: r must be a whole number >= 1, got ${config.r}`);
  if (!(config.alpha > 0)) throw new RangeError(`LoRA: alpha must be > 0, got ${config.alpha}`);
  const layer = config.layers.find((l) => !Number.isInteger(l) || l < 0 || l >= decoder.numLayers);
  if (layer !== undefined) throw new RangeError(`LoRA: layer ${layer} is not among the decoder's 0..${decoder.numLayers - 1}`);
  const names = linearNames(decoder);
  const module = config.targetModules.find((m) => !names.includes(m));
  if (module !== undefined) throw new RangeError(`LoRA: unknown module ${module}; the decoder has ${names.join(", ")}`);
  if (config.layers.length === 0 || config.targetModules.length === 0) throw new RangeError("LoRA: no layer or no module is adapted");
  const token = wrongToken(decoder, config.trainableTokens ?? []);
  if (token !== undefined)
    throw new RangeError(`LoRA: token ${token} is named twice, or is not among the decoder's 0..${decoder.vocabSize - 1}`);
  const begin = (_: number, name: LinearName, matrix: "A" | "B"): tf.Tensor2D => {
    const [out, input] = linearShape(decoder, name);
    if (matrix === "B") return tf.zeros([out, config.r]);
    const bound = 1 / Math.sqrt(input);
    return tf.tensor2d(
      Float32Array.from({ length: config.r * input }, () => (2 * rng.uniform() - 1) * bound),
      [config.r, input],
    );
  };
  return new Lora(config, begin, tokenRows);
}
