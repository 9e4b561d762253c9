import type { Rating } from "../../data/ratings.js";
import { solved } from "../cholesky.js";
import type { Known, Period } from "./split.js";

/** A rating that is expected, in [1, 5], of an item by a user. */
export type Predict = (pair: Pick<Rating, "user" | "item">) => number;

/** Ratings lie in [1, 5]. */
export const clipped = (rating: number): number => Math.min(5, Math.max(1, rating));

/** Mean rating; undefined of none. */
export const meanRating = (ratings: readonly Rating[] = []): number | undefined =>
  ratings.length === 0 ? undefined : ratings.reduce((sum, { rating }) => sum + rating, 0) / ratings.length;

/** The mean of all known ratings. */
const overall = ({ ratings }: Known): number => meanRating(ratings) ?? 3;

/** The mean of the user's known ratings; of an unknown user the overall mean. */
export const userMean =
  (known: Known): Predict =>
  ({ user }) =>
    meanRating(known.byUser.get(user)) ?? overall(known);

/** The mean of the item's known ratings; of an unknown item the overall mean. */
export const itemMean =
  (known: Known): Predict =>
  ({ item }) =>
    meanRating(known.byItem.get(item)) ?? overall(known);

/** How a matrix is factorised. */
export interface FactorSettings {
  /** Beside the biases; 0 leaves biases alone. */
  factors: number;
  /** lambda > 0, per user and per item. */
  penalty: number;
}

/** Alternations. */
const sweeps = 10;

/**
 * Biased matrix factorisation (Koren, Bell and Volinsky 2009) by alternating least squares,
 *
 *     min  sum_{(u,i)} (r_ui - mu - b_u - b_i - p_u . q_i)^2  +  lambda sum_u (b_u^2 + |p_u|^2)  +  lambda sum_i (b_i^2 + |q_i|^2)
 *
 * with mu the mean of the known ratings. A user's bias and factors are one ridge regression where the items' are given, and the other way round; users come first.
 *
 * @param begin an item's first factors, from its place among the items in order of their first rating; its first bias is 0
 * @returns predictions in [1, 5]; whom or what nothing is known of has bias and factors 0
 */
export function matrixFactorisation(
  known: Known,
  { factors, penalty }: FactorSettings,
  begin: (item: number, factor: number) => number = firstFactor,
): Predict {
  const mu = overall(known);
  const users = new Map<string, Float64Array>(); // [b, p_1, ...]
  const items = new Map<string, Float64Array>(
    [...known.byItem.keys()].map((id, n) => [id, Float64Array.from({ length: factors + 1 }, (_, k) => (k === 0 ? 0 : begin(n, k - 1)))]),
  );
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (const [id, own] of known.byUser) users.set(id, side(own, items, "item", mu, penalty));
    for (const [id, own] of known.byItem) items.set(id, side(own, users, "user", mu, penalty));
  }
  return ({ user, item }) => {
    const [u, i] = [users.get(user), items.get(item)];
    const product = u && i ? u.reduce((sum, x, k) => sum + (k === 0 ? 0 : x * i[k]!), 0) : 0;
    return clipped(mu + (u?.[0] ?? 0) + (i?.[0] ?? 0) + product);
  };
}

/** Small and different everywhere: the sine of a number that grows with both. */
const firstFactor = (item: number, factor: number): number => 0.1 * Math.sin(1 + 13 * item + 7 * factor);

/** One user's bias and factors where those of the items that they rated are given: ridge regression of r - mu - b_i on [1, q_i]. An item's the same way. */
function side(own: readonly Rating[], others: ReadonlyMap<string, Float64Array>, key: "user" | "item", mu: number, penalty: number) {
  const C = others.get(own[0]![key])!.length;
  const gram = new Float64Array(C * C); // the lower half
  const right = new Float64Array(C);
  const x = new Float64Array(C).fill(1);
  for (const rating of own) {
    const other = others.get(rating[key])!;
    const residual = rating.rating - mu - other[0]!;
    for (let k = 1; k < C; k++) x[k] = other[k]!;
    for (let k = 0; k < C; k++) {
      right[k]! += x[k]! * residual;
      for (let j = 0; j <= k; j++) gram[k * C + j]! += x[k]! * x[j]!;
    }
  }
  for (let k = 0; k < C; k++) gram[k * C + k]! += penalty;
  return solved(gram, right);
}

/** What is tried on the training period. */
export const factorGrid: readonly FactorSettings[] = [0, 2, 4, 8].flatMap((factors) => [5, 10].map((penalty) => ({ factors, penalty })));

/** The settings with which a factorisation of what was known before the training period has the least mean absolute error in it, and that error. */
export function chosenFactors({ known, targets }: Period): FactorSettings & { mae: number } {
  const tried = factorGrid.map((settings) => {
    const predict = matrixFactorisation(known, settings);
    return { ...settings, mae: targets.reduce((sum, target) => sum + Math.abs(predict(target) - target.rating), 0) / targets.length };
  });
  return tried.reduce((best, other) => (other.mae < best.mae ? other : best));
}
