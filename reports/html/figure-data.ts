import { columnFormat } from "../../src/figures/numbers.js";
import { type TableData, tableData, tableHTML } from "../../src/figures/table.js";
import { type Row, rowsOf } from "../document/figure-rows.js";
import { escapeHTML } from "./escape.js";
import { layOutCells } from "./table-cells.js";

/** Rows that are shown one by one; of more, each column is summed up. */
const SHOWN_ROWS = 40;
const SHOWN_COLUMNS = 20;
/** Characters of one value, and different texts of a column that are named. */
const SHOWN_TEXT = 80;
const SHOWN_TEXTS = 5;

/**
 * The data of a figure as a table that opens on demand, so that its numbers can be read and heard.
 * @param name of the figure, "Figure 3"
 */
export function figureData(spec: Record<string, unknown>, name: string): string {
  const rows = rowsOf(spec);
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].slice(0, SHOWN_COLUMNS);
  if (columns.length === 0) return "";
  const whole = rows.length <= SHOWN_ROWS;
  const data = tableData(whole ? rows.map((row) => only(row, columns)) : columns.map((column) => summary(rows, column)));
  const content = layOutCells(tableHTML(short(data)));
  const title = escapeHTML(`Data of ${name}: ${rows.length} row${rows.length === 1 ? "" : "s"}${whole ? "" : ", summed up"}`);
  return `<details class="data"><summary>${title}</summary>\n<div class="scroll" tabindex="0" role="group" aria-label="${title}">${content}</div>\n</details>`;
}

const only = (row: Row, columns: readonly string[]): Row => Object.fromEntries(columns.map((column) => [column, row[column]]));

/** One column of a long table: how many values, their range, or which texts. */
function summary(rows: readonly Row[], column: string): Row {
  const values = rows.map((row) => row[column]).filter((value) => value !== null && value !== undefined);
  const numbers = values.filter((value): value is number => typeof value === "number").sort((a, b) => a - b);
  if (values.length > 0 && numbers.length === values.length) {
    const { format } = columnFormat(numbers);
    const middle = (numbers[(numbers.length - 1) >> 1]! + numbers[numbers.length >> 1]!) / 2;
    const median = columnFormat([...numbers, middle]).format(middle); // of whole numbers it may be none
    return { column, values: values.length, smallest: format(numbers[0]), median, largest: format(numbers.at(-1)) };
  }
  const texts = [...new Set(values.map((value) => (typeof value === "object" ? JSON.stringify(value) : String(value))))];
  const named = texts.slice(0, SHOWN_TEXTS).map((text) => text.slice(0, SHOWN_TEXT));
  const more = texts.length > SHOWN_TEXTS ? `, and ${texts.length - SHOWN_TEXTS} more` : "";
  return { column, values: values.length, different: named.join(", ") + more };
}

const short = (data: TableData): TableData => ({
  ...data,
  text: data.text.map((row) => row.map((cell) => (cell.length > SHOWN_TEXT * SHOWN_TEXTS ? `${cell.slice(0, SHOWN_TEXT)} …` : cell))),
});
