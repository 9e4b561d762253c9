import * as tf from "@tensorflow/tfjs";
import { disposeFrozen } from "../backend/ops/mat-mul.js";
import { rmsNorm } from "../backend/ops/rms-norm.js";
import { type RowLayout, type SharedStart, spreadRows } from "../backend/ops/rows.js";
import { tokenLogps } from "../backend/ops/token-logps.js";
import type { KvCache } from "./cache.js";
import type { DecoderConfig } from "./config.js";
import { decodeStep, prefillRows } from "./decode.js";
import { adapterTensors, type LayerAdapters, layerAdapters, layerBackward, layerForward } from "./layer.js";
import type { Lora } from "./lora.js";
import { mergeLora, type SamplingWeights } from "./merge.js";
import { type PassContext, passContexts } from "./pass.js";
import type { DecoderWeights, LayerWeights } from "./weights.js";

/** How rows are run: with which adapter, after which shared tokens, and how long each row really is. */
export interface HiddenOptions {
  lora?: Lora | null;
  /** Token ids before every row; computed once and shared (exact; gradients flow). */
  prefix?: readonly number[];
  /** Real tokens of each row, each >= 1; the pads behind are then not computed and their states are zero. Default: all T. */
  lengths?: readonly number[];
  /** First tokens of a row that are those of an earlier row: they are run there, and their states are zero here (exact; gradients flow). */
  shared?: readonly (SharedStart | null)[];
  /** Of each layer only the input is kept for the backward pass, which computes the rest again (gradient checkpointing, Chen et al. 2016). */
  recompute?: boolean;
}

/** A decoder with frozen weights and an optional LoRA adapter. */
export class Decoder {
  #head: tf.Tensor2D | null = null;

  constructor(
    readonly config: DecoderConfig,
    readonly weights: DecoderWeights,
  ) {}

  /**
   * Final-norm hidden states of right-padded rows: ids [B, T] int32 -> [B, T, C]. Rows are causal, so pads on the right change nothing.
   * Gradients flow to the adapter's variables; layers below its first one are run without being recorded.
   * @throws RangeError when a row with its prefix is longer than the model's positions
   */
  hidden(ids: tf.Tensor2D, { lora = null, prefix = [], lengths, shared, recompute = false }: HiddenOptions = {}): tf.Tensor3D {
    const [B, T] = ids.shape;
    const { config, weights } = this;
    const P = prefix.length;
    return tf.tidy(() => {
      const own = lengths ?? Array.from({ length: B }, () => T);
      const contexts = passContexts(config, P, own, shared);
      const { layout } = contexts[0]!;
      const first = Math.min(lora?.firstLayer ?? config.numLayers, config.numLayers);
      let x = unrecorded(() => {
        let x = this.#embed(ids, layout, prefix); // [P + N, C]
        for (let l = 0; l < first; l++) x = tf.tidy(() => layerForward(weights.layers[l]!, x, contexts[l]!, null).value);
        return x;
      });
      for (let l = first; l < config.numLayers; l++) {
        x = adaptedLayer(weights.layers[l]!, x, contexts[l]!, layerAdapters(config, lora, l), l > first, recompute);
      }
      const states = rmsNorm(P === 0 ? x : tf.slice(x, [P, 0], [-1, config.hiddenSize]), weights.norm, config.rmsNormEps);
      return tf.reshape(spreadRows(states, layout), [B, layout.width, config.hiddenSize]).pad([
        [0, 0],
        [0, T - layout.width],
        [0, 0],
      ]);
    });
  }

  /** Log-probabilities of given next tokens: states [N, C], targets [N] int32 -> [N], in nats. Never keeps [N, V]. */
  tokenLogps(states: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D {
    return tokenLogps(states, this.weights.head, targets);
  }

  /** Next-token logits: [N, C] -> [N, V]. */
  logits(states: tf.Tensor2D): tf.Tensor2D {
    return tf.matMul(states, this.weights.head, false, true);
  }

  /** Weights for sampling: W + (alpha / r) B A where there is an adapter, the decoder's own otherwise. Dispose them when done. */
  merged(lora: Lora | null): SamplingWeights {
    this.#head ??= tf.keep(tf.tidy(() => tf.transpose(this.weights.head)));
    return mergeLora(this.config, this.weights, this.#head, lora);
  }

  /**
   * Runs prompts of any lengths >= 1 and keeps their keys and values. What all rows begin with is computed once, and so is what a row has in common with an earlier one.
   * @returns the cache and the logits [B, V] after each row's last token; dispose both
   */
  prefill(weights: SamplingWeights, rows: readonly (readonly number[])[]): { cache: KvCache; logits: tf.Tensor2D } {
    return prefillRows(this.config, weights, rows);
  }

  /** Appends one token to every row of the cache: ids [B] -> logits [B, V] after it. */
  step(weights: SamplingWeights, cache: KvCache, ids: ArrayLike<number>): tf.Tensor2D {
    return decodeStep(this.config, weights, cache, ids);
  }

  dispose(): void {
    if (this.#head) disposeFrozen(this.#head);
    this.weights.dispose();
  }

  /** Embeddings of the prefix and of the rows' own tokens, [P + N, C]. */
  #embed(ids: tf.Tensor2D, { toPacked, width }: RowLayout, prefix: readonly number[]): tf.Tensor2D {
    const [B] = ids.shape;
    const rows = tf.reshape(tf.slice(ids, [0, 0], [B, width]), [B * width]).toInt() as tf.Tensor1D;
    const own = toPacked ? (tf.gather(rows, toPacked) as tf.Tensor1D) : rows;
    const tokens = prefix.length === 0 ? own : tf.concat([tf.tensor1d([...prefix], "int32"), own], 0);
    return tf.gather(this.weights.embedding, tokens) as tf.Tensor2D;
  }
}

/** Runs `f` without recording its ops for gradients. */
function unrecorded(f: () => tf.Tensor2D): tf.Tensor2D {
  return tf.customGrad(() => ({ value: f(), gradFunc: () => tf.scalar(0) }))(tf.scalar(0)) as tf.Tensor2D;
}

/**
 * A decoder layer as one recorded op with its own gradient (`layerForward`, `layerBackward`): what is kept for the backward pass is chosen there, the frozen weights get
 * no gradients, and the kept tensors go as soon as they are used.
 */
function adaptedLayer(
  w: LayerWeights,
  x: tf.Tensor2D,
  context: PassContext,
  adapters: LayerAdapters | null,
  wantInput: boolean,
  recompute: boolean,
): tf.Tensor2D {
  const own = adapters ?? { qkv: null, o: null, gateUp: null, down: null };
  const inputs = [...(wantInput ? [x] : []), ...adapterTensors(own)];
  return tf.customGrad((...args) => {
    const save = args[args.length - 1] as unknown as tf.GradSaveFunc;
    const { value, saved } = layerForward(w, x, context, adapters);
    const { tensors, restore } = flatten({ x, saved: recompute ? null : saved, context }); // the context's tensors would not outlive the forward pass
    save(tensors);
    return {
      value,
      gradFunc: (dz: tf.Tensor2D, kept: tf.Tensor[]) => {
        const { x, saved, context } = restore(kept);
        // a scope, since tfjs has none around a gradient: what this one computes on its way would stay to the end of all
        const gradients = tf.tidy(() => {
          const { dx, dAdapters } = layerBackward(dz, w, saved ?? layerForward(w, x, context, adapters).saved, context, own, wantInput);
          return dx ? [dx, ...dAdapters] : dAdapters;
        });
        tf.dispose(kept);
        return gradients;
      },
    };
  })(...inputs) as tf.Tensor2D;
}

/** The tensors of a nested record, and the way back from a list of the same length. */
function flatten<T extends object>(record: T): { tensors: tf.Tensor[]; restore(list: tf.Tensor[]): T } {
  const tensors: tf.Tensor[] = [];
  const walk = (value: unknown): ((list: tf.Tensor[]) => unknown) => {
    if (value instanceof tf.Tensor) {
      const at = tensors.push(value) - 1;
      return (list) => list[at];
    }
    if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) return () => value;
    const fields = Object.entries(value).map(([key, field]) => [key, walk(field)] as const);
    return (list) => Object.fromEntries(fields.map(([key, get]) => [key, get(list)]));
  };
  const restore = walk(record);
  return { tensors, restore: (list) => restore(list) as T };
}
