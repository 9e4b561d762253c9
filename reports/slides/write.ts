import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { sizeOf } from "../../src/figures/resize.js";
import { packageRoot } from "../../src/setup/paths.js";
import type { Block, ReportDocument } from "../document/model.js";
import { type BlockContext, writeBlocks } from "../html/blocks.js";
import { draw } from "../html/draw.js";
import { escapeHTML } from "../html/escape.js";
import { headingText } from "../html/heading-text.js";
import { footnotes, made, pageHTML, references, titleHTML, warningsHTML } from "../html/page.js";
import { MarkdownWriter } from "../html/render-markdown.js";
import { provenanceHTML } from "../provenance/html.js";
import { sealPage } from "../provenance/seal.js";
import type { OutputFile, ReportSet, Source } from "../set.js";
import { deckOf, type HeadingToken, type Slide } from "./deck.js";

const fileOf = (stem: string) => `${stem}.slides.html`;

/**
 * Writes `<stem>.slides.html`: the report as slides, one file that needs nothing else. Style rules do what can be done without a script: a slide fills the window and is
 * snapped to, a phone scrolls through them, each is a page on paper. The one script, which the page allows by its digest and no other, takes the keys, brings steps one
 * after the other and makes smaller what does not fit.
 */
export async function writeSlides({ path, notebook, document, provenance }: Source, { targets, stems }: ReportSet): Promise<OutputFile[]> {
  const warn = (text: string) => document.warnings.push(text);
  const markdown = new MarkdownWriter({ document, targets, stems, folder: dirname(resolve(path)), warn, fileOf });
  const write = writer(document, { markdown, draw, warn });
  const [title, ...slides] = deckOf(document.blocks, notebook);
  const bodies: string[] = [];
  for (const slide of slides) bodies.push(await slideHTML(slide, markdown, write));
  const opening = await slideHTML(title!, markdown, write);
  const end = [footnotes(document, markdown), references(document), provenanceHTML(provenance)];
  const head = `<h1>${titleHTML(document)}</h1>
${document.authors.length ? `<p class="authors">${document.authors.map(escapeHTML).join(", ")}</p>\n` : ""}${made(provenance)}`;
  const first = `<header>${head}${warningsHTML(document)}</header>\n${opening || agenda(document)}`;
  const all = [first, ...bodies, ...end.filter(Boolean).map(fitted)];
  const sections = all.map(
    (body, i) =>
      `<section class="slide${i === 0 ? " title" : ""}" id="report-slide-${i + 1}" aria-roledescription="slide" aria-label="${i + 1} of ${all.length}"><div class="stage">\n${body}\n<p class="place" aria-hidden="true">${i + 1} / ${all.length}</p></div></section>`,
  );
  const script = asset("slides.js");
  const body = `<main>\n${sections.join("\n")}\n</main>\n<script>${script}</script>`;
  const digest = createHash("sha256").update(script).digest("base64");
  const page = await pageHTML(document.title, body, { css: asset("slides.css"), policy: `script-src 'sha256-${digest}'; ` });
  return [{ path: fileOf(document.stem), content: sealPage(page, provenance) }];
}

const asset = (name: string) => readFileSync(join(packageRoot(), "reports", "slides", name), "utf8");

type WriteBlocks = (blocks: readonly Block[]) => Promise<string>;

/** Writes blocks of one document in parts: ids within pictures stay different. */
function writer(document: ReportDocument, context: BlockContext): WriteBlocks {
  let before = 0;
  return async (blocks) => {
    const part = { ...document, blocks: await Promise.all(blocks.map(forSlide)) };
    const html = await writeBlocks(part, context, before);
    before += blocks.length;
    return html;
  };
}

/** A figure without the table of its data, for which a slide has no room; one of many rows, drawn for a column of text, in two columns. */
async function forSlide(block: Block): Promise<Block> {
  if (block.kind !== "figure") return block;
  const { spec, ...figure } = block;
  const { facet } = (spec ?? {}) as { facet?: { row?: unknown } };
  const { width, height } = figure.picture.type === "svg" ? sizeOf(figure.picture.svg) : { width: 0, height: 0 };
  if (!facet?.row || height <= width) return figure;
  try {
    return { ...figure, picture: { type: "svg", svg: await draw({ ...spec, facet: facet.row, columns: 2 }) } };
  } catch {
    return figure; // as the notebook has it
  }
}

async function slideHTML(slide: Slide, markdown: MarkdownWriter, write: WriteBlocks): Promise<string> {
  const heading = slide.heading ? headingHTML(slide.heading, slide.part, markdown) : "";
  const content = await stepsHTML(slide, write);
  const notes = slide.notes.length ? `<aside class="notes" aria-label="Notes">${await write(slide.notes)}</aside>` : "";
  return [heading, content && fitted(content), notes].filter(Boolean).join("\n");
}

/** The first slide of a section has its heading with its id, the others repeat it. */
function headingHTML(heading: HeadingToken, part: number, markdown: MarkdownWriter): string {
  if (part === 1 || !heading.info) return markdown.blocks([heading]);
  const { level, number } = heading.info;
  return `<h${level}><span class="heading-number">${number}</span> ${markdown.inline(heading.tokens)} <span class="part">(${part})</span></h${level}>`;
}

async function stepsHTML({ steps }: Slide, write: WriteBlocks): Promise<string> {
  const parts: string[] = [];
  for (const [i, blocks] of steps.entries()) {
    const html = await write(blocks);
    parts.push(i > 0 && html ? `<div class="step">${html}</div>` : html);
  }
  return parts.filter(Boolean).join("\n");
}

/** What is made smaller where it does not fit. */
const fitted = (content: string) => `<div class="body"><div class="fit">\n${content}\n</div></div>`;

/** The sections of the first level, on the title's slide. */
function agenda({ headings }: ReportDocument): string {
  const entries = headings.filter(({ level }) => level === 2);
  if (entries.length < 2) return "";
  const items = entries.map(
    ({ id, number, tokens }) =>
      `<li><a href="#${escapeHTML(id)}"><span class="heading-number">${number}</span> ${headingText(tokens)}</a></li>`,
  );
  return fitted(`<nav aria-label="Contents"><ul>\n${items.join("\n")}\n</ul></nav>`);
}
