import { htmlTable } from "./document/html-tokens.js";
import { plainText } from "./document/markdown.js";
import type { TableBlock, TableCell } from "./document/model.js";
import { rowTokens, tableContent } from "./document/table-content.js";
import { escapeTeX } from "./latex/escape.js";
import { columnsOf, tabular } from "./latex/tables.js";
import { NotebookError } from "./notebook/types.js";

/** Centimetres of a line of text in an article on A4. */
const LINE = 16;

/**
 * A table as a `tabular` with booktabs' rules, to be `\input`; its numbers are those that the notebook shows.
 * @param name of the notebook
 * @throws NotebookError when it has no rows and columns
 */
export function tableTeX(block: TableBlock, name: string): string {
  const token = htmlTable(block.html);
  if (!token) throw new NotebookError(`${name}: ${block.label} has no rows and columns`);
  const table = tableContent(token);
  const columns = columnsOf(table, LINE).map(({ type, letters }) => ({
    type: type.replace(/^P\{([\d.]+)\}$/, ">{\\raggedright\\arraybackslash}p{$1\\linewidth}"),
    letters,
  }));
  const body = tabular(table, columns, (tokens) => escapeTeX(plainText(tokens)));
  const caption = block.caption ? `% ${escapeTeX(plainText(block.caption))}\n` : "";
  const lacking = body.includes("\\missing{") ? "\\providecommand{\\missing}[1]{\\texttt{U+#1}}\n" : "";
  return `% ${escapeTeX(block.label ?? "")} of ${escapeTeX(name)}; needs the packages array and booktabs, and under pdfLaTeX fontenc with T1\n${caption}${lacking}${body}\n`;
}

/** A table as CSV, numbers with all digits where the notebook carries them, else as they are shown. */
export function tableCSV({ data, html }: TableBlock): string {
  if (data) return csv(data.rows, data.columns);
  const token = htmlTable(html);
  if (!token) return "";
  const table = tableContent(token);
  const line = (row: readonly TableCell[]) => rowTokens(row, table).map((tokens) => field(plainText(tokens).trim()));
  return [...table.head, ...table.rows].map((row) => line(row).join(",") + END).join("");
}

/** Rows as CSV (RFC 4180) under a line of names; what is missing is empty, what has parts is JSON. */
export function csv(
  rows: readonly Readonly<Record<string, unknown>>[],
  columns = [...new Set(rows.flatMap((row) => Object.keys(row)))],
): string {
  return [columns.map(field), ...rows.map((row) => columns.map((name) => field(row[name])))].map((line) => line.join(",") + END).join("");
}

const END = "\r\n";

function field(value: unknown): string {
  const text = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
