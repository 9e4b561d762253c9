import { dirname, resolve } from "node:path";
import type { Token, Tokens } from "marked";
import { walk } from "../document/markdown.js";
import type { ReportDocument } from "../document/model.js";
import { findPicture } from "../document/pictures.js";
import { asPNG, FigureFiles } from "../figure-files.js";
import type { TemplateName } from "../formats.js";
import type { OutputFile, Source, Writer } from "../set.js";
import { bibliographyFile } from "./bibliography.js";
import { writeBlocks } from "./blocks.js";
import { reportTeX } from "./page.js";
import { TeXWriter } from "./render-tokens.js";
import { TEMPLATES } from "./templates.js";

/** Writes `<stem>.tex` and `figures/<stem>/`. */
export const latexWriter =
  (template: TemplateName): Writer =>
  async ({ path, document, provenance }, { targets, sources }) => {
    const warn = (text: string) => document.warnings.push(text);
    const files = new FigureFiles(document.stem);
    const pictures = await readPictures(document, dirname(resolve(path)), files);
    const titles = new Map(sources.map((source) => [source.document.stem, source.document.title]));
    const context = { document, template: TEMPLATES[template], targets, titles, pictures, files, warn };
    const content = await writeBlocks({ ...context, writer: new TeXWriter(context) });
    return [...files.files, { path: `${document.stem}.tex`, content: reportTeX(document, content, provenance, context.template) }];
  };

/** The set's `references.bib`; none where nothing is cited. */
export async function writeReferences(sources: readonly Source[]): Promise<OutputFile[]> {
  const content = bibliographyFile(sources.map(({ document }) => document));
  return content ? [{ path: "references.bib", content }] : [];
}

/** The pictures in prose as PNG files. */
async function readPictures(
  document: ReportDocument,
  folder: string,
  files: FigureFiles,
): Promise<Map<Token, { path: string; width: number }>> {
  const pictures = new Map<Token, { path: string; width: number }>();
  for (const block of document.blocks) {
    if (block.kind !== "markdown") continue;
    for (const token of walk(block.tokens)) {
      if (token.type !== "image") continue;
      const found = findPicture((token as Tokens.Image).href, block.attachments, folder);
      const image = found && (await asPNG(found.base64));
      if (image) pictures.set(token, { path: files.add(`cell-${block.cell}`, "png", image.png), width: image.width });
    }
  }
  return pictures;
}
