import { display } from "../frontend/index.js";
import { DISPLAY } from "../frontend/shown.js";
import { calledAs } from "./captioned.js";
import { columnFormat, largestOf } from "./numbers.js";
import { checkLabel, FigureError, type Row } from "./spec.js";

/** The part of a danfo frame that a table reads. */
export interface Frame {
  readonly columns: string[];
  readonly values: unknown[] | unknown[][];
}

/** How a table is referred to and read. Each may instead stand as `//| key: value` at the top of the cell. */
export interface TableOptions {
  /** `tbl-...`, referred to in text as `@tbl-...`. */
  label?: string;
  /** Stands above the table. Markdown. */
  caption?: string;
}

/** A table's content: what is shown in each cell, and the values behind it. */
export interface TableData {
  columns: { name: string; numeric: boolean }[];
  /** `[rows][columns]` as text. */
  text: string[][];
  /** `[rows][columns]` as they were. */
  values: unknown[][];
}

/**
 * Shows a table: HTML, text, and its data as JSON. Numbers of a column get the same number of decimals, about three digits of the largest.
 *
 * @param frame a danfo DataFrame, or rows as objects; columns in the order in which they first appear
 * @throws FigureError when the label is not `tbl-...`, `frame` is neither, two columns have one name, or a row is of another length
 */
export function table(frame: Frame | readonly Row[], options: TableOptions = {}): void {
  if (options.label !== undefined) checkLabel(options.label, "tbl");
  const data = tableData(frame);
  const metadata: Record<string, string> = {};
  if (options.label !== undefined) metadata.label = options.label;
  if (options.caption !== undefined) metadata["tbl-cap"] = options.caption;
  const called = calledAs(options.label, options.caption);
  const bundle = {
    "text/html": `${called && `<p>${escapeHTML(called)}</p>\n`}${tableHTML(data)}`,
    "text/plain": tableText(data),
    "application/vnd.dataresource+json": {
      schema: { fields: data.columns.map(({ name, numeric }) => ({ name, type: numeric ? "number" : "string" })) },
      data: data.values.map((row) => Object.fromEntries(row.map((value, i) => [data.columns[i]!.name, plain(value)]))),
    },
  };
  display({ [DISPLAY]: () => ({ data: bundle, metadata }) });
}

/** Reads a frame or rows, and formats every column. */
export function tableData(frame: Frame | readonly Row[]): TableData {
  const { columns, values } = grid(frame);
  const formats = columns.map((_, i) => columnFormat(values.map((row) => row[i])));
  return {
    columns: columns.map((name, i) => ({ name, numeric: formats[i]!.numeric })),
    text: values.map((row) => row.map((value, i) => formats[i]!.format(value))),
    values,
  };
}

function grid(frame: Frame | readonly Row[]): { columns: string[]; values: unknown[][] } {
  if (Array.isArray(frame)) {
    const rows = frame as readonly Record<string, unknown>[];
    const stray = rows.findIndex((row) => typeof row !== "object" || row === null);
    if (stray >= 0) throw new FigureError(`table: row ${stray} is ${JSON.stringify(rows[stray])}, no object of columns`);
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    return { columns, values: rows.map((row) => columns.map((name) => row[name])) };
  }
  const { columns, values } = (frame ?? {}) as Frame;
  if (!Array.isArray(columns) || !Array.isArray(values)) throw new FigureError("table: needs a danfo DataFrame or an array of objects");
  const names = columns.map(String);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new FigureError(`table: two columns are called "${twice}"`);
  const rows = values.map((row) => (Array.isArray(row) ? row : [row]));
  const ragged = rows.findIndex((row) => row.length !== names.length);
  if (ragged >= 0) throw new FigureError(`table: row ${ragged} has ${rows[ragged]!.length} values for ${names.length} columns`);
  return { columns: names, values: rows };
}

/** A `<table>` with a head, scopes and right-aligned numbers; every text escaped. */
export function tableHTML({ columns, text }: TableData): string {
  const kind = (i: number) => (columns[i]!.numeric ? ' class="number"' : "");
  const head = columns.map(({ name }, i) => `<th scope="col"${kind(i)}>${escapeHTML(name)}</th>`).join("");
  const body = text.map((row) => `<tr>${row.map((cell, i) => `<td${kind(i)}>${escapeHTML(cell)}</td>`).join("")}</tr>`);
  return `<table>\n<thead>\n<tr>${head}</tr>\n</thead>\n<tbody>\n${body.join("\n")}\n</tbody>\n</table>`;
}

/** Columns separated by two spaces, numbers to the right. */
export function tableText({ columns, text }: TableData): string {
  const widths = columns.map(({ name }, i) => largestOf([name.length, ...text.map((row) => row[i]!.length)]));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (columns[i]!.numeric ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [line(columns.map(({ name }) => name)), line(widths.map((width) => "-".repeat(width))), ...text.map(line)].join("\n");
}

const plain = (value: unknown): unknown => {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return typeof value === "number" && !Number.isFinite(value) ? null : (value ?? null);
};

const escapeHTML = (text: string) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);
