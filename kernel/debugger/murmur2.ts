const M = 0x5bd1e995;

/**
 * MurmurHash2 of a text's UTF-8 bytes (Appleby's, 32 bits), by which JupyterLab names cells.
 * @returns a whole number in 0..2^32-1
 */
export function murmur2(text: string, seed: number): number {
  const data = Buffer.from(text, "utf8");
  const whole = data.length - (data.length % 4);
  let hash = seed ^ data.length;
  for (let i = 0; i < whole; i += 4) {
    let word = Math.imul(data.readInt32LE(i), M);
    word ^= word >>> 24;
    hash = Math.imul(hash, M) ^ Math.imul(word, M);
  }
  if (whole < data.length) {
    for (let i = data.length - 1; i >= whole; i--) hash ^= data[i]! << (8 * (i - whole));
    hash = Math.imul(hash, M);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return (hash ^ (hash >>> 15)) >>> 0;
}
