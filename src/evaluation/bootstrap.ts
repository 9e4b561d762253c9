import type { Rng } from "../backend/random.js";
import { quantile } from "./averages.js";
import type { Estimate } from "./intervals.js";

/**
 * A number that is computed of clusters of rows, such as the prompts of a frame or the ratings of a user, which are no independent trials: its 95% interval is the percentile one of a bootstrap over whole
 * clusters (Efron and Tibshirani 1993, chapter 8). Drawings of which the number is not finite do not count; where none is, the interval is NaN.
 * @param options.range of the number, which is the interval where there is a single cluster, of which nothing can be drawn; without it that interval is a point
 */
export function clusterBootstrap<Cluster>(
  clusters: readonly Cluster[],
  statistic: (some: readonly Cluster[]) => number,
  rng: Rng,
  { range, resamples = 2000 }: { range?: readonly [number, number]; resamples?: number } = {},
): Estimate {
  const value = statistic(clusters);
  if (range && clusters.length === 1 && Number.isFinite(value)) return { value, low: range[0], high: range[1] };
  const drawn = Array.from({ length: resamples }, () => statistic(clusters.map(() => rng.choice(clusters))))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  return { value, low: quantile(drawn, 0.025), high: quantile(drawn, 0.975) };
}
