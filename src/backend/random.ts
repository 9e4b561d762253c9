import { createHash } from "node:crypto";

/** A stream of pseudo-random numbers. Every random choice in erpo draws from one that was passed as an argument. */
export interface Rng {
  /** A number in [0, 1), on a grid of 2^-53. */
  uniform(): number;
  /** A whole number in [low, high], both ends included, without bias. @throws RangeError when the range is empty or wider than 2^32 */
  integer(low: number, high: number): number;
  /** A standard normal number (Box and Muller 1958). */
  normal(): number;
  /** One of the elements. @throws RangeError when there are none */
  choice<T>(xs: readonly T[]): T;
  /** The elements in a random order (Fisher and Yates), as a new array. */
  shuffle<T>(xs: readonly T[]): T[];
  /** A stream of its own, a function of the label and of where this stream is; this stream does not move on. */
  fork(label: string): Rng;
  /** Four 32-bit words, for `restoreRng`. */
  state(): number[];
}

type State = [number, number, number, number];

/**
 * A stream from a seed: xoshiro128** 1.1 (Blackman and Vigna 2018) with its state filled by splitmix64.
 * @param seed a whole number; equal seeds give equal streams on every machine
 * @throws RangeError when the seed is not a safe whole number
 */
export function createRng(seed: number): Rng {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`random: the seed must be a whole number, got ${seed}`);
  const next = splitmix64(BigInt.asUintN(64, BigInt(seed)));
  const [a, b] = [next(), next()];
  const words = [a & 0xffffffffn, a >> 32n, b & 0xffffffffn, b >> 32n];
  return stream(words.map(Number) as State);
}

/** The stream that goes on from a `state()`. @throws RangeError when the state is not one */
export function restoreRng(state: number[]): Rng {
  const whole = state.length === 4 && state.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32);
  if (!whole || state.every((word) => word === 0)) throw new RangeError("random: a state is four 32-bit words that are not all zero");
  return stream(state as State);
}

/** splitmix64 (Steele, Lea and Flood 2014): a function that returns the next 64-bit word. */
export function splitmix64(seed: bigint): () => bigint {
  let x = seed;
  return () => {
    x = BigInt.asUintN(64, x + 0x9e3779b97f4a7c15n);
    let z = BigInt.asUintN(64, (x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  };
}

const rotl = (x: number, k: number): number => ((x << k) | (x >>> (32 - k))) >>> 0;

/** xoshiro128** 1.1: moves the state on and returns 32 random bits. */
export function nextWord(s: State): number {
  const result = Math.imul(rotl(Math.imul(s[1], 5) >>> 0, 7), 9) >>> 0;
  const t = s[1] << 9;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotl(s[3] >>> 0, 11);
  for (let i = 0; i < 3; i++) s[i]! >>>= 0;
  return result;
}

function stream(initial: State): Rng {
  const s: State = [...initial];
  const word = () => nextWord(s);

  const rng: Rng = {
    uniform: () => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53,

    integer(low, high) {
      const count = high - low + 1;
      if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || count < 1 || count > 2 ** 32) {
        throw new RangeError(`random: no whole numbers to draw from in [${low}, ${high}]`);
      }
      const limit = 2 ** 32 - (2 ** 32 % count); // words from here on would favour the low end
      let x = word();
      while (x >= limit) x = word();
      return low + (x % count);
    },

    normal: () => Math.sqrt(-2 * Math.log(1 - rng.uniform())) * Math.cos(2 * Math.PI * rng.uniform()),

    choice(xs) {
      if (xs.length === 0) throw new RangeError("random: no elements to choose from");
      return xs[rng.integer(0, xs.length - 1)]!;
    },

    shuffle(xs) {
      const ys = [...xs];
      for (let i = ys.length - 1; i > 0; i--) {
        const j = rng.integer(0, i);
        [ys[i], ys[j]] = [ys[j]!, ys[i]!];
      }
      return ys;
    },

    fork(label) {
      const digest = createHash("sha256")
        .update(`${s.join(" ")} ${label}`)
        .digest();
      return stream([0, 4, 8, 12].map((at) => digest.readUInt32LE(at)) as State);
    },

    state: () => [...s],
  };
  return rng;
}
