import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng, nextWord, restoreRng, splitmix64 } from "../../src/backend/random.js";

test("xoshiro128** gives the reference implementation's words from state 1, 2, 3, 4", () => {
  const state: [number, number, number, number] = [1, 2, 3, 4];
  // the first by hand: rotl(2 * 5, 7) * 9 = 1280 * 9 = 11520
  expect(Array.from({ length: 10 }, () => nextWord(state))).toEqual([
    11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
  ]);
});

test("splitmix64 gives the reference implementation's words from seed 1234567", () => {
  const next = splitmix64(1234567n);
  expect(Array.from({ length: 5 }, () => next())).toEqual([
    6457827717110365317n,
    3203168211198807973n,
    9817491932198370423n,
    4593380528125082431n,
    16408922859458223821n,
  ]);
});

test("a restored stream goes on where the other was", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.nat(20), (seed, drawn) => {
      const rng = createRng(seed);
      for (let i = 0; i < drawn; i++) rng.normal();
      const copy = restoreRng(JSON.parse(JSON.stringify(rng.state())));
      expect([copy.uniform(), copy.integer(-3, 9), copy.normal()]).toEqual([rng.uniform(), rng.integer(-3, 9), rng.normal()]);
    }),
  );
});

test("forks depend on the label, repeat, and leave the stream where it is", () => {
  const rng = createRng(7);
  const before = rng.state();
  const draws = (label: string) =>
    Array.from(
      { length: 3 },
      (
        (fork) => () =>
          fork.uniform()
      )(rng.fork(label)),
    );
  expect(draws("data")).toEqual(draws("data"));
  expect(draws("data")).not.toEqual(draws("lora"));
  expect(rng.state()).toEqual(before);
});

test("whole numbers stay in range and hit both ends", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: -1000, max: 1000 }), fc.nat(3), (seed, low, span) => {
      const rng = createRng(seed);
      const drawn = new Set(Array.from({ length: 200 }, () => rng.integer(low, low + span)));
      expect([...drawn].sort((a, b) => a - b)).toEqual(Array.from({ length: span + 1 }, (_, i) => low + i));
    }),
  );
  expect(() => createRng(1).integer(1, 0)).toThrow("no whole numbers to draw from in [1, 0]");
});

test("a shuffle is a permutation and leaves its argument alone", () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.integer(), { maxLength: 30 }), (seed, xs) => {
      const copy = [...xs];
      const shuffled = createRng(seed).shuffle(xs);
      expect(xs).toEqual(copy);
      expect(shuffled.sort((a, b) => a - b)).toEqual(copy.sort((a, b) => a - b));
    }),
  );
});

test("moments of 20,000 draws", () => {
  const rng = createRng(3);
  const mean = (xs: number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;
  const uniform = Array.from({ length: 20_000 }, () => rng.uniform());
  const normal = Array.from({ length: 20_000 }, () => rng.normal());
  // five standard errors: 5 / sqrt(12 n) and 5 / sqrt(n)
  expect(Math.abs(mean(uniform) - 0.5)).toBeLessThan(0.0103);
  expect(Math.abs(mean(normal))).toBeLessThan(0.036);
  expect(Math.abs(mean(normal.map((x) => x * x)) - 1)).toBeLessThan(0.05); // sqrt(2 / n) = 0.01
});
