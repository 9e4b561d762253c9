import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { hasKernels } from "../../../src/backend/ops/native.js";
import { disposePack, pack, packedProduct } from "../../../src/backend/ops/packed.js";
import { open, values } from "../../model/open.js";

beforeAll(open);

/** To the nearest BF16, ties to even. */
function rounded(x: number): number {
  const [word] = new Uint32Array(new Float32Array([x]).buffer) as unknown as [number];
  return new Float32Array(new Uint32Array([(word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000]).buffer)[0]!;
}

test("a packed product is that of the rounded numbers, whatever the sizes, with and without what is added", () => {
  if (!hasKernels()) return;
  const sizes = fc.record({ M: fc.integer({ min: 1, max: 60 }), K: fc.integer({ min: 1, max: 75 }), N: fc.integer({ min: 1, max: 100 }) });
  fc.assert(
    fc.property(sizes, fc.boolean(), fc.nat(), ({ M, K, N }, adding, seed) => {
      const [a, b, c] = [values(M * K, seed), values(K * N, seed + 1), values(M * N, seed + 2)];
      const matrix = tf.tensor2d(b, [K, N]);
      pack(matrix);
      const product = packedProduct(tf.tensor2d(a, [M, K]), matrix, adding ? tf.tensor2d(c, [M, N]) : undefined)!;
      const got = product.dataSync();
      disposePack(matrix);
      const [left, right] = [a, b].map((numbers) => Array.from(numbers, rounded)) as [number[], number[]];
      for (let m = 0; m < M; m++) {
        for (let n = 0; n < N; n++) {
          let sum = adding ? Math.fround(c[m * N + n]!) : 0;
          for (let k = 0; k < K; k++) sum += left[m * K + k]! * right[k * N + n]!;
          expect(Math.abs(got[m * N + n]! - sum)).toBeLessThan(2e-5 * K);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test("nothing is packed for many rows, or once it is disposed of", () => {
  if (!hasKernels()) return;
  const matrix = tf.ones([4, 4]) as tf.Tensor2D;
  const before = tf.memory().numTensors;
  pack(matrix);
  pack(matrix);
  expect(tf.memory().numTensors).toBe(before + 1);
  expect(packedProduct(tf.ones([257, 4]), matrix)).toBeNull();
  disposePack(matrix);
  expect(packedProduct(tf.ones([1, 4]), matrix)).toBeNull();
});
