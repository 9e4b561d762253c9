/** What a table on the page shows: anything with rows and columns. */
export interface Rows {
  columns: readonly unknown[];
  /** Number of rows. */
  length: number;
  /** What stands before a row. */
  label(row: number): unknown;
  /** The text of a cell, by row and column from 0. */
  text(row: number, column: number): string;
}

const HEAD = 10;
const TAIL = 5;
const MAX_COLUMNS = 40;

/** An HTML table: all rows of a small one, head and tail of a long one, and its shape. Every text is escaped. */
export function htmlTable({ columns, length, label, text }: Rows): string {
  const shown = columns.slice(0, MAX_COLUMNS);
  const line = (row: number) =>
    `<tr><th scope="row">${escapeHTML(label(row))}</th>${shown.map((_, column) => `<td>${escapeHTML(text(row, column))}</td>`).join("")}</tr>`;
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => line(from + i));
  const gap = `<tr><th scope="row">…</th>${shown.map(() => "<td>…</td>").join("")}</tr>`;
  const all = length <= HEAD + TAIL + 1;
  const body = all ? range(0, length) : [...range(0, HEAD), gap, ...range(length - TAIL, length)];
  const shape = `${length} row${length === 1 ? "" : "s"} × ${columns.length} column${columns.length === 1 ? "" : "s"}`;
  return [
    '<table class="dataframe">',
    `<thead><tr><th></th>${shown.map((name) => `<th scope="col">${escapeHTML(name)}</th>`).join("")}</tr></thead>`,
    `<tbody>${body.join("\n")}</tbody>`,
    "</table>",
    `<p>${shape}${columns.length > shown.length ? ` (the first ${MAX_COLUMNS} columns are shown)` : ""}</p>`,
  ].join("\n");
}

/** A number with six digits at most, unless it is whole. */
export const numberText = (value: number): string =>
  Number.isFinite(value) && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : String(value);

function escapeHTML(value: unknown): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return String(value).replace(/[&<>"']/g, (character) => entities[character]!);
}
