import type { Token } from "marked";
import type { TableContent } from "../document/table-content.js";
import { columnsOf, naturalWidth, pages, tabular } from "./tables.js";
import type { Template } from "./templates.js";

/** No page is wide enough for more. */
const MAX_COLUMNS = 40;

/** Puts tables on the page: floating where they have a number, in the text else, cut where no page is long enough. */
export class TableWriter {
  constructor(
    private readonly template: Template,
    private readonly cell: (tokens: readonly Token[]) => string,
  ) {}

  /** @param caption what `\caption` takes; `label` is the whole `\label{...}`, or empty */
  numbered(table: TableContent, caption: string, label: string): string {
    const wide = this.template.page > this.template.column && naturalWidth(table) > 1.3 * this.template.column;
    const environment = wide ? "table*" : "table";
    const parts = this.parts(table, wide ? this.template.page : this.template.column);
    const head = `\\caption{${caption}}${label}`;
    return parts
      .map((part, i) => {
        const title = i === 0 ? head : `\\caption*{(continued, ${i + 1} of ${parts.length})}`;
        return `\\begin{${environment}}[htbp]\n\\centering\n${title}\n${part}\n\\end{${environment}}`;
      })
      .join("\n\n");
  }

  unnumbered(table: TableContent): string {
    return this.parts(table, this.template.column)
      .map((part) => `\\begin{center}\n${part}\n\\end{center}`)
      .join("\n");
  }

  private parts(table: TableContent, width: number): string[] {
    if (table.align.length > MAX_COLUMNS) return [`{[}a table of ${table.align.length} columns was left out{]}`];
    const columns = columnsOf(table, width);
    return pages(table, columns).map((rows) => `\\fitted{${tabular({ ...table, rows }, columns, this.cell)}}`);
  }
}
