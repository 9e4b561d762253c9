import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildDocument } from "../../reports/document/build.js";
import type { ReportDocument, Target } from "../../reports/document/model.js";
import { writeBlocks } from "../../reports/html/blocks.js";
import { MarkdownWriter } from "../../reports/html/render-markdown.js";
import { parseNotebook } from "../../reports/notebook/read.js";

/** A cell as it stands in a file. */
export type RawCell = Record<string, unknown>;

export const md = (source: string): RawCell => ({ cell_type: "markdown", metadata: {}, source });

export const code = (source: string, outputs: unknown[] = [], metadata: Record<string, unknown> = {}): RawCell => ({
  cell_type: "code",
  metadata,
  execution_count: 1,
  outputs,
  source,
});

export const shown = (data: Record<string, unknown>, metadata: Record<string, unknown> = {}) => ({
  output_type: "display_data",
  data,
  metadata,
});

/** The text of a notebook file with these cells. */
export function notebookJSON(cells: RawCell[], metadata: Record<string, unknown> = {}): string {
  return JSON.stringify({
    nbformat: 4,
    nbformat_minor: 4,
    metadata: { kernelspec: { name: "erpo", language: "typescript" }, ...metadata },
    cells,
  });
}

/** Writes a notebook into a fresh folder. */
export function writeNotebook(cells: RawCell[], name = "nb.ipynb", metadata: Record<string, unknown> = {}): string {
  const file = join(mkdtempSync(join(tmpdir(), "erpo-test-")), name);
  writeFileSync(file, notebookJSON(cells, metadata));
  return file;
}

export function documentOf(cells: RawCell[], folder = "/nonexistent", metadata: Record<string, unknown> = {}): ReportDocument {
  return buildDocument(parseNotebook(notebookJSON(cells, metadata), "nb.ipynb"), join(folder, "nb.ipynb"));
}

/** The content of a report, without the page around it. */
export async function contentOf(
  document: ReportDocument,
  targets: ReadonlyMap<string, Target> = new Map(),
  folder = "/nonexistent",
): Promise<string> {
  const warn = (text: string) => document.warnings.push(text);
  const markdown = new MarkdownWriter({ document, targets, stems: new Set([document.stem, "other"]), folder, warn });
  return writeBlocks(document, { markdown, draw: async () => "<svg></svg>", warn });
}
