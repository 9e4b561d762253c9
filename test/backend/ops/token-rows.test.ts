import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { tokenLogps, tokenLogpsPlain } from "../../../src/backend/ops/token-logps.js";
import { embedTokens, replaceRows, timesTokens } from "../../../src/backend/ops/token-rows.js";
import { open, values } from "../../model/open.js";

beforeAll(open);

const random = (seed: number, ...shape: [number, number]): tf.Tensor2D => tf.tensor2d(values(shape[0] * shape[1], seed), shape);

/** Largest difference of the values and of the gradients of a weighted sum of them. */
function apart(op: (...x: tf.Tensor2D[]) => tf.Tensor, plain: (...x: tf.Tensor2D[]) => tf.Tensor, inputs: tf.Tensor2D[]): number {
  const weight = tf.tensor(values(plain(...inputs).size, 9), plain(...inputs).shape);
  const [ours, theirs] = [op, plain].map((f) => {
    const loss = (...x: tf.Tensor[]) => tf.sum(tf.mul(f(...(x as tf.Tensor2D[])), weight)) as tf.Scalar;
    return [f(...inputs), ...tf.grads(loss)(inputs)];
  });
  return Math.max(...ours!.map((x, i) => tf.max(tf.abs(tf.sub(x, theirs![i]!))).dataSync()[0]!));
}

/** The matrix [V, C] with rows [n, C] at the ids, by a product with one-hot vectors; with tfjs's own gradients. */
const replacedPlain = (matrix: tf.Tensor2D, ids: number[], rows: tf.Tensor2D): tf.Tensor2D => {
  const hot = tf.oneHot(tf.tensor1d(ids, "int32"), matrix.shape[0]); // [n, V]
  const kept = tf.sub(1, tf.reshape(tf.sum(hot, 0), [-1, 1])); // [V, 1]
  return tf.add(tf.mul(matrix, kept), tf.matMul(hot, rows, true, false));
};

test("one token of three by hand", () => {
  // embedding rows (1, 2), (3, 4), (5, 6); token 1 has (10, 20) instead
  const own = { ids: [1], rows: tf.tensor2d([[10, 20]]) };
  const embedding = tf.tensor2d([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  expect(embedTokens(embedding, tf.tensor1d([2, 1, 1], "int32"), own).arraySync()).toEqual([
    [5, 6],
    [10, 20],
    [10, 20],
  ]);
  expect(replaceRows(embedding, own).arraySync()).toEqual([
    [1, 2],
    [10, 20],
    [5, 6],
  ]);
  expect(timesTokens(tf.tensor2d([[1, 1]]), embedding, own).arraySync()).toEqual([[3, 30, 11]]);
  // states (0, 0): all logits 0, log 1/3 each
  const [logp] = tokenLogps(tf.tensor2d([[0, 0]]), embedding, tf.tensor1d([1], "int32"), own).dataSync();
  expect(logp).toBeCloseTo(-Math.log(3), 6);
});

test("embeddings, products and log-probs with replaced rows equal their plain twins, values and gradients, whatever the ids", () => {
  const V = 11;
  const ids = fc.uniqueArray(fc.integer({ min: 0, max: V - 1 }), { minLength: 1, maxLength: V });
  const tokens = fc.array(fc.integer({ min: 0, max: V - 1 }), { minLength: 1, maxLength: 140 }); // beyond one chunk of 128
  fc.assert(
    fc.property(ids, tokens, fc.integer({ min: 1, max: 999 }), (ids, list, seed) => {
      tf.tidy(() => {
        const matrix = random(seed, V, 4);
        const rows = random(seed + 1, ids.length, 4);
        const states = random(seed + 2, list.length, 4);
        const targets = tf.tensor1d(list, "int32");
        const hot = tf.oneHot(targets, V); // [N, V]
        const embedded = apart(
          (rows) => embedTokens(matrix, targets, { ids, rows: rows! }),
          (rows) => tf.matMul(hot, replacedPlain(matrix, ids, rows!)),
          [rows],
        );
        const product = apart(
          (x, rows) => timesTokens(x!, matrix, { ids, rows: rows! }),
          (x, rows) => tf.matMul(x!, replacedPlain(matrix, ids, rows!), false, true),
          [states, rows],
        );
        const logps = apart(
          (x, rows) => tokenLogps(x!, matrix, targets, { ids, rows: rows! }),
          (x, rows) => tokenLogpsPlain(x!, replacedPlain(matrix, ids, rows!), targets),
          [states, rows],
        );
        expect(Math.max(embedded, product, logps)).toBeLessThan(5e-5);
      });
    }),
    { numRuns: 40 },
  );
});
