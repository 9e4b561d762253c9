import * as tf from "@tensorflow/tfjs";
import { cachedAttention } from "../backend/ops/cached-attention.js";
import type { RotaryTables } from "../backend/ops/rotary.js";
import type { DecoderConfig } from "./config.js";

/** Positions by which a full cache grows: each growth copies it once. */
const GROWTH = 32;

/**
 * Keys and values of B rows of a decoder, one pair of matrices [B KV M, D] a layer, each row right-padded to M positions. A new token is written in
 * place where the backend can do that.
 */
export class KvCache {
  #capacity: number;

  /**
   * @param lengths tokens of each row so far, <= capacity
   * @param keys and values of each layer, [B KV M, D], which the cache takes over
   * @param capacity M
   */
  constructor(
    readonly config: DecoderConfig,
    readonly lengths: Int32Array,
    private keys: tf.Tensor2D[],
    private values: tf.Tensor2D[],
    capacity: number,
  ) {
    this.#capacity = capacity;
  }

  /** A cache from the keys and values [B, KV, S, D] of each layer, which it copies. */
  static from(config: DecoderConfig, lengths: Int32Array, keys: readonly tf.Tensor4D[], values: readonly tf.Tensor4D[]): KvCache {
    const S = keys[0]!.shape[2];
    const roomy = (x: tf.Tensor4D) => tf.keep(tf.tidy(() => padded(x, GROWTH, config.headDim)));
    return new KvCache(config, lengths, keys.map(roomy), values.map(roomy), S + GROWTH);
  }

  /** B, rows. */
  get size(): number {
    return this.lengths.length;
  }

  /** Makes room for one token per row and returns each row's position for it. Call once per step, before `attend`. */
  advance(): Int32Array {
    if (Math.max(...this.lengths) >= this.#capacity) this.#grow(this.#capacity + GROWTH);
    const positions = Int32Array.from(this.lengths);
    this.lengths.forEach((length, b) => {
      this.lengths[b] = length + 1;
    });
    return positions;
  }

  /** Takes up a layer's new token of each row and attends to what is kept: qkv [B, (H + 2 KV) D], positions [B] int32 from `advance` -> [B, H D]. */
  attend(layer: number, qkv: tf.Tensor2D, rotary: RotaryTables, positions: tf.Tensor1D): tf.Tensor2D {
    const before = { keys: this.keys[layer]!, values: this.values[layer]! };
    const { value, kept } = cachedAttention(qkv, rotary, positions, before, this.config, this.config.windows[layer]);
    if (kept !== before) {
      this.keys[layer] = tf.keep(kept.keys);
      this.values[layer] = tf.keep(kept.values);
      tf.dispose([before.keys, before.values]);
    }
    return value;
  }

  /**
   * A cache of some of the rows, in the given order: a copy, so that what is appended to one changes nothing in the other. A row that is named several times is a
   * fork: each of its copies is continued by itself. This cache stays.
   * @throws RangeError when there is no such row
   */
  select(rows: readonly number[]): KvCache {
    return this.#some(rows, (tensors, pick) => tensors.map(pick));
  }

  /** `select` in the place of this cache, which is disposed of layer by layer: no more than one layer is held twice. @throws RangeError as there */
  take(rows: readonly number[]): KvCache {
    return this.#some(rows, replaceAll);
  }

  #some(rows: readonly number[], picked: typeof replaceAll): KvCache {
    const wrong = rows.find((b) => this.lengths[b] === undefined);
    if (wrong !== undefined) throw new RangeError(`select: no row ${wrong} among ${this.size}`);
    const { numKvHeads: KV, headDim: D } = this.config;
    const shape: [number, number] = [this.size, KV * this.#capacity * D];
    const index = tf.tensor1d([...rows], "int32");
    const pick = (x: tf.Tensor2D) => tf.keep(tf.tidy(() => tf.reshape(tf.gather(tf.reshape(x, shape), index), [-1, D]) as tf.Tensor2D));
    const lengths = Int32Array.from(rows, (b) => this.lengths[b]!);
    const selected = new KvCache(this.config, lengths, picked(this.keys, pick), picked(this.values, pick), this.#capacity);
    index.dispose();
    return selected;
  }

  /**
   * Takes back the last tokens of rows, to continue from an earlier place. Nothing is copied or freed.
   * @param lengths tokens that stay of each row, [B]
   * @throws RangeError when there is not one length per row, or a row has fewer tokens than are to stay
   */
  truncate(lengths: ArrayLike<number>): void {
    if (lengths.length !== this.size) throw new RangeError(`truncate: ${lengths.length} lengths for ${this.size} rows`);
    const wrong = this.lengths.findIndex((have, b) => !Number.isInteger(lengths[b]) || lengths[b]! < 0 || lengths[b]! > have);
    if (wrong >= 0) throw new RangeError(`truncate: row ${wrong} has ${this.lengths[wrong]} tokens, ${lengths[wrong]} cannot stay`);
    this.lengths.set(lengths);
  }

  #grow(capacity: number): void {
    const more = capacity - this.#capacity;
    if (more === 0) return;
    const { numKvHeads: KV, headDim: D } = this.config;
    const grown = (x: tf.Tensor2D) => tf.keep(tf.tidy(() => padded(tf.reshape(x, [this.size, KV, this.#capacity, D]), more, D)));
    this.keys = replaceAll(this.keys, grown);
    this.values = replaceAll(this.values, grown);
    this.#capacity = capacity;
  }

  /** One cache of these rows and, behind them, the other's. Both are disposed of, layer by layer. */
  join(other: KvCache): KvCache {
    const capacity = Math.max(this.#capacity, other.#capacity);
    this.#grow(capacity);
    other.#grow(capacity);
    const both = (mine: tf.Tensor2D[], others: tf.Tensor2D[]) =>
      mine.map((x, layer) => {
        const joined = tf.keep(tf.concat([x, others[layer]!], 0));
        tf.dispose([x, others[layer]!]);
        return joined;
      });
    const lengths = Int32Array.from([...this.lengths, ...other.lengths]);
    return new KvCache(this.config, lengths, both(this.keys, other.keys), both(this.values, other.values), capacity);
  }

  /** Frees keys and values. */
  dispose(): void {
    tf.dispose([this.keys, this.values]);
  }
}

/** [B, KV, S, D] with `more` empty positions behind, as [B KV (S + more), D]. */
function padded(x: tf.Tensor4D, more: number, D: number): tf.Tensor2D {
  return tf.reshape(
    tf.pad(x, [
      [0, 0],
      [0, 0],
      [0, more],
      [0, 0],
    ]),
    [-1, D],
  );
}

function replaceAll(list: tf.Tensor2D[], f: (x: tf.Tensor2D) => tf.Tensor2D): tf.Tensor2D[] {
  return list.map((old) => {
    const fresh = f(old);
    old.dispose();
    return fresh;
  });
}
