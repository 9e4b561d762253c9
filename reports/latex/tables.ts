import type { Token, Tokens } from "marked";
import { plainText } from "../document/markdown.js";
import type { HTMLTableToken, TableCell } from "../document/model.js";

/** A table of either kind: rows of cells, and how columns are aligned. */
export interface TableContent {
  head: TableCell[][];
  rows: TableCell[][];
  align: ("left" | "right" | "center")[];
}

export function tableContent(token: Tokens.Table | HTMLTableToken): TableContent {
  const { head, rows } = token.type === "htmlTable" ? (token as HTMLTableToken) : fromMarkdown(token as Tokens.Table);
  const width = Math.max(1, ...[...head, ...rows].map((row) => row.reduce((sum, { span }) => sum + span, 0)));
  const align = Array.from({ length: width }, (_, column) => {
    const cells = rows.map((row) => cellAt(row, column)).filter((cell) => cell?.tokens.length);
    const sides = new Set(cells.map((cell) => cell!.align ?? "left"));
    return sides.size === 1 ? [...sides][0]! : "left";
  });
  return { head, rows, align };
}

function fromMarkdown({ header, rows }: Tokens.Table): { head: TableCell[][]; rows: TableCell[][] } {
  const cells = (row: Tokens.TableCell[]): TableCell[] =>
    row.map(({ tokens, align }) => ({ tokens, span: 1, ...((align === "right" || align === "center") && { align }) }));
  return { head: [cells(header)], rows: rows.map(cells) };
}

/** The cell that begins in a column and takes it alone. */
function cellAt(row: readonly TableCell[], column: number): TableCell | undefined {
  let at = 0;
  for (const cell of row) {
    if (at === column) return cell.span === 1 ? cell : undefined;
    at += cell.span;
  }
  return undefined;
}

/** Letters of small type that a centimetre holds, about. */
const LETTERS_PER_CM = 6.2;

/** The widest line that a table takes when no cell is broken, in centimetres, about. */
export const naturalWidth = (table: TableContent): number =>
  naturalWidths(table).reduce((sum, letters) => sum + letters + 2, -2) / LETTERS_PER_CM;

function naturalWidths({ head, rows, align }: TableContent): number[] {
  return align.map((_, column) => Math.max(1, ...[...head, ...rows].map((row) => textLength(cellAt(row, column)?.tokens ?? []))));
}

const textLength = (tokens: readonly Token[]): number => plainText(tokens).trim().length;

/** A column that is not broken has at most so many letters. */
const SHORT = 14;

/**
 * The letters of a tabular's columns: where the table is too wide, its columns of long text share what is left and break their lines.
 *
 * @param width of the line in centimetres
 */
export function columnTypes(table: TableContent, width: number): string {
  const widths = naturalWidths(table);
  const side = (i: number) => table.align[i]![0]!;
  if (naturalWidth(table) <= width) return widths.map((_, i) => side(i)).join("");
  const breaks = widths.map((letters, i) => letters > SHORT && table.align[i] === "left");
  const fixed = widths.reduce((sum, letters, i) => sum + (breaks[i] ? 0 : letters) + 2, -2);
  const left = 0.98 - fixed / (width * LETTERS_PER_CM);
  const weights = widths.map((letters, i) => (breaks[i] ? Math.sqrt(Math.min(letters, 400)) : 0));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return widths.map((_, i) => (breaks[i] ? `P{${Math.max(0.08, (left * weights[i]!) / total).toFixed(3)}}` : side(i))).join("");
}

/** Rows of a table that stand together; longer tables are cut, for no page holds them. */
export const ROWS_A_PAGE = 40;

/**
 * A booktabs table as `tabular`.
 * @param cell writes a cell's tokens
 */
export function tabular(table: TableContent, types: string, cell: (tokens: readonly Token[]) => string): string {
  const line = (row: readonly TableCell[]) => {
    const cells = row.map(({ tokens, span, align }) => {
      const text = cell(tokens).trim();
      return span > 1 ? `\\multicolumn{${span}}{${(align ?? "left")[0]}}{${text}}` : text;
    });
    const missing = table.align.length - row.reduce((sum, { span }) => sum + span, 0);
    const text = [...cells, ...Array(Math.max(0, missing)).fill("")].join(" & ");
    return `${/^\s*[*]/.test(text) ? "{}" : ""}${text} \\\\`;
  };
  const head = table.head.length ? [...table.head.map(line), "\\midrule"] : [];
  return [`\\begin{tabular}{@{}${types}@{}}`, "\\toprule", ...head, ...table.rows.map(line), "\\bottomrule", "\\end{tabular}"].join("\n");
}
