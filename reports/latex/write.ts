import { dirname, resolve } from "node:path";
import { FigureFiles, proseFiles } from "../figure-files.js";
import type { TemplateName } from "../formats.js";
import type { OutputFile, Source, Writer } from "../set.js";
import { bibliographyFile } from "./bibliography.js";
import { writeBlocks } from "./blocks.js";
import { escapeTeX } from "./escape.js";
import { reportTeX } from "./page.js";
import { TeXWriter } from "./render-tokens.js";
import { TEMPLATES } from "./templates.js";

/** Writes `<stem>.tex` and `figures/<stem>/`. */
export const latexWriter =
  (template: TemplateName): Writer =>
  async ({ path, document, provenance }, { targets, stems }) => {
    const warn = (text: string) => document.warnings.push(text);
    const files = new FigureFiles(document.stem);
    const pictures = await proseFiles(document, dirname(resolve(path)), files);
    const context = { document, template: TEMPLATES[template], targets, stems, pictures, files, warn };
    const writer = new TeXWriter(context);
    const title = document.titleTokens ? writer.line(document.titleTokens) : escapeTeX(document.title);
    const content = await writeBlocks({ ...context, writer });
    return [...files.files, { path: `${document.stem}.tex`, content: reportTeX(document, title, content, provenance, context.template) }];
  };

/** The set's `references.bib`; none where nothing is cited. */
export async function writeReferences(sources: readonly Source[]): Promise<OutputFile[]> {
  const content = bibliographyFile(sources.map(({ document }) => document));
  return content ? [{ path: "references.bib", content }] : [];
}
