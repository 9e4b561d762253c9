import { bfloats, HALF, halves, toHalves } from "./halves.js";
import { dequantizeQ6K, dequantizeQ45K } from "./k-quants.js";

/** A ggml tensor type: how many values a block holds, in how many bytes. */
export interface GgmlType {
  name: string;
  block: number;
  bytes: number;
}

/** The types that erpo reads, by ggml's number (ggml.h, enum ggml_type). */
export const GGML_TYPES: Readonly<Record<number, GgmlType>> = {
  0: { name: "F32", block: 1, bytes: 4 },
  1: { name: "F16", block: 1, bytes: 2 },
  2: { name: "Q4_0", block: 32, bytes: 18 },
  3: { name: "Q4_1", block: 32, bytes: 20 },
  6: { name: "Q5_0", block: 32, bytes: 22 },
  7: { name: "Q5_1", block: 32, bytes: 24 },
  8: { name: "Q8_0", block: 32, bytes: 34 },
  12: { name: "Q4_K", block: 256, bytes: 144 },
  13: { name: "Q5_K", block: 256, bytes: 176 },
  14: { name: "Q6_K", block: 256, bytes: 210 },
  30: { name: "BF16", block: 1, bytes: 2 },
};

/** `elements` little-endian f32 values from byte `offset` on, copied (the file's offsets need not be aligned). */
export function floats(bytes: Uint8Array, offset: number, elements: number): Float32Array {
  const out = new Float32Array(elements);
  new Uint8Array(out.buffer).set(bytes.subarray(offset, offset + elements * 4));
  return out;
}

/**
 * De-quantises a tensor (ggml-quants.c, dequantize_row_*). In a 4- or 5-bit block of 32 the low nibbles are values 0-15, the high ones 16-31;
 * Q?_0 has a scale d, Q?_1 a scale d and a minimum m; the fifth bits follow as one 32-bit word.
 */
export function dequantize(type: number, bytes: Uint8Array, offset: number, elements: number): Float32Array {
  if (type === 0) return floats(bytes, offset, elements);
  if (type === 1) return halves(bytes, offset, elements);
  if (type === 30) return bfloats(bytes, offset, elements);
  if (type === 12 || type === 13) return dequantizeQ45K(bytes, offset, elements, type === 13);
  if (type === 14) return dequantizeQ6K(bytes, offset, elements);
  const out = new Float32Array(elements);
  const blocks = elements / 32;
  const half = (o: number) => HALF[bytes[o]! | (bytes[o + 1]! << 8)]!;
  const size = GGML_TYPES[type]!.bytes;
  for (let b = 0, o = offset, at = 0; b < blocks; b++, o += size, at += 32) {
    const d = half(o);
    if (type === 8) {
      for (let j = 0; j < 32; j++) out[at + j] = ((bytes[o + 2 + j]! << 24) >> 24) * d;
      continue;
    }
    const withMinimum = type === 3 || type === 7;
    const five = type >= 6;
    const m = withMinimum ? half(o + 2) : five ? -16 * d : -8 * d;
    let q = o + (withMinimum ? 4 : 2);
    let high = 0;
    if (five) {
      high = bytes[q]! | (bytes[q + 1]! << 8) | (bytes[q + 2]! << 16) | (bytes[q + 3]! << 24);
      q += 4;
    }
    for (let j = 0; j < 16; j++) {
      const byte = bytes[q + j]!;
      out[at + j] = ((byte & 15) | (((high >>> j) & 1) << 4)) * d + m;
      out[at + 16 + j] = ((byte >> 4) | (((high >>> (j + 16)) & 1) << 4)) * d + m;
    }
  }
  return out;
}

/** Q8_0 blocks of values whose number is a multiple of 32 (quantize_row_q8_0_ref): a half-precision scale d = max |x| / 127, then round(x / d), halves away from 0. */
export function quantizeQ80(values: Float32Array): Uint8Array {
  const blocks = values.length / 32;
  const scales = new Float32Array(blocks);
  const bytes = new Uint8Array(blocks * 34);
  for (let b = 0; b < blocks; b++) {
    const block = values.subarray(b * 32, b * 32 + 32);
    const d = Math.fround(block.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    scales[b] = d;
    for (let j = 0; j < 32; j++) {
      const x = Math.fround(block[j]! * inverse);
      bytes[b * 34 + 2 + j] = Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
    }
  }
  toHalves(scales).forEach((half, b) => {
    bytes[b * 34] = half & 255;
    bytes[b * 34 + 1] = half >> 8;
  });
  return bytes;
}
