import { basename, dirname, resolve } from "node:path";
import { writeAtomic } from "../src/setup/atomic.js";
import { buildDocument } from "./document/build.js";
import type { ReportDocument, Target } from "./document/model.js";
import { writeBlocks } from "./html/blocks.js";
import { indexHTML } from "./html/index-page.js";
import { reportHTML } from "./html/page.js";
import { MarkdownWriter } from "./html/render-markdown.js";
import { readNotebook } from "./notebook/read.js";
import { type Notebook, NotebookError } from "./notebook/types.js";
import { collectProvenance, type Provenance } from "./provenance/collect.js";

/** How reports are rendered. */
export interface ReportOptions {
  /** Folder of the reports. */
  output: string;
  /** Folder of the experiment that the notebooks show: its `run.json` goes into the provenance. */
  run?: string;
}

/** What was written, and what could not be. */
export interface ReportResult {
  written: string[];
  /** One line each, beginning with the notebook's name. */
  failures: string[];
}

interface Source {
  path: string;
  notebook: Notebook;
  document: ReportDocument;
  provenance: Provenance;
}

/**
 * Renders executed notebooks as HTML, `DIR/<stem>.html`, and an index of several. Nothing is executed. References go across the set. A
 * notebook that cannot be rendered does not stop the others.
 *
 * @throws NotebookError when the output folder cannot be written, or the experiment's run.json cannot be read
 */
export async function renderReports(paths: readonly string[], options: ReportOptions): Promise<ReportResult> {
  const failures: string[] = [];
  const sources: Source[] = [];
  for (const path of paths) {
    try {
      sources.push(readSource(path, sources, options.run));
    } catch (error) {
      failures.push(line(path, error));
    }
  }
  const targets = new Map<string, Target>();
  for (const { document } of sources) for (const [label, target] of document.labels) if (!targets.has(label)) targets.set(label, target);
  const stems = new Set(sources.map(({ document }) => document.stem));
  const several = paths.length > 1 && sources.length > 0;

  const written: string[] = [];
  const rendered: Source[] = [];
  for (const source of sources) {
    let html: string;
    try {
      html = await renderHTML(source, targets, stems, several);
    } catch (error) {
      failures.push(line(source.path, error));
      continue;
    }
    const file = resolve(options.output, `${source.document.stem}.html`);
    writeAtomic(file, [html]);
    written.push(file);
    rendered.push(source);
  }
  if (several && rendered.length) {
    const file = resolve(options.output, "index.html");
    writeAtomic(file, [await indexHTML(rendered, targets)]);
    written.push(file);
  }
  return { written, failures };
}

function readSource(path: string, earlier: readonly Source[], run: string | undefined): Source {
  const { notebook, bytes } = readNotebook(path);
  const document = buildDocument(notebook, path);
  if (document.stem === "index" || earlier.some((other) => other.document.stem === document.stem)) {
    throw new NotebookError(`${basename(path)}: another report of this call has the name ${document.stem}.html`);
  }
  const provenance = collectProvenance(notebook, path, bytes, run);
  if (!provenance.cells.some((cell) => cell.execution_count !== null) && provenance.cells.length) {
    document.warnings.push("the notebook has not been run");
  } else if (provenance.execution && !provenance.execution.complete) document.warnings.push("the notebook was not run to the end");
  return { path, notebook, document, provenance };
}

async function renderHTML(
  { path, document, provenance }: Source,
  targets: ReadonlyMap<string, Target>,
  stems: ReadonlySet<string>,
  several: boolean,
): Promise<string> {
  const warn = (text: string) => document.warnings.push(text);
  const markdown = new MarkdownWriter({ document, targets, stems, folder: dirname(resolve(path)), warn });
  const content = await writeBlocks(document, { markdown, draw, warn });
  return reportHTML(document, content, markdown, provenance, several);
}

/** Vega is loaded only for figures that come without SVG. */
async function draw(spec: Record<string, unknown>): Promise<string> {
  const { render } = await import("../src/figures/render.js");
  return (await render(spec)).svg;
}

function line(path: string, error: unknown): string {
  const message = (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
  return message.startsWith(path) || message.startsWith(basename(path)) ? message : `${basename(path)}: ${message}`;
}
