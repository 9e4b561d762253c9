import { mean } from "../../evaluation/averages.js";
import { sigmoid } from "../../evaluation/readout.js";
import { solved } from "../cholesky.js";
import { dot } from "../dot.js";

/** A difference of two answers' features, and the probability that the first answer is the better one. */
export interface Difference {
  /** `[C]`. */
  x: ArrayLike<number>;
  /** In [0, 1]. */
  p: number;
}

/** Newton's steps at most; from 0 a fit takes fewer than ten. */
const mostSteps = 50;
/** A fit has ended when no weight moves by more. */
const tolerance = 1e-9;
/** The shortest part of a step that is tried: near the minimum the loss no longer tells steps apart. */
const shortest = 1e-3;

/**
 * A linear Bradley-Terry model (Bradley and Terry 1952): the weights w of a score w . f such that sigmoid(w . (f_1 - f_2)) is the probability that the first of two answers
 * is the better one,
 *
 *     w = argmin  mean_n [ -p_n log sigmoid(w . x_n) - (1 - p_n) log sigmoid(-w . x_n) ]  +  (l2 / 2) |w|^2,    x = f_1 - f_2
 *
 * by Newton's method, in double precision. There is no bias: an answer compared with itself has the probability 1/2.
 *
 * @param differences at least one, all of the same length
 * @param l2 > 0, which makes the solution unique where the pairs can be separated
 * @returns w, `[C]`
 * @throws RangeError when there are no differences or l2 is not positive
 */
export function fitBradleyTerry(differences: readonly Difference[], l2: number): Float64Array {
  const [one] = differences;
  if (!one) throw new RangeError("fitBradleyTerry: there are no comparisons");
  if (!(l2 > 0)) throw new RangeError(`fitBradleyTerry: l2 must be > 0, got ${l2}`);
  const C = one.x.length;
  const N = differences.length;
  const w = new Float64Array(C);
  for (let step = 0; step < mostSteps; step++) {
    const gradient = w.map((value) => l2 * value);
    const hessian = new Float64Array(C * C); // the lower half
    for (let i = 0; i < C; i++) hessian[i * C + i] = l2;
    for (const { x, p } of differences) {
      const s = sigmoid(dot(w, x));
      const curvature = (s * (1 - s)) / N;
      for (let i = 0; i < C; i++) {
        const xi = x[i]!;
        gradient[i]! += ((s - p) * xi) / N;
        const scaled = curvature * xi;
        for (let j = 0; j <= i; j++) hessian[i * C + j]! += scaled * x[j]!;
      }
    }
    const move = solved(hessian, gradient);
    const before = penalized(differences, w, l2);
    let length = 1;
    let next = w.map((value, i) => value - move[i]!);
    while (penalized(differences, next, l2) > before && length > shortest) {
      length /= 2; // far from the minimum a whole step may lead uphill
      next = w.map((value, i) => value - length * move[i]!);
    }
    w.set(next);
    if (move.every((value) => Math.abs(value) < tolerance)) break;
  }
  return w;
}

/** What is minimised. */
function penalized(differences: readonly Difference[], w: Float64Array, l2: number): number {
  const losses = differences.map(({ x, p }) => {
    const odds = dot(w, x);
    return softplus(-odds) + (1 - p) * odds; // -p log sigmoid(odds) - (1 - p) log sigmoid(-odds)
  });
  return mean(losses) + (l2 / 2) * dot(w, w);
}

/** log(1 + e^x). */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
