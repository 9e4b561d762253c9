import type { Token } from "marked";
import { plainText } from "../document/markdown.js";
import type { TableCell } from "../document/model.js";
import { cellAt, type TableContent } from "../document/table-content.js";

/** Letters of small type that a centimetre holds, about. */
const LETTERS_PER_CM = 6.2;

/** The widest line that a table takes when no cell is broken, in centimetres, about. */
export const naturalWidth = (table: TableContent): number => lineWidth(naturalWidths(table));

const lineWidth = (letters: readonly number[]) => letters.reduce((sum, column) => sum + column + 2, -2) / LETTERS_PER_CM;

/** The longest text of each column. */
function naturalWidths({ head, rows, align }: TableContent): number[] {
  const longest = (column: number) => (most: number, row: readonly TableCell[]) => Math.max(most, textLength(cellAt(row, column)));
  return align.map((_, column) => rows.reduce(longest(column), head.reduce(longest(column), 1)));
}

const textLength = (cell: TableCell | undefined): number => (cell ? plainText(cell.tokens).trim().length : 0);

/** A column with more letters may break its lines, where the table is too wide. */
const LONG = 28;

/** A column of a tabular. */
export interface Column {
  /** As the tabular's argument names it. */
  type: string;
  /** Letters that a line of it holds, about. */
  letters: number;
}

/**
 * The columns of a table: where it is too wide, those of long text share what is left and break their lines.
 * @param width of the line in centimetres
 */
export function columnsOf(table: TableContent, width: number): Column[] {
  const widths = naturalWidths(table);
  const tooWide = lineWidth(widths) > width;
  const breaks = widths.map((letters, i) => tooWide && letters > LONG && table.align[i] === "left");
  const line = width * LETTERS_PER_CM;
  const fixed = widths.reduce((sum, letters, i) => sum + (breaks[i] ? 0 : letters) + 2, -2);
  const weights = widths.map((letters, i) => (breaks[i] ? Math.sqrt(Math.min(letters, 400)) : 0));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return widths.map((letters, i) => {
    if (!breaks[i]) return { type: table.align[i]![0]!, letters };
    const share = Math.max(0.2, ((0.98 - fixed / line) * weights[i]!) / total);
    return { type: `P{${share.toFixed(3)}}`, letters: share * line };
  });
}

/** Lines of a page that a table takes; a longer one is cut. */
const LINES_A_PAGE = 42;

/** The rows of a table, cut where a page is full. */
export function pages(table: TableContent, columns: readonly Column[]): TableCell[][][] {
  const parts: TableCell[][][] = [[]];
  let lines = 0;
  for (const row of table.rows) {
    const taken = Math.max(1, ...columns.map(({ letters }, i) => Math.ceil(textLength(cellAt(row, i)) / letters)));
    if (lines + taken > LINES_A_PAGE && lines > 0) {
      parts.push([]);
      lines = 0;
    }
    parts.at(-1)!.push(row);
    lines += taken;
  }
  return parts;
}

/**
 * A booktabs table as `tabular`.
 * @param cell writes a cell's tokens
 */
export function tabular(table: TableContent, columns: readonly Column[], cell: (tokens: readonly Token[]) => string): string {
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
  return [
    `\\begin{tabular}{@{}${columns.map(({ type }) => type).join("")}@{}}`,
    "\\toprule",
    ...head,
    ...table.rows.map(line),
    "\\bottomrule",
    "\\end{tabular}",
  ].join("\n");
}
