import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, test } from "vitest";
import { attention, attentionPlain, causalMask } from "../../../src/backend/ops/attention.js";
import { inputMask } from "../../../src/backend/ops/dropout.js";
import { gegluBackward, gegluForward, gegluPlain } from "../../../src/backend/ops/geglu.js";
import { headNorm, headNormPlain } from "../../../src/backend/ops/head-norm.js";
import { splitHeads } from "../../../src/backend/ops/heads.js";
import { type LowRank, linear, linearPlain } from "../../../src/backend/ops/linear.js";
import { matMul } from "../../../src/backend/ops/mat-mul.js";
import { rmsNorm, rmsNormPlain } from "../../../src/backend/ops/rms-norm.js";
import { frequencyFactors, rotaryTables } from "../../../src/backend/ops/rotary.js";
import { rowLayout, sharedStarts } from "../../../src/backend/ops/rows.js";
import { swiglu, swigluPlain } from "../../../src/backend/ops/swiglu.js";
import { logitRows, tokenLogps, tokenLogpsPlain } from "../../../src/backend/ops/token-logps.js";
import { updateRows } from "../../../src/backend/ops/update-rows.js";
import { createRng } from "../../../src/backend/random.js";
import { open, randomTensors } from "../../model/open.js";

beforeAll(open);

const random = randomTensors();

/** The op and its plain twin give the same values, and the same gradients of a weighted sum of them. */
function same(op: (...x: tf.Tensor[]) => tf.Tensor, plain: (...x: tf.Tensor[]) => tf.Tensor, inputs: tf.Tensor[]): void {
  const weight = random(...plain(...inputs).shape);
  const both = [op, plain].map((f) => ({ value: f(...inputs), gradients: tf.grads((...x) => tf.sum(tf.mul(f(...x), weight)))(inputs) }));
  close(both[0]!.value, both[1]!.value);
  both[0]!.gradients.forEach((g, i) => void close(g, both[1]!.gradients[i]!));
}

function close(a: tf.Tensor, b: tf.Tensor, within = 2e-5): void {
  expect(a.shape).toEqual(b.shape);
  expect(tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]).toBeLessThan(within);
}

test("rmsNorm equals its plain twin", () => {
  const gain = random(6) as tf.Tensor1D;
  same(
    (x) => rmsNorm(x as tf.Tensor2D, gain, 1e-5),
    (x) => rmsNormPlain(x as tf.Tensor2D, gain, 1e-5),
    [random(5, 6)],
  );
});

test("rmsNorm by hand", () => {
  // x = (3, 4): mean square 12.5, root 3.5355339; x / root = (0.8485281, 1.1313708); gain (1, 2)
  const y = rmsNorm(tf.tensor2d([[3, 4]]), tf.tensor1d([1, 2]), 0).dataSync();
  expect(y[0]).toBeCloseTo(0.8485281, 6);
  expect(y[1]).toBeCloseTo(2.2627417, 6);
});

test("headNorm equals its plain twin, and norms each head by itself", () => {
  const gains = random(3, 4) as tf.Tensor2D;
  same(
    (x) => headNorm(x as tf.Tensor2D, gains, 1e-5),
    (x) => headNormPlain(x as tf.Tensor2D, gains, 1e-5),
    [random(5, 16)],
  );
  // heads (3, 4) and (1, 1) with gains (1, 2) and (1, 1), as in the case above; the third passes
  const y = headNorm(
    tf.tensor2d([[3, 4, 1, 1, 7, 8]]),
    tf.tensor2d([
      [1, 2],
      [1, 1],
    ]),
    0,
  ).dataSync();
  [0.8485281, 2.2627417, 1, 1, 7, 8].forEach((want, i) => void expect(y[i]).toBeCloseTo(want, 6));
});

test("rotary by hand: query scaled, key turned, value untouched", () => {
  // D = 2: one pair per head, angle = position * theta^0 = 1 rad; the query is also divided by sqrt(2)
  const shape = { numHeads: 1, numKvHeads: 1, headDim: 2, ropeTheta: 10000 };
  const x = tf.tensor2d([[1, 0, 1, 0, 5, 6]]);
  const { q, k, v } = tf.tidy(() => ({ ...splitHeads(x, rotaryTables(shape, [1]), shape, rowLayout(0, [1])).rows }));
  expect([...k.dataSync(), ...v.dataSync()].map((x) => Number(x.toFixed(5)))).toEqual([0.5403, 0.84147, 5, 6]);
  const [q0, q1] = q.dataSync();
  expect(q0).toBeCloseTo(0.5403023 / Math.SQRT2, 6);
  expect(q1).toBeCloseTo(0.841471 / Math.SQRT2, 6);
});

test.each([
  { T: 4, S: 4 },
  { T: 3, S: 5 },
])("attention equals its plain twin: $T queries behind $S keys", ({ T, S }) => {
  const mask = causalMask(T, S);
  same(
    (q, k, v) => attention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, mask),
    (q, k, v) => attentionPlain(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, mask),
    [random(2, 4, T, 6), random(2, 2, S, 6), random(2, 2, S, 6)],
  );
});

test("a window of 2 by hand: each of 3 queries sees itself and the one before, behind one cached key", () => {
  const seen = causalMask(3, 4, 2).arraySync() as number[][];
  expect(seen.map((row) => row.map((x) => (x === 0 ? 1 : 0)))).toEqual([
    [1, 1, 0, 0],
    [0, 1, 1, 0],
    [0, 0, 1, 1],
  ]);
});

test("a later token changes no earlier attention", () => {
  const [q, k, v] = [random(1, 2, 4, 6), random(1, 2, 4, 6), random(1, 2, 4, 6)] as tf.Tensor4D[];
  const before = attention(q!, k!, v!, causalMask(4, 4));
  const changed = tf.concat([tf.slice(k!, [0, 0, 0, 0], [1, 2, 3, 6]), random(1, 2, 1, 6)], 2) as tf.Tensor4D;
  const after = attention(q!, changed, v!, causalMask(4, 4));
  close(tf.slice(before, [0, 0, 0, 0], [1, 2, 3, 6]), tf.slice(after, [0, 0, 0, 0], [1, 2, 3, 6]), 1e-7);
});

test("geglu is PyTorch's gelu(approximate='tanh') times up, and its gradient that of its plain twin", () => {
  // torch.nn.functional.gelu(torch.tensor([-3., -1., 0., .5, 2.]), approximate="tanh")
  const gelu = [-0.0036373921, -0.158808, 0, 0.345714, 1.9545977];
  const x = tf.tensor2d([[-3, -1, 0, 0.5, 2, 1, 1, 1, 1, -2]]);
  close(gegluForward(x), tf.tensor2d([gelu.map((y, i) => (i === 4 ? -2 * y : y))]), 1e-6);
  same(
    (x) =>
      tf.customGrad((input, save) => {
        (save as tf.GradSaveFunc)([input as tf.Tensor]);
        return {
          value: gegluForward(input as tf.Tensor2D),
          gradFunc: (dy: tf.Tensor2D, [x]: tf.Tensor[]) => gegluBackward(dy, x as tf.Tensor2D),
        };
      })(tf.mul(x, 4)),
    (x) => gegluPlain(tf.mul(x, 4) as tf.Tensor2D),
    [random(5, 8)],
  );
});

test("swiglu equals its plain twin", () => {
  same(
    (x) => swiglu(tf.mul(x, 4) as tf.Tensor2D),
    (x) => swigluPlain(tf.mul(x, 4) as tf.Tensor2D),
    [random(5, 8)],
  );
});

test.each([
  { name: "all modules", offsets: [0, 4, 6], outs: [4, 2, 3] },
  { name: "all modules, with dropout", offsets: [0, 4, 6], outs: [4, 2, 3], p: 0.4 },
  { name: "one of several", offsets: [4], outs: [2] },
  { name: "the whole output", offsets: [0], outs: [9] },
  { name: "the whole output, with dropout", offsets: [0], outs: [9], p: 0.4 },
  { name: "none", offsets: [], outs: [] },
])("linear equals its plain twin: $name", ({ offsets, outs, p }) => {
  const weight = random(5, 9) as tf.Tensor2D;
  const factors = outs.flatMap((out) => [random(2, 5), random(out, 2)]);
  const part = (offset: number, i: number, m: tf.Tensor[]) => ({
    ...{ A: m[2 * i] as tf.Tensor2D, B: m[2 * i + 1] as tf.Tensor2D, offset },
    ...(p && { mask: inputMask(p, 5, createRng(i)) }),
  });
  const low = (m: tf.Tensor[]): LowRank | null =>
    outs.length ? { parts: offsets.map((offset, i) => part(offset, i, m)), scale: 1.5 } : null;
  same(
    (x, ...m) => linear(x as tf.Tensor2D, weight, low(m)),
    (x, ...m) => linearPlain(x as tf.Tensor2D, weight, low(m)),
    [random(7, 5), ...factors],
  );
});

test("tokenLogps equals its plain twin, across chunks", () => {
  const head = random(11, 6) as tf.Tensor2D;
  const targets = tf.tensor1d(
    Array.from({ length: 300 }, (_, i) => (i * 7) % 11),
    "int32",
  );
  same(
    (x) => tokenLogps(x as tf.Tensor2D, head, targets),
    (x) => tokenLogpsPlain(x as tf.Tensor2D, head, targets),
    [random(300, 6)],
  );
});

test("over Gemma's vocabulary no tensor holds more logits than a chunk has, and values and gradients are those of the whole", () => {
  const V = 262_144;
  const N = logitRows(V) + 5;
  const head = random(V, 2) as tf.Tensor2D;
  const targets = tf.tensor1d(
    Array.from({ length: N }, (_, i) => (i * 7919) % V),
    "int32",
  );
  const states = random(N, 2);
  const engine = tf.engine() as unknown as { trackTensor(tensor: tf.Tensor, backend: unknown): void };
  const { trackTensor } = engine;
  let largest = 0;
  engine.trackTensor = (tensor, backend) => {
    largest = Math.max(largest, tensor.size);
    trackTensor.call(engine, tensor, backend);
  };
  try {
    tf.tidy(() => tf.grad((x) => tf.sum(tokenLogps(x as tf.Tensor2D, head, targets)))(states));
  } finally {
    engine.trackTensor = trackTensor;
  }
  expect(largest).toBe(logitRows(V) * V);
  tf.tidy(() =>
    same(
      (x) => tokenLogps(x as tf.Tensor2D, head, targets),
      (x) => tokenLogpsPlain(x as tf.Tensor2D, head, targets),
      [states],
    ),
  );
});

test("tokenLogps by hand, and that extreme logits stay finite", () => {
  // logits (0, ln 3): probabilities 1/4, 3/4
  const head = tf.tensor2d([[0], [1]]);
  expect(tokenLogps(tf.tensor2d([[Math.log(3)]]), head, tf.tensor1d([0], "int32")).dataSync()[0]).toBeCloseTo(Math.log(1 / 4), 6);
  expect(tokenLogps(tf.tensor2d([[1000]]), head, tf.tensor1d([0], "int32")).dataSync()[0]).toBeCloseTo(-1000, 2);
});

test("matMul equals tfjs's, transposed or not", () => {
  for (const [ta, tb] of [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ] as const) {
    const a = random(...(ta ? [4, 3] : [3, 4])) as tf.Tensor2D;
    const b = random(...(tb ? [5, 4] : [4, 5])) as tf.Tensor2D;
    close(matMul(a, b, ta, tb), tf.matMul(a, b, ta, tb), 1e-6);
  }
});

test("updateRows replaces the named rows only", () => {
  const x = tf.tensor2d([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  const y = updateRows(
    x,
    tf.tensor1d([2, 0], "int32"),
    tf.tensor2d([
      [7, 8],
      [9, 10],
    ]),
  );
  expect([...y.dataSync()]).toEqual([9, 10, 3, 4, 7, 8]);
});

test("gradients agree with numeric differences", () => {
  // f = sum of w * swiglu(rmsNorm(x)); central differences in f32, step 1e-2
  const gain = tf.ones([6]) as tf.Tensor1D;
  const weight = random(2, 3);
  const f = (x: tf.Tensor) => tf.sum(tf.mul(swiglu(rmsNorm(x as tf.Tensor2D, gain, 1e-5)), weight));
  const x = random(2, 6);
  const analytic = tf.grad(f)(x).dataSync();
  const at = x.dataSync();
  for (let i = 0; i < at.length; i++) {
    const moved = (by: number) =>
      f(
        tf.tensor(
          Float32Array.from(at, (v, j) => (j === i ? v + by : v)),
          [2, 6],
        ),
      ).dataSync()[0]!;
    expect((moved(1e-2) - moved(-1e-2)) / 2e-2).toBeCloseTo(analytic[i]!, 2);
  }
});

test("Llama 3.1's stretched frequencies by hand: long waves are divided, short ones kept, those between faded", () => {
  // theta^(-2 i / D) = 1, 0.1, 0.01 with theta 1000, D 6; waves in 2 pi 100 positions: 100, 10, 1; low 4, high 16: the second keeps (10 - 4) / 12 = 0.5 of itself
  const ropeScaling = { factor: 8, low: 4, high: 16, original: 200 * Math.PI };
  const factors = frequencyFactors({ headDim: 6, ropeTheta: 1000, ropeScaling });
  [1, 1 / (0.5 / 8 + 0.5), 8].forEach((want, i) => void expect(factors[i]).toBeCloseTo(want, 12));
});

test("a row shares its longest start with an earlier row that runs it, as far as it may", () => {
  const rows = [
    [1, 2, 3, 4, 5],
    [1, 2, 3, 9], // begins as row 0
    [1, 2, 3, 9, 8], // with row 1 it would have more in common, but that does not run its start
    [7, 7, 7],
    [7, 7, 7], // keeps one token
    [1, 2, 3, 4],
  ];
  const limits = [9, 9, 9, 9, 9, 2];
  expect(sharedStarts(rows, limits)).toEqual([
    null,
    { row: 0, tokens: 3 },
    { row: 0, tokens: 3 },
    null,
    { row: 3, tokens: 2 },
    { row: 0, tokens: 2 },
  ]);
});

test("the prompts of pairs are run once each, though two of them begin alike", () => {
  const prompts = [
    [4, 5, 6, 7],
    [1, 5, 6, 7],
    [1, 8, 9, 3],
  ];
  const rows = [...prompts.map((p) => [...p, 20]), ...prompts.map((p) => [...p, 21])]; // chosen, then rejected
  expect(sharedStarts(rows).slice(3)).toEqual([0, 1, 2].map((row) => ({ row, tokens: 4 })));
  expect(sharedStarts(rows).slice(0, 3)).toEqual([null, null, null]);
});

test("a shared start that nobody runs, or that leaves nothing, is refused", () => {
  const refused = (...shared: Parameters<typeof rowLayout>[2] & object) =>
    expect(() =>
      rowLayout(
        0,
        shared.map(() => 4),
        shared,
      ),
    ).toThrow(RangeError);
  refused({ row: 0, tokens: 1 });
  refused(null, { row: 0, tokens: 4 });
  refused({ row: 1, tokens: 1 }, null);
  refused(null, { row: 0, tokens: 1 }, { row: 1, tokens: 1 });
});
