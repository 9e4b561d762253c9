import { columnFormat } from "./numbers.js";
import type { VegaLiteSpec } from "./spec.js";

/** What a standard figure shows, in `usermeta.shows` of its specification: the fields of its rows. */
export type Shows =
  | { kind: "curves"; x: string; metrics: readonly string[] }
  | { kind: "intervals"; group: string; series: string; estimate: string; low: string; high: string; percent: boolean }
  | { kind: "lengths"; length: string; series: string };

type Values = Readonly<Record<string, unknown>>;

/**
 * What a standard figure shows in words, from its data: `loss: 26 values over step 1 to 26, from 3.98 to 3.08, lowest 0.58 at 23, highest 3.98 at 1.` Undefined for figures of
 * other kinds, and for those without rows.
 */
export function describe({ usermeta, data }: VegaLiteSpec): string | undefined {
  const shows = (usermeta as { shows?: Shows } | undefined)?.shows;
  const rows = data?.values;
  if (!shows || !Array.isArray(rows) || rows.length === 0) return undefined;
  try {
    const parts = WORDS[shows.kind](shows as never, rows as Values[]);
    return parts.length ? `${parts.join("; ")}.` : undefined;
  } catch {
    return undefined; // a specification from elsewhere may hold anything there
  }
}

const WORDS: { [Kind in Shows["kind"]]: (shows: Extract<Shows, { kind: Kind }>, rows: readonly Values[]) => string[] } = {
  curves: ({ x, metrics }, rows) =>
    metrics.flatMap((metric) => {
      const points = rows.filter((row) => isNumber(row[metric]) && isNumber(row[x])).sort((a, b) => Number(a[x]) - Number(b[x]));
      if (points.length === 0) return [];
      const height = (row: Values) => Number(row[metric]);
      const { format } = columnFormat(points.map(height));
      const place = (row: Values) => String(row[x]);
      const [first, last] = [points[0]!, points.at(-1)!];
      if (points.length === 1) return [`${metric}: ${format(height(first))} at ${x} ${place(first)}`];
      const lowest = points.reduce((least, row) => (height(row) < height(least) ? row : least));
      const highest = points.reduce((most, row) => (height(row) > height(most) ? row : most));
      const ends = `from ${format(height(first))} to ${format(height(last))}`;
      const extremes = `lowest ${format(height(lowest))} at ${place(lowest)}, highest ${format(height(highest))} at ${place(highest)}`;
      return [`${metric}: ${points.length} values over ${x} ${place(first)} to ${place(last)}, ${ends}, ${extremes}`];
    }),
  intervals: ({ group, series, estimate, low, high, percent }, rows) => {
    const written = percent
      ? (value: unknown) => (isNumber(value) ? `${Math.round(100 * value)}%` : "–")
      : columnFormat(rows.map((row) => row[estimate])).format;
    return distinct(rows, group).map((name) => {
      const points = rows
        .filter((row) => row[group] === name)
        .map((row) => `${row[series]} ${written(row[estimate])} (${written(row[low])} to ${written(row[high])})`);
      return `${name}: ${points.join(", ")}`;
    });
  },
  lengths: ({ length, series }, rows) =>
    distinct(rows, series).flatMap((name) => {
      const values = rows.filter((row) => row[series] === name).flatMap((row) => (isNumber(row[length]) ? [row[length]] : []));
      if (values.length === 0) return [];
      values.sort((a, b) => a - b);
      const middle = (values[(values.length - 1) >> 1]! + values[values.length >> 1]!) / 2;
      return [`${name}: ${values.length} values from ${values[0]} to ${values.at(-1)}, median ${middle}`];
    }),
};

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

const distinct = (rows: readonly Values[], field: string) => [...new Set(rows.map((row) => row[field]))];
