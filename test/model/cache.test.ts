import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadAdapter } from "../../src/model/adapter-io.js";
import type { KvCache } from "../../src/model/cache.js";
import type { StateEdits, StatePlace } from "../../src/model/edit.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import type { Lora } from "../../src/model/lora.js";
import type { SamplingWeights } from "../../src/model/merge.js";
import { apart, fixture, values } from "./open.js";

let model: LanguageModel;
let adapter: Lora;
let weights: SamplingWeights;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  adapter = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
  weights = model.decoder.merged(adapter);
});
afterAll(() => {
  weights.dispose();
  adapter.dispose();
  model.dispose();
});

/** Logits after the last token of a row, by one pass over it. */
const whole = (row: readonly number[], edit: StateEdits = {}): Float32Array =>
  tf.tidy(() => {
    const { states } = model.decoder.forward(tf.tensor2d([...row], [1, row.length], "int32"), { lora: adapter, edit });
    return model.decoder
      .logits(tf.slice(tf.reshape<tf.Rank.R2>(states, [row.length, -1]), [row.length - 1, 0], [1, -1]))
      .dataSync() as Float32Array;
  });

/** Appends a token to each row; the logits of each. */
function step(cache: KvCache, ids: number[], edit: StateEdits = {}): Float32Array[] {
  const logits = model.decoder.step(weights, cache, ids, { edit });
  const rows = tf.tidy(() => tf.unstack(logits).map((x) => x.dataSync() as Float32Array));
  logits.dispose();
  return rows;
}

function prefill(rows: number[][], edit: StateEdits = {}): { cache: KvCache; rows: Float32Array[] } {
  const { cache, logits } = model.decoder.prefill(weights, rows, { edit });
  const read = tf.tidy(() => tf.unstack(logits).map((x) => x.dataSync() as Float32Array));
  logits.dispose();
  return { cache, rows: read };
}

const token = fc.integer({ min: 0, max: 279 });
const prompt = fc.array(token, { minLength: 1, maxLength: 7 });

test("prompts and steps with an edit are one pass over the whole rows with it, whatever the rows share", () => {
  const v = tf.tensor1d(values(32, 1));
  const unedited = apart(whole([5, 6, 7]), whole([5, 6, 7], { 0: (x) => tf.add(x, v) }));
  expect(unedited).toBeGreaterThan(0.1); // the edit matters
  /** Differs by position and, as the states do, by row. */
  const steer = (x: tf.Tensor3D, { positions }: StatePlace) => {
    const [B, T] = x.shape;
    const factor = positions.flatMap((first) => Array.from({ length: T }, (_, t) => Math.sin(first + t)));
    return tf.add(x, tf.mul(tf.add(v, tf.mul(x, 0.5)), tf.tensor3d(factor, [B, T, 1]))) as tf.Tensor3D;
  };
  const rows = fc.tuple(fc.array(token, { maxLength: 3 }), fc.array(prompt, { minLength: 1, maxLength: 3 })); // with a common start
  fc.assert(
    fc.property(rows, fc.subarray([-1, 0, 1], { minLength: 1 }), fc.array(token, { maxLength: 3 }), ([start, ends], layers, more) => {
      const edit = Object.fromEntries(layers.map((layer) => [layer, steer]));
      const texts = ends.map((end) => [...start, ...end]);
      const before = tf.memory().numTensors;
      const { cache, rows: first } = prefill(texts, edit);
      texts.forEach((row, b) => void expect(apart(first[b]!, whole(row, edit))).toBeLessThan(1e-3));
      more.forEach((id, s) => {
        const logits = step(
          cache,
          texts.map(() => id),
          edit,
        );
        texts.forEach((row, b) => {
          expect(apart(logits[b]!, whole([...row, ...more.slice(0, s + 1)], edit))).toBeLessThan(1e-3);
        });
      });
      cache.dispose();
      expect(tf.memory().numTensors).toBe(before);
    }),
    { numRuns: 25 },
  );
  v.dispose();
});

test("an edit that fails in a prompt leaves no tensor behind, and its layer is named", () => {
  const before = tf.memory().numTensors;
  const narrow = (x: tf.Tensor3D) => tf.slice(x, 0, 1) as tf.Tensor3D;
  expect(() => prefill([[1, 2], [3]], { 1: narrow })).toThrow("edit after layer 1: the states are [2,2,32], it gave [1,2,32]");
  expect(() => prefill([[1, 2]], { 9: narrow })).toThrow("no layer 9");
  expect(tf.memory().numTensors).toBe(before);
});

test("forked rows continue apart: each as a run of its own, and the cache that they come from stays as it was", () => {
  fc.assert(
    fc.property(prompt, prompt, fc.array(fc.tuple(token, token, token), { minLength: 1, maxLength: 3 }), (a, b, more) => {
      const before = tf.memory().numTensors;
      const { cache } = prefill([a, b]);
      const forks = cache.select([0, 0, 1]);
      more.forEach((ids, s) => {
        const logits = step(forks, ids);
        [a, a, b].forEach((row, i) => {
          expect(apart(logits[i]!, whole([...row, ...more.slice(0, s + 1).map((ids) => ids[i]!)]))).toBeLessThan(1e-3);
        });
      });
      expect([...cache.lengths]).toEqual([a.length, b.length]);
      const [later] = step(cache, [9, 9]);
      expect(apart(later!, whole([...a, 9]))).toBeLessThan(1e-3);
      cache.dispose();
      forks.dispose();
      expect(tf.memory().numTensors).toBe(before);
    }),
    { numRuns: 15 },
  );
});

test("a truncated cache goes on as if the tokens had not been there, also beyond its growth", () => {
  const rows = [
    [3, 4, 5, 6],
    [7, 8],
  ];
  const { cache } = prefill(rows);
  for (let s = 0; s < 40; s++) step(cache, [100 + s, 200 - s]); // positions 4..43 and 2..41
  cache.truncate([2, 10]);
  const kept = [
    [3, 4],
    [7, 8, ...Array.from({ length: 8 }, (_, s) => 200 - s)],
  ];
  for (const id of [20, 21]) {
    const logits = step(cache, [id, id]);
    kept.forEach((row, b) => {
      row.push(id);
      expect(apart(logits[b]!, whole(row))).toBeLessThan(1e-3);
    });
  }
  expect(() => cache.truncate([5, 1])).toThrow("truncate: row 0 has 4 tokens, 5 cannot stay");
  expect(() => cache.truncate([2, -1])).toThrow(/truncate: row 1 has \d+ tokens, -1 cannot stay/);
  expect(() => cache.truncate([1])).toThrow("truncate: 1 lengths for 2 rows");
  cache.truncate(cache.lengths); // as it is
  expect(() => cache.select([0, 2])).toThrow("select: no row 2 among 2");
  cache.dispose();
});
