import * as tf from "@tensorflow/tfjs";
import { disposeFrozen } from "../backend/ops/mat-mul.js";
import { rmsNorm } from "../backend/ops/rms-norm.js";
import type { RowLayout, SharedStart } from "../backend/ops/rows.js";
import { tokenLogps } from "../backend/ops/token-logps.js";
import { embedTokens, type TokenRows, timesTokens } from "../backend/ops/token-rows.js";
import { releaseTape } from "../backend/tape.js";
import type { KvCache } from "./cache.js";
import type { DecoderConfig } from "./config.js";
import { decodeStep, prefillRows } from "./decode.js";
import { checkLayers, editedLayers, editPacked, rowsOf, type StateEdits } from "./edit.js";
import type { Lora } from "./lora.js";
import { mergeLora, type SamplingWeights } from "./merge.js";
import { embeddingScale, scaledEmbeddings } from "./parts.js";
import { type PassContext, passContexts } from "./pass.js";
import { NO_VISITS, runLayers, type Visits } from "./run-layers.js";
import type { DecoderWeights } from "./weights.js";

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

/** Which states of a pass are looked at and which are replaced. Layers are 0..L - 1, their outputs the states of the residual stream; -1 is the embedding. */
export interface ForwardOptions<Layer extends number = number> {
  lora?: Lora | null;
  /** Real tokens of each row, each >= 1; the pads behind are then not computed and their states are zero. Default: all T. */
  lengths?: readonly number[];
  /** Layers whose states are returned, after their edit if they have one. */
  capture?: readonly Layer[];
  edit?: StateEdits;
}

/** How states are replaced while sampling. */
export type EditOptions = Pick<ForwardOptions, "edit">;

/** States of a pass. */
export interface ForwardStates<Layer extends number = number> {
  /** After the final norm, [B, T, C]: what `logits` and `tokenLogps` take, as [B T, C]. */
  states: tf.Tensor3D;
  /** After each captured layer, [B, T, C]; of the last one before the final norm. transformers calls layer l's `hidden_states[l + 1]`, but for the last. */
  layers: Record<Layer, tf.Tensor3D>;
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
    return tf.tidy(() => {
      const contexts = passContexts(this.config, prefix.length, lengths ?? allOf(ids), shared);
      return this.#run(ids, contexts, prefix, lora, recompute, NO_VISITS);
    });
  }

  /**
   * States of right-padded rows after the final norm and after chosen layers, some of them replaced on the way: ids [B, T] int32. Gradients flow to the adapter, and
   * through edits to what they are computed from. An edit is given the rows padded to the longest of them.
   * @returns the states; dispose them
   * @throws RangeError when a row is longer than the model's positions, the decoder lacks a named layer, or an edit gives another shape
   */
  forward<Layer extends number = never>(
    ids: tf.Tensor2D,
    { lora = null, lengths = allOf(ids), capture = [], edit = {} }: ForwardOptions<Layer> = {},
  ): ForwardStates<Layer> {
    const edits = editedLayers(edit);
    const stops = [...new Set<number>([...edits, ...capture])].sort((a, b) => a - b);
    checkLayers(this.config, stops);
    const captured = new Set<number>(capture);
    return tf.tidy(() => {
      const contexts = passContexts(this.config, 0, lengths);
      const { layout } = contexts[0]!;
      const layers: Record<number, tf.Tensor3D> = {};
      const visit = (layer: number, x: tf.Tensor2D): tf.Tensor2D => {
        const after = editPacked(edit, layer, x, layout);
        if (captured.has(layer)) layers[layer] = padTo(rowsOf(after, layout), ids.shape[1]);
        return after;
      };
      const lowestEdit = edits[0] ?? Number.POSITIVE_INFINITY;
      const states = this.#run(ids, contexts, [], lora, false, { layers: stops, lowestEdit, visit });
      return { states, layers };
    });
  }

  /**
   * Gradient of a loss by the input embeddings of one row, as the first layer sees them (Gemma's are scaled), [T, C], in the loss's unit (such as nats) per unit of these.
   * @param ids the row, at least one token
   * @param loss a scalar of the states [T, C] after the final norm, such as minus the mean of their `tokenLogps`
   * @throws RangeError when the row is longer than the model's positions
   */
  inputGradient(
    ids: readonly number[],
    loss: (states: tf.Tensor2D) => tf.Scalar,
    { lora = null }: Pick<ForwardOptions, "lora"> = {},
  ): tf.Tensor2D {
    const shape: [number, number] = [ids.length, this.config.hiddenSize];
    try {
      return tf.tidy(() => {
        const row = tf.tensor2d([...ids], [1, ids.length], "int32");
        const moved = (by: tf.Tensor2D) => this.forward(row, { lora, edit: { [-1]: (x) => tf.add(x, by) } });
        return tf.grad((by) => loss(tf.reshape(moved(by as tf.Tensor2D).states, shape)))(tf.zeros(shape)) as tf.Tensor2D;
      });
    } catch (error) {
      releaseTape();
      throw error;
    }
  }

  /**
   * Gradient of a loss by the one-hot vectors of a row's tokens, [T, V]: the input gradient times the embedding matrix, transposed. Its difference between two tokens
   * is, to first order, what the loss changes by when one replaces the other (HotFlip, Ebrahimi et al. 2018; GCG, Zou et al. 2023, section 2.2). Parameters as
   * of `inputGradient`.
   */
  oneHotGradient(
    ids: readonly number[],
    loss: (states: tf.Tensor2D) => tf.Scalar,
    options: Pick<ForwardOptions, "lora"> = {},
  ): tf.Tensor2D {
    const scale = embeddingScale(this.config); // from the embedding to what the first layer sees
    return tf.tidy(() =>
      timesTokens(tf.mul(this.inputGradient(ids, loss, options), scale), this.weights.embedding, options.lora?.tokens ?? null),
    );
  }

  /**
   * Log-probabilities of given next tokens: states [N, C], targets [N] int32 -> [N], in nats. Never keeps [N, V].
   * @param lora the adapter that the states were computed with: where it trains tokens and the head is tied, their rows are the head's
   */
  tokenLogps(states: tf.Tensor2D, targets: tf.Tensor1D, lora: Lora | null = null): tf.Tensor1D {
    return tokenLogps(states, this.weights.head, targets, this.#headRows(lora));
  }

  /** Next-token logits: [N, C] -> [N, V]. `lora` as in `tokenLogps`. */
  logits(states: tf.Tensor2D, lora: Lora | null = null): tf.Tensor2D {
    return timesTokens(states, this.weights.head, this.#headRows(lora));
  }

  /** Embeddings of tokens, [n, C]: a copy of the model's own. */
  embeddings(ids: readonly number[]): tf.Tensor2D {
    return tf.tidy(() => tf.gather(this.weights.embedding, tf.tensor1d([...ids], "int32")));
  }

  /** Weights for sampling: W + (alpha / r) B A and trained rows where there is an adapter, the decoder's own otherwise. Dispose them when done. */
  merged(lora: Lora | null): SamplingWeights {
    this.#head ??= tf.keep(tf.tidy(() => tf.transpose(this.weights.head)));
    return mergeLora(this.config, this.weights, this.#head, lora);
  }

  /**
   * Runs prompts of any lengths >= 1 and keeps their keys and values. What all rows begin with is computed once, and so is what a row has in common with an earlier one.
   * @param options with edits every row is run whole; the steps that follow need the same ones
   * @returns the cache and the logits [B, V] after each row's last token; dispose both
   * @throws RangeError when there is no row, a row is empty or longer than the model's positions, the decoder lacks an edited layer, or an edit gives another shape
   */
  prefill(
    weights: SamplingWeights,
    rows: readonly (readonly number[])[],
    { edit = {} }: EditOptions = {},
  ): { cache: KvCache; logits: tf.Tensor2D } {
    return prefillRows(this.config, weights, rows, edit);
  }

  /**
   * Appends one token to every row of the cache: ids [B] -> logits [B, V] after it; dispose them. Edits see [B, 1, C] at the rows' positions.
   * @throws RangeError when there is not one token per row, a row fills the model's positions, the decoder lacks an edited layer, or an edit gives another shape
   */
  step(weights: SamplingWeights, cache: KvCache, ids: ArrayLike<number>, { edit = {} }: EditOptions = {}): tf.Tensor2D {
    return decodeStep(this.config, weights, cache, ids, edit);
  }

  /** Frees the weights. */
  dispose(): void {
    if (this.#head) disposeFrozen(this.#head);
    this.weights.dispose();
  }

  /** The rows that an adapter has in the head. */
  #headRows(lora: Lora | null): TokenRows | null {
    return this.config.tieWordEmbeddings ? (lora?.tokens ?? null) : null;
  }

  /** Final-norm states [B, T, C] of the rows. */
  #run(
    ids: tf.Tensor2D,
    contexts: readonly PassContext[],
    prefix: readonly number[],
    lora: Lora | null,
    recompute: boolean,
    visits: Visits,
  ): tf.Tensor3D {
    const { weights, config } = this;
    const { layout } = contexts[0]!;
    const x = runLayers(weights, () => this.#embed(ids, layout, prefix, lora?.tokens ?? null), contexts, lora, recompute, visits);
    const own = prefix.length === 0 ? x : tf.slice(x, [prefix.length, 0], [-1, config.hiddenSize]);
    return padTo(rowsOf(rmsNorm(own, weights.norm, config.rmsNormEps), layout), ids.shape[1]);
  }

  /** Embeddings of the prefix and of the rows' own tokens, [P + N, C]. */
  #embed(ids: tf.Tensor2D, { toPacked, width }: RowLayout, prefix: readonly number[], trained: TokenRows | null): tf.Tensor2D {
    const [B] = ids.shape;
    const rows = tf.reshape(tf.slice(ids, [0, 0], [B, width]), [B * width]).toInt() as tf.Tensor1D;
    const own = toPacked ? (tf.gather(rows, toPacked) as tf.Tensor1D) : rows;
    const tokens = prefix.length === 0 ? own : tf.concat([tf.tensor1d([...prefix], "int32"), own], 0);
    return scaledEmbeddings(this.config, embedTokens(this.weights.embedding, tokens, trained));
  }
}

const allOf = ({ shape: [B, T] }: tf.Tensor2D): number[] => new Array<number>(B).fill(T);

/** Rows [B, T', C] with zeros behind, to T. */
const padTo = (x: tf.Tensor3D, T: number): tf.Tensor3D =>
  x.pad([
    [0, 0],
    [0, T - x.shape[1]],
    [0, 0],
  ]);
