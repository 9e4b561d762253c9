/** How the values of one column are written. */
export interface ColumnFormat {
  numeric: boolean;
  format(value: unknown): string;
}

const MISSING = "–";
const MINUS = "−";

/**
 * The format of a column: whole numbers as they are; others with the same number of decimals, so that the largest shows at least three
 * digits; very small and very large ones in powers of ten. Missing values are a dash.
 */
export function columnFormat(values: readonly unknown[]): ColumnFormat {
  const present = values.filter((value) => value !== null && value !== undefined && !Number.isNaN(value));
  const numeric = present.length > 0 && present.every((value) => typeof value === "number" || typeof value === "bigint");
  const numbers = present.filter((value): value is number => typeof value === "number" && Number.isFinite(value));
  const decimals = numeric ? columnDecimals(numbers) : 0;
  return {
    numeric,
    format: (value) => {
      if (value === null || value === undefined || Number.isNaN(value)) return MISSING;
      if (typeof value !== "number") return text(value);
      return numeric ? formatNumber(value, decimals) : formatNumber(value, columnDecimals([value]));
    },
  };
}

/** One number on its own, as in prose: with so many decimals; three to four digits unless told. */
export function formatValue(value: number, decimals = columnDecimals([value])): string {
  return Number.isNaN(value) ? MISSING : formatNumber(value, decimals);
}

/** Decimals that show three digits of the largest; undefined where powers of ten are needed. */
function columnDecimals(numbers: readonly number[]): number | undefined {
  if (numbers.every(Number.isInteger)) return numbers.every((x) => Math.abs(x) < 1e15) ? 0 : undefined;
  const sizes = numbers.map(Math.abs).filter((x) => x > 0);
  const largest = largestOf(sizes);
  if (largest >= 1e7 || largest < 1e-3) return undefined;
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(largest)));
  const written = largestOf(numbers.map((x) => (String(x).split(".")[1] ?? "").length));
  return Math.min(Math.max(decimals, largest >= 100 ? 1 : 2), written);
}

/** The largest of any number of values; −∞ of none. */
export const largestOf = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

function formatNumber(value: number, decimals: number | undefined): string {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
  if (decimals === undefined) return value === 0 ? "0" : minus(value.toExponential(2));
  return minus(value.toFixed(decimals));
}

/** A true minus sign; minus zero is zero. */
const minus = (written: string) => (/^-[0.]+$/.test(written) ? written.slice(1) : written.replace("-", MINUS).replace("e-", `e${MINUS}`));

function text(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Date) return value.toISOString();
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
