import { dot } from "../dot.js";
/** Points in the plane of their first two principal components. */
export interface PrincipalPlane {
  /** Coordinates of each point along both, in the points' unit, centred. The sign of an axis is that of its largest coordinate, which is positive. */
  points: [x: number, y: number][];
  /** Share of the variance along each axis, in [0, 1]. */
  explained: [number, number];
}

/**
 * Principal component analysis (Pearson 1901; Hotelling 1933) to two dimensions, for fewer points than dimensions: the eigenvectors of the points' Gram matrix [N, N], found by power
 * iteration, times the roots of their eigenvalues are the coordinates.
 * @throws RangeError for fewer than two points
 */
export function principalPlane(points: readonly ArrayLike<number>[]): PrincipalPlane {
  const N = points.length;
  if (N < 2) throw new RangeError(`principalPlane: needs two points or more, got ${N}`);
  const C = points[0]!.length;
  const centre = new Float64Array(C);
  for (const point of points) for (let i = 0; i < C; i++) centre[i]! += point[i]! / N;
  const centred = points.map((point) => Float64Array.from({ length: C }, (_, i) => point[i]! - centre[i]!));
  const gram = centred.map((a) => Float64Array.from(centred, (b) => dot(a, b)));
  const total = gram.reduce((sum, row, i) => sum + row[i]!, 0);
  const axes = [0, 1].map(() => {
    const { vector, value } = largestEigenpair(gram);
    for (const [i, row] of gram.entries()) for (let j = 0; j < N; j++) row[j]! -= value * vector[i]! * vector[j]!;
    const largest = vector.reduce((best, x) => (Math.abs(x) > Math.abs(best) + 1e-12 ? x : best), 0);
    return { share: total === 0 ? 0 : value / total, along: vector.map((x) => Math.sign(largest) * Math.sqrt(value) * x) };
  });
  const [first, second] = axes as [(typeof axes)[0], (typeof axes)[0]];
  return { points: points.map((_, i) => [first.along[i]!, second.along[i]!]), explained: [first.share, second.share] };
}

/** Of a symmetric matrix without negative eigenvalues. */
function largestEigenpair(matrix: readonly Float64Array[]): { vector: Float64Array; value: number } {
  let vector = unit(matrix.reduce((best, row) => (dot(row, row) > dot(best, best) ? row : best)));
  for (let i = 0; i < 2000; i++) {
    const next = unit(Float64Array.from(matrix, (row) => dot(row, vector)));
    const moved = next.reduce((sum, x, j) => sum + (x - vector[j]!) ** 2, 0);
    vector = next;
    if (moved < 1e-22) break;
  }
  return {
    vector,
    value: Math.max(
      0,
      dot(
        vector,
        Float64Array.from(matrix, (row) => dot(row, vector)),
      ),
    ),
  };
}

function unit(a: Float64Array): Float64Array {
  const length = Math.sqrt(dot(a, a));
  return length === 0 ? a : a.map((x) => x / length);
}
