import type { Token, Tokens } from "marked";
import type { HTMLTableToken, TableCell } from "./model.js";

/** A table of either kind: rows of cells, and how columns are aligned. */
export interface TableContent {
  head: TableCell[][];
  rows: TableCell[][];
  align: ("left" | "right" | "center")[];
}

/** Reads a table of Markdown or of HTML. A column is aligned as all of its cells are. */
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

/** What stands in each column of a row; nothing where a cell spans more, or the row is short. */
export function rowTokens(row: readonly TableCell[], { align }: Pick<TableContent, "align">): (readonly Token[])[] {
  const cells = row.flatMap(({ tokens, span }) => [tokens, ...Array<Token[]>(span - 1).fill([])]);
  return align.map((_, column) => cells[column] ?? []);
}

/** The cell that begins in a column and takes it alone. */
export function cellAt(row: readonly TableCell[], column: number): TableCell | undefined {
  let at = 0;
  for (const cell of row) {
    if (at === column) return cell.span === 1 ? cell : undefined;
    at += cell.span;
  }
  return undefined;
}
