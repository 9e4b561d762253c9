import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pivotLoss } from "../../src/objectives/pivot.js";
import torch from "../fixtures/r2d-torch.json" with { type: "json" }; // made by test/fixtures/r2d_fixture.py

const vector = (values: readonly number[]) => tf.tensor1d([...values]);
const lossOf = (batch: Record<"logps" | "safe" | "unsafe", readonly number[]>, weight?: number): number =>
  tf.tidy(() => pivotLoss({ logps: vector(batch.logps), safe: vector(batch.safe), unsafe: vector(batch.unsafe) }, weight).arraySync());

test("a micro-batch by hand", () => {
  // CE = (1 + 2 + 0.5 + 0.5) / 4 = 1
  // [SAFE] at two places, ahead by 1 and behind by 1: (log(1 + e^-1) + log(1 + e)) / 2 = (0.313262 + 1.313262) / 2 = 0.813262
  // [UNSAFE] at one, ahead by 2: log(1 + e^-2) = 0.126928
  const batch = { logps: [-1, -2, -0.5, -0.5], safe: [1, -1], unsafe: [2] };
  expect(lossOf(batch)).toBeCloseTo(1 + 0.813262 + 0.126928, 5);
  expect(lossOf(batch, 0)).toBeCloseTo(1, 6);
  expect(lossOf({ ...batch, safe: [] })).toBeCloseTo(1.126928, 5); // a mean of nothing is left out
  expect(lossOf({ ...batch, safe: [], unsafe: [] })).toBeCloseTo(1, 6);
  expect(() => lossOf(batch, -1)).toThrow("pivotLoss: the weight must be >= 0, got -1");
  expect(() => lossOf(batch, Number.POSITIVE_INFINITY)).toThrow("pivotLoss: the weight must be >= 0, got Infinity");
});

/** The loss of logits [B, T, V] and labels, as training meets them: targets' log-probs, and differences at pivot places. */
function fromLogits(
  logits: tf.Tensor,
  labels: readonly (readonly number[])[],
  { safe, unsafe }: { safe: number; unsafe: number },
  weight: number,
): tf.Scalar {
  const V = logits.shape[2]!;
  const T = logits.shape[1]!;
  const places = labels.flatMap((row, b) => row.flatMap((label, t) => (t > 0 && label >= 0 ? [{ at: b * T + t - 1, label }] : [])));
  const logps = tf.logSoftmax(tf.reshape(logits, [-1, V]));
  const at = (some: typeof places, id: (label: number) => number): tf.Tensor1D => {
    if (some.length === 0) return tf.tensor1d([]);
    const hot = tf.oneHot(
      tf.tensor1d(
        some.map(({ label }) => id(label)),
        "int32",
      ),
      V,
    );
    return tf.sum(
      tf.mul(
        tf.concat(
          some.map((place) => tf.slice(logps, [place.at, 0], [1, V])),
          0,
        ),
        hot,
      ),
      1,
    );
  };
  const contrast = (own: number, other: number) => {
    const some = places.filter(({ label }) => label === own);
    return tf.sub(
      at(some, () => own),
      at(some, () => other),
    ) as tf.Tensor1D;
  };
  return pivotLoss({ logps: at(places, (label) => label), safe: contrast(safe, unsafe), unsafe: contrast(unsafe, safe) }, weight);
}

const ids = { safe: 7, unsafe: 8 };

describe.each(torch.cases)("PyTorch: $name", ({ labels, shape, logits, ce, cpo, gradient_of_cpo }) => {
  const given = () => tf.tensor(logits, shape);

  test("loss", () => {
    expect(tf.tidy(() => fromLogits(given(), labels, ids, 1).arraySync())).toBeCloseTo(ce + cpo, 4);
    expect(tf.tidy(() => fromLogits(given(), labels, ids, 0).arraySync())).toBeCloseTo(ce, 4);
  });

  test("the pivot terms' gradient, which no other token's logit has", () => {
    const gradient = tf.tidy(() => {
      const terms = (x: tf.Tensor) => tf.sub(fromLogits(x, labels, ids, 1), fromLogits(x, labels, ids, 0)) as tf.Scalar;
      return [...tf.grad(terms)(given()).dataSync()];
    });
    gradient.forEach((g, i) => void expect(g).toBeCloseTo(gradient_of_cpo[i]!, 5));
    const others = gradient.filter((_, i) => i % shape[2]! !== ids.safe && i % shape[2]! !== ids.unsafe);
    expect(Math.max(...others.map(Math.abs))).toBeLessThan(1e-6);
    expect(Math.max(...gradient.map(Math.abs)) > 0.01).toBe(cpo > 0);
  });
});

const differences = fc.array(fc.float({ min: -20, max: 20, noNaN: true }), { maxLength: 6 });

test("pivots of the two kinds may change places; a repeated place changes no mean; a larger difference never costs more", () => {
  fc.assert(
    fc.property(differences, differences, fc.float({ min: 0, max: 5, noNaN: true }), (safe, unsafe, weight) => {
      const logps = [-1, -3];
      const loss = lossOf({ logps, safe, unsafe }, weight);
      expect(lossOf({ logps, safe: unsafe, unsafe: safe }, weight)).toBeCloseTo(loss, 3);
      expect(lossOf({ logps, safe: [...safe, ...safe], unsafe }, weight)).toBeCloseTo(loss, 3);
      expect(lossOf({ logps, safe: safe.map((x) => x + 1), unsafe }, weight)).toBeLessThanOrEqual(loss + 1e-4);
      expect(loss).toBeGreaterThanOrEqual(2 - 1e-5); // cross-entropy alone
    }),
    { numRuns: 50 },
  );
});

test("at logits that are all alike each kind costs log 2", () => {
  expect(lossOf({ logps: [-1], safe: [0, 0, 0], unsafe: [0] })).toBeCloseTo(1 + 2 * Math.LN2, 5);
});
