import { mean, sum } from "./averages.js";
/** What repetitions of one number say: its mean, how far they lie apart, and where the mean of many more would lie. */
export interface Spread {
  /** Repetitions, such as runs with different seeds. */
  n: number;
  /** NaN where n is 0. */
  mean: number;
  /** Sample standard deviation, over n - 1; NaN where n < 2. */
  sd: number;
  /** 95% t-interval of the mean, mean -+ t sd / sqrt(n) with n - 1 degrees of freedom (Student 1908); NaN where n < 2. */
  low: number;
  high: number;
}

/** Mean and spread of repetitions. */
export function spread(values: readonly number[]): Spread {
  const n = values.length;
  const centre = mean(values);
  if (n < 2) return { n, mean: centre, sd: Number.NaN, low: Number.NaN, high: Number.NaN };
  const sd = Math.sqrt(sum(values.map((x) => (x - centre) ** 2)) / (n - 1));
  const half = (student95(n - 1) * sd) / Math.sqrt(n);
  return { n, mean: centre, sd, low: centre - half, high: centre + half };
}

/**
 * The t with P(|T| <= t) = 0.95 for Student's distribution. With tan(theta) = t / sqrt(df) the probability is a finite sum, which grows with theta (Abramowitz and
 * Stegun 1964, 26.7.3 and 26.7.4): theta is found by halving.
 * @param df degrees of freedom, a whole number >= 1
 */
export function student95(df: number): number {
  let [low, high] = [0, Math.PI / 2];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (within(middle, df) < 0.95) low = middle;
    else high = middle;
  }
  return Math.sqrt(df) * Math.tan(low);
}

/** P(|T| <= sqrt(df) tan(theta)). */
function within(theta: number, df: number): number {
  const [sin, cos] = [Math.sin(theta), Math.cos(theta)];
  const odd = df % 2 === 1;
  let term = odd ? cos : 1;
  let sum = df === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k < df; k += 2) {
    term *= ((k - 1) / k) * cos * cos;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (theta + sin * sum) : sin * sum;
}
