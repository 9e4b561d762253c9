import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { drawTokens, drawTokensPlain } from "../../../src/backend/ops/draw-tokens.js";
import { open, values } from "../../model/open.js";

beforeAll(open);

/** How far below and above `at` the cumulative probabilities of a token lie, summed in double precision. */
function margins(logits: Float32Array, temperature: number, at: number, id: number): [below: number, above: number] {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const powers = Array.from(logits, (x) => Math.exp((x - most) / temperature));
  const total = powers.reduce((a, b) => a + b);
  const before = powers.slice(0, id).reduce((a, b) => a + b, 0) / total;
  return [at - before, before + powers[id]! / total - at];
}

const draws: [string, typeof drawTokens][] = [
  ["with our kernels", drawTokens],
  ["by the plain twin", (...args: Parameters<typeof drawTokens>) => tf.tidy(() => drawTokensPlain(...args))],
];

test.each(draws)("the cumulative probability passes the drawn number at the token: %s", (_, draw) => {
  const number = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const rows = fc.record({
    at: fc.array(number, { minLength: 1, maxLength: 5 }),
    V: fc.integer({ min: 1, max: 1000 }),
    temperature: fc.constantFrom(0.1, 0.7, 1, 3),
  });
  fc.assert(
    fc.property(rows, fc.nat(), ({ at, V, temperature }, seed) => {
      const logits = Float32Array.from(values(at.length * V, seed), (x) => 4 * x);
      const ids = draw(tf.tensor2d(logits, [at.length, V]), at, temperature).dataSync();
      at.forEach((u, row) => {
        const [below, above] = margins(logits.subarray(row * V, (row + 1) * V), temperature, u, ids[row]!);
        expect(below).toBeGreaterThan(-1e-5);
        expect(above).toBeGreaterThan(-1e-5);
      });
    }),
  );
});

test("a number that float32 would round to 1 draws no token that the softmax leaves out", () => {
  const tail = Float32Array.from({ length: 256 }, (_, id) => (id === 0 ? 0 : id === 255 ? -80 : Math.log(7e-8))); // 1, 254 of 7e-8, e^-80
  expect(drawTokens(tf.tensor2d(tail, [1, 256]), [1 - 2 ** -53], 1).dataSync()[0]).toBeLessThan(255);
  const one = Float32Array.from({ length: 1000 }, (_, id) => (id === 3 ? 0 : -80));
  expect([...drawTokens(tf.tensor2d(one, [1, 1000]), [1 - 2 ** -53], 1).dataSync()]).toEqual([3]);
});

test("a temperature near 0 takes the likeliest token", () => {
  const logits = tf.tensor2d(values(600, 1), [2, 300]);
  for (const temperature of [1e-6, 1e-40, 1e-300]) {
    expect([...drawTokens(logits, [0.1, 0.9], temperature).dataSync()]).toEqual([...tf.argMax(logits, 1).dataSync()]);
  }
});
