/** IEEE 754 binary16 and bfloat16, as bytes in files and as numbers. */

/** Binary16 bits to a number. */
export function halfToFloat(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** All 65,536 half-precision numbers as f32. */
export const HALF = Float32Array.from({ length: 65536 }, (_, i) => halfToFloat(i));

/** `elements` half-precision values from byte `offset` on, as f32. */
export function halves(bytes: Uint8Array, offset: number, elements: number): Float32Array {
  const out = new Float32Array(elements);
  for (let i = 0, o = offset; i < elements; i++, o += 2) out[i] = HALF[bytes[o]! | (bytes[o + 1]! << 8)]!;
  return out;
}

/** `elements` bfloat16 values from byte `offset` on, as f32 (the upper half of its bits). */
export function bfloats(bytes: Uint8Array, offset: number, elements: number): Float32Array {
  const bits = new Uint32Array(elements);
  for (let i = 0, o = offset; i < elements; i++, o += 2) bits[i] = (bytes[o]! | (bytes[o + 1]! << 8)) << 16;
  return new Float32Array(bits.buffer);
}

/** The f32 bits of values. */
const bitsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);

/** The nearest bfloat16 of each value, ties to even, as bits. */
export function toBfloats(values: Float32Array): Uint16Array {
  return Uint16Array.from(bitsOf(values), (u) =>
    (u & 0x7fffffff) > 0x7f800000 ? (u >>> 16) | 0x40 : (u + 0x7fff + ((u >>> 16) & 1)) >>> 16,
  );
}

/** The nearest binary16 of each value, ties to even, as bits; what is beyond 65,504 becomes infinite. */
export function toHalves(values: Float32Array): Uint16Array {
  return Uint16Array.from(bitsOf(values), (u) => {
    const sign = (u >>> 16) & 0x8000;
    const magnitude = u & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00; // not a number
    if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65,520 and more round to infinity
    if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
    const exponent = magnitude >>> 23; // below 2^-14: a multiple of 2^-24
    if (exponent < 102) return sign;
    const mantissa = (magnitude & 0x7fffff) | 0x800000;
    const shift = 126 - exponent;
    const odd = (mantissa >>> shift) & 1;
    return sign | ((mantissa + 2 ** (shift - 1) - 1 + odd) >>> shift);
  });
}
