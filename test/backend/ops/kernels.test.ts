import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { adamStep } from "../../../src/backend/ops/adam-step.js";
import { attention, causalMask, maskedSoftmax } from "../../../src/backend/ops/attention.js";
import { cachedAttention } from "../../../src/backend/ops/cached-attention.js";
import { gegluBackward, gegluForward } from "../../../src/backend/ops/geglu.js";
import { headNormBackward, headNormForward } from "../../../src/backend/ops/head-norm.js";
import { joinHeads, joinHeadsBackward, type RowHeads, splitHeads, splitHeadsBackward } from "../../../src/backend/ops/heads.js";
import { hasKernels, isNative, KERNELS_FLAG } from "../../../src/backend/ops/native.js";
import { rmsNormAgain, rmsNormBackward, rmsNormForward } from "../../../src/backend/ops/rms-norm.js";
import { rotaryTables } from "../../../src/backend/ops/rotary.js";
import { rowLayout, type SharedStart } from "../../../src/backend/ops/rows.js";
import { swigluBackward, swigluForward } from "../../../src/backend/ops/swiglu.js";
import { tokenLogps } from "../../../src/backend/ops/token-logps.js";
import { open, randomTensors } from "../../model/open.js";

/** Our own kernels against the same computation in TensorFlow's ops, at sizes that both threads share and that vector registers do not divide. */

beforeAll(open);

const random = randomTensors();

function without<T>(f: () => T): T {
  const before = tf.env().getBool(KERNELS_FLAG);
  tf.env().set(KERNELS_FLAG, false);
  try {
    return f();
  } finally {
    tf.env().set(KERNELS_FLAG, before);
  }
}

/** The same tensors with and without the kernels, the largest difference relative to the largest value. */
function same(f: () => tf.Tensor[], within = 3e-6): void {
  const [ours, theirs] = [f(), without(f)];
  expect(ours.map((x) => x.shape)).toEqual(theirs.map((x) => x.shape));
  ours.forEach((x, i) => {
    if (x.size === 0) return;
    const [a, b] = [x.dataSync(), theirs[i]!.dataSync()];
    const scale = Array.from(b).reduce((most, x) => Math.max(most, Math.abs(x)), 1);
    for (let j = 0; j < a.length; j++) {
      if (!(Math.abs(a[j]! - b[j]!) <= within * scale)) expect(`output ${i}, [${j}]: ${a[j]}`).toBe(`${b[j]}`);
    }
  });
}

test("set-up has compiled the kernels wherever TensorFlow is native", () => {
  expect(hasKernels()).toBe(isNative());
});

test("rmsNorm and its gradient", () => {
  const [x, dy, behind] = [random(301, 579), random(301, 579), random(301, 579)] as tf.Tensor2D[];
  const gain = random(579) as tf.Tensor1D;
  same(() => {
    const { value, scale } = rmsNormForward(x!, gain, 1e-5);
    return [value, scale, rmsNormAgain(x!, scale, gain), rmsNormBackward(dy!, x!, scale, gain, behind!)];
  });
});

test("the norm of queries' and keys' heads and its gradient", () => {
  const [x, dy] = [random(203, 7 * 37), random(203, 7 * 37)] as tf.Tensor2D[];
  const gains = random(5, 37) as tf.Tensor2D;
  same(() => {
    const { value, saved } = headNormForward(x!, gains, 1e-5);
    return [value, saved.scale, headNormBackward(dy!, gains, saved)];
  });
});

test("geglu and its gradient, far out too", () => {
  const x = tf.mul(random(203, 2 * 151), 30) as tf.Tensor2D;
  const dy = random(203, 151) as tf.Tensor2D;
  same(() => [gegluForward(x), gegluBackward(dy, x)]);
});

test("swiglu and its gradient, far out too", () => {
  const x = tf.mul(random(203, 2 * 131), 30) as tf.Tensor2D;
  const dy = random(203, 131) as tf.Tensor2D;
  same(() => [swigluForward(x), swigluBackward(dy, x)]);
});

test("softmax behind a mask that rows share", () => {
  const scores = tf.mul(random(3, 2, 9, 65), 20) as tf.Tensor4D;
  same(() => [maskedSoftmax(scores, causalMask(3, 65), 1)]);
  const mask = tf.where(tf.less(tf.range(0, 65), tf.tensor2d([[1], [64], [30]])), 0, -1e9);
  same(() => [maskedSoftmax(scores, tf.reshape(mask, [3, 1, 1, 65]), 18)]);
});

test("attention's gradient", () => {
  const inputs = [random(2, 6, 33, 16), random(2, 3, 40, 16), random(2, 3, 40, 16)];
  const weight = random(2, 6, 33, 16);
  const mask = causalMask(33, 40);
  same(
    () => tf.grads((q, k, v) => tf.sum(tf.mul(attention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, mask), weight)))(inputs),
    1e-5,
  );
});

/** Rows of any lengths, each of which may begin with tokens of an earlier one that begins with none. */
const rowsThatShare = fc
  .array(fc.record({ length: fc.integer({ min: 1, max: 40 }), row: fc.nat(5), tokens: fc.nat(39) }), { minLength: 1, maxLength: 6 })
  .map((drawn) => {
    const shared: (SharedStart | null)[] = [];
    drawn.forEach(({ length, row, tokens: most }, b) => {
      const tokens = row < b && !shared[row] ? Math.min(most, length - 1, drawn[row]!.length) : 0;
      shared.push(tokens > 0 ? { row, tokens } : null);
    });
    return { lengths: drawn.map(({ length }) => length), shared };
  });

test("heads out of tokens and back, for any rows, shared starts and prefix", () => {
  fc.assert(
    fc.property(
      rowsThatShare,
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 2 }),
      ({ lengths, shared }, P, G, KV) => {
        tf.tidy(() => {
          const shape = { numHeads: G * KV, numKvHeads: KV, headDim: 6, ropeTheta: 100 };
          const layout = rowLayout(P, lengths, shared);
          const tables = rotaryTables(shape, layout.positions);
          const N = layout.positions.length;
          const [B, T] = [lengths.length, layout.width];
          const real = tf.tensor(
            lengths.flatMap((n) => Array.from({ length: P + T }, (_, s) => (s < P + n ? 1 : 0))),
            [B, 1, P + T, 1],
          );
          const realQ = tf.slice(real, [0, 0, P, 0], [B, 1, T, 1]);
          const all = ({ rows: { q, k, v }, prefix }: RowHeads) => [
            tf.mul(q, realQ),
            tf.mul(k, real),
            tf.mul(v, real),
            ...(prefix ? [prefix.q, prefix.k, prefix.v] : []),
          ];
          const qkv = random(N, (G + 2) * KV * 6) as tf.Tensor2D;
          same(() => all(splitHeads(qkv, tables, shape, layout)));
          const heads = (length: number, rows: number, count: number) => random(rows, count, length, 6) as tf.Tensor4D;
          const gradients: RowHeads = {
            rows: { q: heads(T, B, G * KV), k: heads(P + T, B, KV), v: heads(P + T, B, KV) },
            prefix: P > 0 ? { q: heads(P, 1, G * KV), k: heads(P, 1, KV), v: heads(P, 1, KV) } : null,
          };
          same(() => [splitHeadsBackward(gradients, tables, shape, layout)]);
          same(() => [joinHeads(gradients.rows.q, gradients.prefix?.q ?? null, shape, layout)]);
          const dy = random(N, G * KV * 6) as tf.Tensor2D;
          same(() => {
            const { rows, prefix } = joinHeadsBackward(dy, shape, layout);
            return [rows, ...(prefix ? [prefix] : [])];
          });
        });
      },
    ),
    { numRuns: 60 },
  );
});

test.each([
  [64, null],
  [128, null],
  [6, null],
  [64, 20],
  [6, 1],
])("a new token's attention to what a cache holds, heads of %i, a window of %s", (D, window) => {
  const [B, KV, G, M] = [5, 3, 2, 70];
  const shape = { numHeads: G * KV, numKvHeads: KV, headDim: D, ropeTheta: 100 };
  const at = [0, 33, 69, 12, 1];
  const qkv = random(B, (G + 2) * KV * D) as tf.Tensor2D;
  const [keys, values] = [random(B * KV * M, D), random(B * KV * M, D)];
  same(() => {
    const kept = { keys: tf.add(keys, 0) as tf.Tensor2D, values: tf.add(values, 0) as tf.Tensor2D }; // copies: they are written into
    const { value, kept: after } = cachedAttention(qkv, rotaryTables(shape, at), tf.tensor1d(at, "int32"), kept, shape, window);
    return [value, after.keys, after.values];
  });
});

test("log-probabilities of tokens and their gradient", () => {
  const [states, head] = [random(200, 12), tf.mul(random(3001, 12), 10)] as [tf.Tensor2D, tf.Tensor2D];
  const targets = tf.tensor1d(
    Array.from({ length: 200 }, (_, i) => (i * 7919) % 3001),
    "int32",
  );
  const weight = random(200);
  same(() => {
    const { value, grad } = tf.valueAndGrad((x: tf.Tensor2D) => tf.sum(tf.mul(tokenLogps(x, head, targets), weight)) as tf.Scalar)(states);
    return [tokenLogps(states, head, targets), value, grad];
  }, 1e-5);
});

test("three steps of AdamW", () => {
  const start = random(100_003) as tf.Tensor1D;
  const gradients = [1, 2, 3].map(() => random(100_003) as tf.Tensor1D);
  same(() => {
    let [weights, m, v] = [start, tf.zerosLike(start), tf.zerosLike(start)];
    for (const [i, gradient] of gradients.entries()) {
      const [rate, correction] = [1e-2 / (1 - 0.9 ** (i + 1)), 1 / Math.sqrt(1 - 0.999 ** (i + 1))];
      ({ weights, m, v } = adamStep(weights, m, v, gradient, { beta1: 0.9, beta2: 0.999, eps: 1e-8, rate, correction, decay: 1 - 1e-3 }));
    }
    return [weights, m, v];
  });
});

test("nothing is left behind", () => {
  const x = random(8, 10) as tf.Tensor2D;
  const gain = random(10) as tf.Tensor1D;
  const before = tf.memory().numTensors;
  for (let i = 0; i < 3; i++) tf.tidy(() => void rmsNormForward(x, gain, 1e-5));
  expect(tf.memory().numTensors).toBe(before);
});
