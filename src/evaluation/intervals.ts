import { mean } from "./averages.js";

/** The 97.5% quantile of the standard normal distribution: two-sided 95% intervals. */
export const z95 = 1.959963984540054;

/** A share `k / n` with its 95% interval; all three are in [0, 1]. */
export interface Proportion {
  /** k / n; NaN where n is 0. */
  rate: number;
  low: number;
  high: number;
  k: number;
  n: number;
}

/**
 * A share with its 95% score interval (Wilson 1927): the values p with |k/n - p| <= z sqrt(p (1 - p) / n). Of nothing (n = 0)
 * nothing is known: the interval is [0, 1].
 * @throws RangeError unless 0 <= k <= n are whole numbers
 */
export function wilson(k: number, n: number): Proportion {
  if (!(Number.isInteger(k) && Number.isInteger(n) && 0 <= k && k <= n)) throw new RangeError(`wilson: ${k} of ${n} is not a share`);
  if (n === 0) return { rate: Number.NaN, low: 0, high: 1, k, n };
  const p = k / n;
  const z2 = z95 * z95;
  const centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const half = (z95 / (1 + z2 / n)) * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n));
  return { rate: p, low: k === 0 ? 0 : centre - half, high: k === n ? 1 : centre + half, k, n };
}

/** The share of rows for which `test` holds. */
export function share<T>(rows: readonly T[], test: (row: T) => boolean): Proportion {
  return wilson(rows.filter(test).length, rows.length);
}

/** A number with its 95% interval. */
export interface Estimate {
  value: number;
  low: number;
  high: number;
}

/**
 * Balanced accuracy of a refuser, in [0, 1]: the mean of refusing what is unsafe and of not refusing what is safe.
 *
 * The interval joins the two Wilson intervals by MOVER (Zou and Donner 2008; Newcombe 1998, method 10): with a and b the two shares,
 * half their sum is (a + b)/2 -+ sqrt((a - l_a)^2 + (b - l_b)^2)/2. So it stays in [0, 1] and is right for shares near 0 and 1 too.
 *
 * @param unsafe share of the unsafe prompts that were refused
 * @param safe share of the safe prompts that were refused
 * @returns NaN throughout where one of the two is of nothing
 */
export function balancedAccuracy(unsafe: Proportion, safe: Proportion): Estimate {
  const a = unsafe;
  const b = { rate: 1 - safe.rate, low: 1 - safe.high, high: 1 - safe.low };
  const value = (a.rate + b.rate) / 2;
  return {
    value,
    low: value - Math.hypot(a.rate - a.low, b.rate - b.low) / 2,
    high: value + Math.hypot(a.high - a.rate, b.high - b.rate) / 2,
  };
}

/**
 * How tables show a share, in percent as prose and figures do: `85.0% [75.1, 91.8]`; and any other estimate: `0.85 [0.75, 0.92]`. A dash where it is of nothing, also as JSON
 * has it (null), and for an end that the interval does not have.
 * @param digits decimals; 1 of a share's percentage and 2 of another estimate unless given
 */
export function withInterval(estimate: Proportion | Estimate, digits = "rate" in estimate ? 1 : 2): string {
  const [value, scale, unit] = "rate" in estimate ? [estimate.rate, 100, "%"] : [estimate.value, 1, ""];
  const text = (x: number) => (Number.isFinite(x) ? (scale * x).toFixed(digits) : "–");
  return !Number.isFinite(value) ? text(value) : `${text(value)}${unit} [${text(estimate.low)}, ${text(estimate.high)}]`;
}

/** A mean with its 95% interval by the normal approximation, mean -+ z s / sqrt(n) with s over n - 1; the mean is NaN of no values, the interval of fewer than two. */
export function meanInterval(values: readonly number[]): Estimate & { n: number } {
  const n = values.length;
  const value = mean(values);
  const half = n < 2 ? Number.NaN : z95 * Math.sqrt(values.reduce((sum, x) => sum + (x - value) ** 2, 0) / (n - 1) / n);
  return { value, low: value - half, high: value + half, n };
}
