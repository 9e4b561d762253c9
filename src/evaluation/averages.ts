/** The sum of some numbers; 0 of none. */
export const sum = (values: readonly number[]): number => values.reduce((total, x) => total + x, 0);

/** The mean of some numbers; NaN of none. */
export const mean = (values: readonly number[]): number => sum(values) / values.length;

/** The middle of some values, of an even number the mean of the two in the middle; NaN of none, and where one is NaN. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0 || values.some(Number.isNaN)) return Number.NaN; // NaN has no place in an order
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Means over the beginning and over the end of a curve: whether a loss fell, which single noisy steps cannot tell.
 * @param part of the values in each mean, in (0, 1]; at least one value
 * @throws RangeError when the part is out of range
 */
export function endMeans(values: readonly number[], part: number): { first: number; last: number } {
  if (!(part > 0 && part <= 1)) throw new RangeError(`endMeans: the part must be in (0, 1], got ${part}`);
  const few = Math.max(1, Math.floor(values.length * part));
  return { first: mean(values.slice(0, few)), last: mean(values.slice(-few)) };
}

/** Linear between the order statistics, as NumPy's default; NaN where there are none. @param sorted in ascending order */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const at = q * (sorted.length - 1);
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (at - Math.floor(at)) * (high - low);
}
