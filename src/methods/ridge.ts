import { solved } from "./cholesky.js";

/** A linear function of features, `w . x + b`. */
export interface Linear {
  weights: number[];
  bias: number;
}

/** Features, `C` numbers each, and what is to be predicted from them. */
export interface Examples {
  features: readonly (readonly number[])[];
  targets: readonly number[];
}

/** The value of a linear function. */
export const linearValue = ({ weights, bias }: Linear, features: readonly number[]): number =>
  weights.reduce((sum, w, i) => sum + w * features[i]!, bias);

/**
 * Ridge regression (Hoerl and Kennard 1970), in closed form,
 *
 *     min over w, b of  sum_i (w . x_i + b - y_i)^2 + penalty * s * |w|^2
 *
 * with s the mean over features of sum_i (x_i - mean)^2, so that the penalty does not depend on how large features or how many examples are.
 *
 * @param penalties > 0, a function for each: what they have in common is computed once
 * @throws RangeError when there are no examples, or a penalty is not above 0
 */
export function ridge({ features, targets }: Examples, penalties: readonly number[]): Linear[] {
  const [N, C] = [features.length, features[0]?.length ?? 0];
  if (N === 0) throw new RangeError("ridge: there are no examples");
  if (penalties.some((penalty) => !(penalty > 0))) throw new RangeError(`ridge: penalties must be > 0, got ${penalties}`);
  const mean = Float64Array.from({ length: C }, (_, j) => features.reduce((sum, x) => sum + x[j]!, 0) / N);
  const centre = targets.reduce((sum, y) => sum + y, 0) / N;
  const gram = new Float64Array(C * C); // X^T X, the lower half
  const right = new Float64Array(C); // X^T y
  const x = new Float64Array(C);
  for (const [n, row] of features.entries()) {
    const y = targets[n]! - centre;
    for (let i = 0; i < C; i++) x[i] = row[i]! - mean[i]!;
    for (let i = 0; i < C; i++) {
      const xi = x[i]!;
      right[i]! += xi * y;
      for (let j = 0; j <= i; j++) gram[i * C + j]! += xi * x[j]!;
    }
  }
  let scale = 0;
  for (let i = 0; i < C; i++) scale += gram[i * C + i]! / C;
  return penalties.map((penalty) => {
    const matrix = gram.slice();
    for (let i = 0; i < C; i++) matrix[i * C + i]! += penalty * (scale || 1);
    const weights = Array.from(solved(matrix, right));
    return { weights, bias: centre - weights.reduce((sum, w, i) => sum + w * mean[i]!, 0) };
  });
}

/**
 * The penalty with the least squared error on held-out examples, by cross-validation over groups: examples of one group are never in both parts.
 * @param groups of each example; group g is held out in fold g mod `folds`
 * @throws RangeError when a penalty is not above 0
 */
export function chosenPenalty(examples: Examples, groups: readonly number[], folds: number, penalties: readonly number[]): number {
  const errors = penalties.map(() => 0);
  for (let fold = 0; fold < folds; fold++) {
    const held = (i: number) => groups[i]! % folds === fold;
    const [kept, out] = [subset(examples, (i) => !held(i)), subset(examples, held)];
    if (kept.features.length === 0 || out.features.length === 0) continue;
    for (const [p, linear] of ridge(kept, penalties).entries())
      for (const [i, features] of out.features.entries()) errors[p]! += (linearValue(linear, features) - out.targets[i]!) ** 2;
  }
  return penalties[errors.indexOf(Math.min(...errors))]!;
}

/** The examples at which `holds`. */
export const subset = ({ features, targets }: Examples, holds: (i: number) => boolean): Examples => ({
  features: features.filter((_, i) => holds(i)),
  targets: targets.filter((_, i) => holds(i)),
});
