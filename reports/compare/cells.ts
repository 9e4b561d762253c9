import { render, themed } from "../../src/figures/render.js";
import type { Row, VegaLiteSpec } from "../../src/figures/spec.js";
import { tableData, tableHTML } from "../../src/figures/table.js";
import { escapeHTML } from "../html/escape.js";
import type { Cell } from "../notebook/types.js";

/**
 * A comparison is a notebook without code: Markdown, and outputs with labels and captions as cells have them. So every writer of reports
 * can write it, and Jupyter can open it.
 */

/** Prose. What comes from a run goes through `codeSpan`: nothing in it is markup. */
export const markdown = (source: string): Cell => ({ cell_type: "markdown", metadata: {}, source });

/** A captioned table of rows, columns in the order of their first appearance. */
export const table = (rows: readonly Row[], label: string, caption: string): Cell => captioned(tableHTML(tableData(rows)), label, caption);

/** A captioned table that is HTML already. */
export const captioned = (html: string, label: string, caption: string): Cell =>
  output({ "text/html": html, "text/plain": `[${label}]` }, { label, "tbl-cap": caption });

/** A table behind one line that opens it. */
export const folded = (summary: string, rows: readonly Row[]): Cell =>
  output(
    { "text/html": `<details><summary>${escapeHTML(summary)}</summary>\n${tableHTML(tableData(rows))}\n</details>`, "text/plain": summary },
    {},
  );

/** A captioned figure, drawn. */
export async function figure(spec: VegaLiteSpec, label: string, caption: string, alt: string): Promise<Cell> {
  const { svg } = await render(themed({ ...spec, description: alt }), { alt });
  return output({ "image/svg+xml": svg, "text/plain": alt }, { label, "fig-cap": caption, "fig-alt": alt });
}

function output(data: Record<string, unknown>, metadata: Record<string, unknown>): Cell {
  const shown = { output_type: "display_data" as const, data, metadata };
  return { cell_type: "code", metadata: {}, execution_count: null, source: "", outputs: [shown] };
}

/** A name as part of a label: letters and digits, the rest a dash. */
export const labelPart = (name: string): string => name.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "") || "run";

/** `1 run`, `3 runs`. */
export const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`;
