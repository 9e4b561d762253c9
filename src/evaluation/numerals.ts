import type { Estimate } from "./intervals.js";

/** A number as sentences write it: with so many decimals and a true minus sign, which a zero does not have. */
export function numeral(x: number, digits: number): string {
  const size = Math.abs(x).toFixed(digits);
  return x < 0 && Number(size) !== 0 ? `−${size}` : size;
}

/** A change as sentences write it: `+0.25`, `−0.10`, `0.00`. */
export function change(x: number, digits: number): string {
  const written = numeral(x, digits);
  return Number(written) > 0 ? `+${written}` : written;
}

/** An estimate with its interval: `0.25 [−0.10, 0.60]`. */
export const estimated = ({ value, low, high }: Pick<Estimate, "value" | "low" | "high">, write: (x: number) => string): string =>
  `${write(value)} [${write(low)}, ${write(high)}]`;
