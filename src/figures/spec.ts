/** One row of a figure's or table's data. */
export type Row = object;

/**
 * A Vega-Lite 6 specification with its data inline. Only the parts that this package reads are typed: the rest is Vega-Lite's own
 * (https://vega.github.io/vega-lite/docs/spec.html), and its compiler's messages name what is wrong.
 */
export interface VegaLiteSpec {
  /** Rows that the figure starts with; `push` adds to them. */
  data?: { values: readonly Row[]; [key: string]: unknown };
  title?: unknown;
  description?: string;
  width?: unknown;
  height?: unknown;
  config?: Record<string, unknown>;
  [key: string]: unknown;
}

/** What a label, a specification or a table that cannot be shown is answered with. */
export class FigureError extends Error {
  override name = "FigureError";
}

/** An error that is about a specification. It is found while drawing, and the stack there says nothing about it: the error loses it. */
export function withoutStack(error: unknown): unknown {
  if (error instanceof FigureError) error.stack = `${error.name}: ${error.message}`;
  return error;
}

/**
 * Checks that rows have the columns that a standard figure reads; without rows there is nothing to check.
 * @throws FigureError that names the first column that no row has
 */
export function checkColumns(figure: string, rows: readonly Readonly<Record<string, unknown>>[], columns: readonly string[]): void {
  const missing = columns.find((name) => !rows.some((row) => name in row));
  if (missing === undefined || rows.length === 0) return;
  throw new FigureError(`${figure}: no row has the column "${missing}"; the first has ${Object.keys(rows[0]!).join(", ")}`);
}

const LABEL = /^(fig|tbl|val)-[A-Za-z0-9][A-Za-z0-9_-]*$/;

/**
 * Checks a cross-reference label, such as `fig-margins`.
 * @throws FigureError when it is not `PREFIX-` and letters, digits, `-` or `_`
 */
export function checkLabel(label: string, prefix: "fig" | "tbl" | "val"): string {
  if (!LABEL.test(label) || !label.startsWith(`${prefix}-`)) {
    throw new FigureError(`label ${JSON.stringify(label)}: must be "${prefix}-" followed by letters, digits, "-" or "_"`);
  }
  return label;
}
