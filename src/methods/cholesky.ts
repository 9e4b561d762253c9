/** Solves A w = r by Cholesky's decomposition. @param a the lower half of a positive definite matrix, row by row; it is overwritten */
export function solved(a: Float64Array, r: Float64Array): Float64Array {
  const C = r.length;
  for (let i = 0; i < C; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * C + j]!;
      for (let k = 0; k < j; k++) sum -= a[i * C + k]! * a[j * C + k]!;
      a[i * C + j] = i === j ? Math.sqrt(sum) : sum / a[j * C + j]!;
    }
  }
  const w = r.slice();
  for (let i = 0; i < C; i++) {
    for (let k = 0; k < i; k++) w[i]! -= a[i * C + k]! * w[k]!;
    w[i]! /= a[i * C + i]!;
  }
  for (let i = C - 1; i >= 0; i--) {
    for (let k = i + 1; k < C; k++) w[i]! -= a[k * C + i]! * w[k]!;
    w[i]! /= a[i * C + i]!;
  }
  return w;
}
