import { existsSync, readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../src/backend/device.js";
import {
  BF16_FLAG,
  disposeFrozen,
  EMULATION_FLAG,
  freeze,
  matMul,
  matMulAdd,
  matMulF32,
  matMulFew,
  packFrozen,
} from "../../src/backend/ops/mat-mul.js";

/** In a process of its own, since a precision is for good. Where the processor does not multiply BF16, everything is float32. */

let device: Device;
beforeAll(async () => {
  device = await openDevice({ precision: "bf16" });
});

const random = (rows: number, columns: number, seed: number) => tf.randomNormal([rows, columns], 0, 1, "float32", seed) as tf.Tensor2D;

test.each([
  [false, false],
  [false, true],
  [true, false],
])("products with a frozen matrix are near to float32's, transposed %s, %s", (transposeA, transposeB) => {
  const a = transposeA ? random(300, 20, 1) : random(20, 300, 1);
  const weight = transposeB ? random(40, 300, 2) : random(300, 40, 2);
  const exact = matMul(a, weight, transposeA, transposeB).dataSync();
  const before = tf.memory().numTensors;
  freeze(weight);
  const near = matMul(a, weight, transposeA, transposeB);
  const values = near.dataSync();
  // each of 300 products of standard normals is off by up to 2^-8 of itself, the sum by about sqrt(300) 2^-9, and its rounding by 2^-9
  const worst = Math.max(...values.map((value, i) => Math.abs(value - exact[i]!)));
  expect(worst).toBeLessThan(0.25);
  expect(worst > 1e-4).toBe(device.precision === "bf16");
  expect([...matMulF32(a, weight, transposeA, transposeB).dataSync()]).toEqual([...exact]);
  near.dispose();
  expect(tf.memory().numTensors).toBe(before + 1 + (device.precision === "bf16" ? 1 : 0)); // the last product, and the rounded form
  disposeFrozen(weight);
  expect(tf.memory().numTensors).toBe(before);
});

test("what training and scoring compute does not depend on what has been packed for sampling", () => {
  const [a, c, weight] = [random(20, 300, 3), random(20, 40, 4), freeze(random(300, 40, 5))];
  const products = () => [matMul(a, weight), matMulAdd(a, weight, c)].map((product) => [...product.dataSync()]);
  const before = products();
  packFrozen(weight);
  expect(products()).toEqual(before);
  const few = matMulFew(a, weight, c).dataSync();
  expect(Math.max(...few.map((value, i) => Math.abs(value - before[1]![i]!)))).toBeLessThan(0.25);
  disposeFrozen(weight);
});

test("what BF16 can hold is exact", () => {
  const weight = freeze(
    tf.tensor2d([
      [1, -2],
      [0.5, 256],
    ]),
  );
  expect([...matMul(tf.tensor2d([[3, 4]]), weight).dataSync()]).toEqual([5, 1018 + (device.precision === "bf16" ? -2 : 0)]); // 8 bits: 1016, 1020
});

/** The BF16 number that is nearest to x, of two the one whose last bit is 0. */
function bf16(x: number): number {
  const [bits] = new Uint32Array(new Float32Array([x]).buffer);
  return new Float32Array(new Uint32Array([(bits! + 0x7fff + ((bits! >>> 16) & 1)) & 0xffff0000]).buffer)[0]!;
}

/** Whether the library sums products of BF16 numbers in float32 and rounds once: oneDNN does, with AVX-512; on other processors they are rounded more often. */
const roundsOnce = () => existsSync("/proc/cpuinfo") && /\bavx512bw\b/.test(readFileSync("/proc/cpuinfo", "utf8"));

/** The products a b and a b + c by hand: sums in float64 of factors in BF16, rounded to BF16. */
function byHand(a: tf.Tensor2D, b: tf.Tensor2D, c: tf.Tensor2D): [number[], number[]] {
  const [left, right] = [a.arraySync(), b.arraySync()];
  const product = left.flatMap((row) => right[0]!.map((_, j) => bf16(row.reduce((sum, x, k) => sum + bf16(x) * bf16(right[k]![j]!), 0))));
  const addends = c.dataSync();
  return [product, product.map((value, i) => value + addends[i]!)];
}

test("emulated products have the rounding of real ones: float32 sums of BF16 factors, rounded once more", () => {
  const [a, b, c] = [random(20, 300, 6), random(300, 40, 8), random(20, 40, 7)];
  const products = (emulate: boolean) => {
    tf.env().set(BF16_FLAG, device.kind === "tensorflow");
    tf.env().set(EMULATION_FLAG, emulate);
    const weight = freeze(tf.clone(b));
    const before = tf.memory().numTensors;
    const made = [matMul(a, weight), matMulAdd(a, weight, c)].map((product) => {
      const values = [...product.dataSync()];
      product.dispose();
      return values;
    });
    expect(tf.memory().numTensors).toBe(before);
    disposeFrozen(weight);
    return made as [number[], number[]];
  };
  const native = device.kind === "tensorflow";
  const emulated = products(true);
  const references = [...(native ? [byHand(a, b, c)] : []), ...(!native || roundsOnce() ? [products(false)] : [])];
  tf.env().set(EMULATION_FLAG, false);
  tf.env().set(BF16_FLAG, device.precision === "bf16");
  expect(emulated[0].every((x) => x === bf16(x))).toBe(native);
  for (const reference of references) {
    // sums in another order differ in float32's last bits, which now and then rounds to the BF16 number next to it: 2^-7 of it at most
    const [product, sum] = reference.map((values, k) => values.map((value, i) => Math.abs(value - emulated[k]![i]!)));
    expect(product!.filter((apart) => apart > 0).length).toBeLessThan(0.02 * product!.length);
    for (const [i, apart] of product!.entries()) expect(apart).toBeLessThanOrEqual(2 ** -7 * Math.abs(reference[0][i]!) + 1e-6);
    expect(sum!.filter((apart) => apart > 1e-5).length).toBeLessThan(0.02 * sum!.length);
  }
});
