import type { Rng } from "../../backend/random.js";
import { clusterBootstrap } from "../../evaluation/bootstrap.js";
import type { Estimate } from "../../evaluation/intervals.js";

/** A prediction of a user's rating. */
export interface Predicted {
  user: string;
  /** 1 to 5. */
  rating: number;
  /** In [1, 5]. */
  predicted: number;
}

/** How far predictions are off, in stars: mean absolute error and root of the mean squared error with 95% intervals. */
export interface Errors {
  mae: Estimate;
  rmse: Estimate;
  n: number;
  users: number;
}

const absolute = ({ rating, predicted }: Predicted): number => Math.abs(predicted - rating);

/** MAE and RMSE of predictions. @throws RangeError when there are none */
export function errorsOf(rows: readonly Predicted[], rng: Rng): Errors {
  return {
    mae: clusteredMean(rows, absolute, rng),
    rmse: clusteredMean(rows, (row) => absolute(row) ** 2, rng, Math.sqrt),
    n: rows.length,
    users: new Set(rows.map(({ user }) => user)).size,
  };
}

/** A rating that was predicted twice. */
export interface PredictedTwice extends Predicted {
  other: number;
}

/** By how much MAE is higher for `predicted` than for `other`, in stars; below 0 `predicted` is better. @throws RangeError when there are no rows */
export const maeDifference = (rows: readonly PredictedTwice[], rng: Rng): Estimate =>
  clusteredMean(rows, ({ other, ...row }) => absolute(row) - absolute({ ...row, predicted: other }), rng);

/**
 * A function of a mean over rows. A user's ratings are no independent trials, so the 95% interval is of a bootstrap over whole users (`clusterBootstrap`).
 */
function clusteredMean<T extends Predicted>(
  rows: readonly T[],
  value: (row: T) => number,
  rng: Rng,
  finish: (mean: number) => number = (mean) => mean,
): Estimate {
  if (rows.length === 0) throw new RangeError("errors: there are no predictions");
  const users = new Map<string, Cluster>();
  for (const row of rows) {
    const { sum, n } = users.get(row.user) ?? { sum: 0, n: 0 };
    users.set(row.user, { sum: sum + value(row), n: n + 1 });
  }
  return clusterBootstrap([...users.values()], (clusters) => finish(meanOf(clusters)), rng);
}

/** A user's rows: the sum of what is averaged, and how many. */
interface Cluster {
  sum: number;
  n: number;
}

const meanOf = (clusters: readonly Cluster[]): number =>
  clusters.reduce((total, { sum }) => total + sum, 0) / clusters.reduce((total, { n }) => total + n, 0);
