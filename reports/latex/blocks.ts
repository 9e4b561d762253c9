import { encodeFigure } from "../../src/figures/encode.js";
import { toPDF } from "../../src/figures/pdf.js";
import { sizeOf } from "../../src/figures/resize.js";
import { formulaOf } from "../document/formula.js";
import { htmlTable, htmlTokens } from "../document/html-tokens.js";
import { withNames } from "../document/markdown.js";
import type { Block, FigureBlock, ReportDocument, TableBlock } from "../document/model.js";
import { lackOf } from "../document/svg-parts.js";
import { tableContent } from "../document/table-content.js";
import { asPNG, type FigureFiles, figureSVG } from "../figure-files.js";
import { reason } from "../reason.js";
import { codeTeX, outputTeX } from "./code.js";
import { escapeCode, escapeTeX } from "./escape.js";
import { safeMath } from "./math.js";
import { points, type TeXWriter } from "./render-tokens.js";
import type { Template } from "./templates.js";

/** What writing a block needs. */
export interface BlockContext {
  document: ReportDocument;
  template: Template;
  writer: TeXWriter;
  files: FigureFiles;
  warn(text: string): void;
}

/** A document's blocks as LaTeX, in order. What HTML folds away is shown. */
export async function writeBlocks(context: BlockContext): Promise<string> {
  let content = "";
  let before: Block | undefined;
  for (const block of context.document.blocks) {
    const part = (await writeBlock(block, context)) + context.writer.notes();
    if (part.trim() === "") continue;
    content += `${before ? (before.kind === "value" && block.kind === "value" ? "\\\\\n" : "\n\n") : ""}${part}`;
    before = block;
  }
  return content;
}

async function writeBlock(block: Block, context: BlockContext): Promise<string> {
  switch (block.kind) {
    case "markdown":
      return context.writer.blocks(block.tokens);
    case "code":
      return codeTeX(block.source, block.language);
    case "figure":
      return writeFigure(block, context);
    case "table":
      return writeTable(block, context);
    case "value":
      return block.cited ? "" : `\\texttt{${escapeCode(block.label)}}: ${escapeTeX(block.text)}`;
    case "text":
      return outputTeX(block.text);
    case "error":
      return `\\textbf{${escapeTeX(block.name)}}: ${escapeTeX(block.message)}\n\n${block.traceback.trim() ? outputTeX(block.traceback) : ""}`;
    case "html":
      return context.writer.blocks(htmlTokens(block.text));
    case "latex":
      return writeLatex(block.text);
  }
}

/** LaTeX that is no formula is printed as its source. */
function writeLatex(text: string): string {
  const tex = formulaOf(text);
  const math = tex === undefined ? undefined : safeMath(tex, true);
  return math === undefined ? outputTeX(text) : `\\[\n${math}\n\\]`;
}

/** Centimetres to PDF's points. */
const CM = 72 / 2.54;

/** Figures are drawn with text of 12 pixels. A column that would make it smaller than 6.6 points is too narrow for the figure. */
const SMALLEST_SCALE = 0.55;

/** A figure that is drawn anew for a narrow column, in pixels: its text is two thirds of its size then. */
const NARROW = 345;

async function writeFigure(block: FigureBlock, context: BlockContext): Promise<string> {
  const name = block.label ?? `cell-${block.cell}`;
  let environment = "figure";
  let picture: string;
  try {
    const lack = lackOf(block.picture);
    if (lack) context.warn(`${block.label ?? `the figure of cell ${block.cell}`} ${lack}`);
    const { tex, wide } = await pictureTeX(block, name, context);
    picture = tex;
    if (wide) environment = "figure*";
  } catch (error) {
    context.warn(`${block.label ?? `the figure of cell ${block.cell}`}: ${reason(error)}`);
    picture = "{[}this figure cannot be drawn{]}";
  }
  const alt = block.alt ? `% ${escapeTeX(withNames(block.alt, context.writer.named))}\n` : "";
  if (!block.number) return `\\begin{center}\n${alt}${picture}\n\\end{center}`;
  const caption = `\\caption{${context.writer.line(block.caption ?? [])}}${labelOf(block, context.document)}`;
  return `\\begin{${environment}}[htbp]\n\\centering\n${alt}${picture}\n${caption}\n\\end{${environment}}`;
}

async function pictureTeX(
  block: FigureBlock,
  name: string,
  { template, files, warn }: BlockContext,
): Promise<{ tex: string; wide: boolean }> {
  if (block.picture.type === "image") {
    const image = await asPNG(block.picture.base64);
    if (!image) throw new Error("a picture that cannot be read was left out");
    const wide = template.page > template.column && 0.75 * image.width > 1.5 * template.column * CM;
    return { tex: `\\picturefile{${points(image.width)}}{${files.add(name, "png", image.png)}}`, wide };
  }
  const { svg, line } = await fittedSVG(block, template);
  const width = Math.min(line, sizeOf(svg).width || line);
  const path = files.add(name, "pdf", await drawnPDF(svg, width, name, warn));
  return { tex: `\\picturefile{${width < line ? `${width.toFixed(1)}bp` : "\\linewidth"}}{${path}}`, wide: line > template.column * CM };
}

/** A figure as PDF; characters that cannot be drawn here are printed as U+XXXX, and the reader is told why. @param width in points */
async function drawnPDF(svg: string, width: number, name: string, warn: (text: string) => void): Promise<Uint8Array> {
  try {
    return (await encodeFigure(svg, "pdf", width / 0.75)) as Uint8Array;
  } catch (error) {
    warn(`${name}: ${reason(error)}`);
    return toPDF(svg, { width });
  }
}

/** The figure for the column, drawn anew where that helps; else for the whole page. With the width of its line in points. */
async function fittedSVG(block: FigureBlock, template: Template): Promise<{ svg: string; line: number }> {
  const column = template.column * CM;
  const fits = (svg: string) => sizeOf(svg).width * SMALLEST_SCALE <= column;
  const whole = await figureSVG(block);
  if (fits(whole)) return { svg: whole, line: column };
  const narrow = await figureSVG(block, NARROW);
  const readable = fits(narrow) && slimness(narrow) < 1.4 * slimness(whole);
  return block.number === undefined || readable ? { svg: narrow, line: column } : { svg: whole, line: template.page * CM };
}

/** Height over width: it grows where long labels leave a plot little room. */
function slimness(svg: string): number {
  const { width, height } = sizeOf(svg);
  return height / width;
}

function writeTable(block: TableBlock, { writer, document }: BlockContext): string {
  const token = htmlTable(block.html);
  if (!token) return writer.blocks(htmlTokens(block.html));
  const table = tableContent(token);
  if (!block.number) return writer.tables.unnumbered(table);
  return writer.tables.numbered(table, writer.line(block.caption ?? []), labelOf(block, document));
}

/** `\label` of what the label was given to; of one given twice, the first. */
function labelOf(block: FigureBlock | TableBlock, document: ReportDocument): string {
  const first = document.blocks.find((other) => (other.kind === "figure" || other.kind === "table") && other.label === block.label);
  return block.label && first === block ? `\\label{${block.label}}` : "";
}
