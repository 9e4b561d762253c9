import { halfToFloat } from "./halves.js";

/** Values of a super-block. */
const BLOCK = 256;

const half = (bytes: Uint8Array, at: number): number => halfToFloat(bytes[at]! | (bytes[at + 1]! << 8));

/**
 * De-quantises Q4_K or Q5_K (ggml-quants.c, dequantize_row_q4_K and q5_K): a scale d, a minimum dmin, eight 6-bit pairs of a scale and a minimum in 12 bytes, for Q5_K
 * the fifth bits (bit k of byte j: value j of sub-block k), and 4 bits a value, two sub-blocks of 32 to 32 bytes. value = d scale q - dmin minimum.
 */
export function dequantizeQ45K(bytes: Uint8Array, offset: number, elements: number, five: boolean): Float32Array {
  const out = new Float32Array(elements);
  const size = five ? 176 : 144;
  for (let at = 0, o = offset; at < elements; at += BLOCK, o += size) {
    const d = half(bytes, o);
    const dmin = half(bytes, o + 2);
    const pairs = o + 4;
    const high = o + 16;
    const low = five ? high + 32 : high;
    for (let k = 0; k < 8; k++) {
      const a = bytes[pairs + (k & 3)]!;
      const b = bytes[pairs + 4 + (k & 3)]!;
      const c = bytes[pairs + 8 + (k & 3)]!;
      const scale = d * (k < 4 ? a & 63 : (c & 15) | ((a >> 6) << 4));
      const minimum = dmin * (k < 4 ? b & 63 : (c >> 4) | ((b >> 6) << 4));
      for (let j = 0; j < 32; j++) {
        const byte = bytes[low + 32 * (k >> 1) + j]!;
        const q = (k & 1 ? byte >> 4 : byte & 15) | (five ? ((bytes[high + j]! >> k) & 1) << 4 : 0);
        out[at + 32 * k + j] = scale * q - minimum;
      }
    }
  }
  return out;
}

/**
 * De-quantises Q6_K (dequantize_row_q6_K): for each half of 128 values 64 bytes of low and 32 of high bits, then 16 signed scales of 16 values each, then the scale d.
 * value = d scale (q - 32).
 */
export function dequantizeQ6K(bytes: Uint8Array, offset: number, elements: number): Float32Array {
  const out = new Float32Array(elements);
  for (let at = 0, o = offset; at < elements; at += BLOCK, o += 210) {
    const d = half(bytes, o + 208);
    for (let i = 0; i < BLOCK; i++) {
      const k = (i >> 5) & 3; // which quarter of its half
      const j = i & 31;
      const low = bytes[o + 64 * (i >> 7) + 32 * (k & 1) + j]!;
      const high = bytes[o + 128 + 32 * (i >> 7) + j]!;
      const q = (k < 2 ? low & 15 : low >> 4) | (((high >> (2 * k)) & 3) << 4);
      const scale = (bytes[o + 192 + (i >> 4)]! << 24) >> 24;
      out[at + i] = d * scale * (q - 32);
    }
  }
  return out;
}
