import { basename } from "node:path";
import type { ReportDocument } from "../document/model.js";
import { type Cell, type CodeCell, cellTags, type DisplayOutput } from "../notebook/types.js";
import type { Source } from "../set.js";
import { documentOf, shownCell, textCell } from "./pages.js";
import { runSample, samplesIn } from "./samples.js";

const VEGA_LITE = "application/vnd.vegalite.v6+json";
/** Rows of a specification's data that are printed. */
const SHOWN_ROWS = 3;

/**
 * The gallery: behind each block of TypeScript in its Markdown stands the figure that the block draws, the figure's specification, and where an executed
 * notebook has a figure of that kind, this one with its cell.
 *
 * @param notebooks the first one that has a kind is taken
 * @param link the way to a notebook's page, as a link of the gallery's file
 * @throws Error when a block cannot be run
 */
export async function galleryDocument(
  markdown: string,
  path: string,
  notebooks: readonly Source[],
  link: (source: Source) => string,
): Promise<ReportDocument> {
  const cells: Cell[] = [];
  const lines = markdown.split("\n");
  let next = 0;
  for (const { code, line } of samplesIn(markdown)) {
    const end = line + code.split("\n").length - 1; // of the block, fence included
    cells.push(textCell(lines.slice(next, end).join("\n")));
    next = end;
    for (const { data, metadata } of await runSample(code)) cells.push(shownCell(data, metadata), ...specification(data[VEGA_LITE]));
    const kind = /\bfigure\(\s*(\w+)\(/.exec(code)?.[1];
    if (kind !== undefined) cells.push(...fromNotebook(kind, notebooks, link));
  }
  cells.push(textCell(lines.slice(next).join("\n")));
  return documentOf(cells, basename(path));
}

/** The first figure of a kind that a notebook's cell has drawn. */
function fromNotebook(kind: string, notebooks: readonly Source[], link: (source: Source) => string): Cell[] {
  for (const source of notebooks) {
    for (const [i, cell] of source.notebook.cells.entries()) {
      if (cell.cell_type !== "code" || cellTags(cell).includes("remove-cell") || !cell.source.includes(`${kind}(`)) continue;
      const drawn = cell.outputs.find((output) => output.output_type === "display_data" && output.data[VEGA_LITE]) as DisplayOutput;
      if (!drawn) continue;
      const { label: _, ...metadata } = drawn.metadata; // the label is the notebook's
      const own: CodeCell = { ...cell, metadata: {}, outputs: [{ ...drawn, metadata }] };
      const from = `In a run: cell ${i + 1} of [${source.document.title}](${link(source)}) and its figure.`;
      return [textCell(from), own, ...specification(drawn.data[VEGA_LITE])];
    }
  }
  return [textCell("No notebook that was executed for this site has a figure of this kind.")];
}

/** A Vega-Lite specification, folded, with the beginning of its data. */
function specification(spec: unknown): Cell[] {
  if (typeof spec !== "object" || spec === null) return [];
  const { data } = spec as { data?: { values?: unknown[] } };
  const rows = data?.values ?? [];
  const cut = rows.length > SHOWN_ROWS ? { ...spec, data: { ...data, values: rows.slice(0, SHOWN_ROWS) } } : spec;
  const summary = `Its Vega-Lite specification${cut === spec ? "" : `, with ${SHOWN_ROWS} of ${rows.length} rows of data`}`;
  return [textCell(`<details>\n<summary>${summary}</summary>\n\n\`\`\`json\n${JSON.stringify(cut, null, 2)}\n\`\`\`\n\n</details>`)];
}
