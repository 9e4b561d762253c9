import { dirname, resolve } from "node:path";
import type { OutputFile, ReportSet, Source } from "../set.js";
import { writeBlocks } from "./blocks.js";
import { draw } from "./draw.js";
import { indexHTML } from "./index-page.js";
import { reportHTML } from "./page.js";
import { MarkdownWriter } from "./render-markdown.js";

/** One page that needs nothing else: `<stem>.html`. */
export async function writeHTML({ path, document, provenance }: Source, { targets, stems, several }: ReportSet): Promise<OutputFile[]> {
  const warn = (text: string) => document.warnings.push(text);
  const markdown = new MarkdownWriter({ document, targets, stems, folder: dirname(resolve(path)), warn });
  const content = await writeBlocks(document, { markdown, draw, warn });
  return [{ path: `${document.stem}.html`, content: await reportHTML(document, content, markdown, provenance, several) }];
}

/** The page that leads to the reports of `sources`. */
export async function writeIndex(sources: readonly Source[], { targets, stems }: ReportSet): Promise<OutputFile> {
  return { path: "index.html", content: await indexHTML(sources, targets, stems) };
}
