import type { Rng } from "../backend/random.js";
import type { Estimate } from "./intervals.js";

/**
 * A number that is computed of clusters of rows, such as the prompts of a frame or the ratings of a user, which are no independent trials: its 95% interval is the percentile one of a bootstrap over whole
 * clusters (Efron and Tibshirani 1993, chapter 8). Drawings of which the number is not finite do not count; where none is, the interval is NaN.
 */
export function clusterBootstrap<Cluster>(
  clusters: readonly Cluster[],
  statistic: (some: readonly Cluster[]) => number,
  rng: Rng,
  resamples = 2000,
): Estimate {
  const drawn = Array.from({ length: resamples }, () => statistic(clusters.map(() => rng.choice(clusters))))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const quantile = (q: number) => drawn[Math.round(q * (drawn.length - 1))] ?? Number.NaN;
  return { value: statistic(clusters), low: quantile(0.025), high: quantile(0.975) };
}
