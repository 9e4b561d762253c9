import { sizeOf } from "../../src/figures/resize.js";
import { formulaOf } from "../document/formula.js";
import { plainText, withNames } from "../document/markdown.js";
import type { Block, CodeBlock, ErrorBlock, FigureBlock, ReportDocument, TableBlock } from "../document/model.js";
import { lackOf } from "../document/svg-parts.js";
import { reason } from "../reason.js";
import { duration } from "./duration.js";
import { escapeHTML } from "./escape.js";
import { figureData } from "./figure-data.js";
import { colourCode } from "./highlight.js";
import { displayMath } from "./math.js";
import { ansiHTML, printedHTML } from "./printed.js";
import type { MarkdownWriter } from "./render-markdown.js";
import { sanitizeOutput } from "./sanitize.js";
import { hasOwnPaper, inlineSVG } from "./svg.js";
import { layOutCells } from "./table-cells.js";

/** What writing a block needs. */
export interface BlockContext {
  markdown: MarkdownWriter;
  /** Draws a figure that came as Vega-Lite only. */
  draw(spec: Record<string, unknown>): Promise<string>;
  warn(text: string): void;
}

/** Lines of a stream that are shown at once; longer ones are folded. */
const SHOWN_LINES = 30;
/** Characters of a text, a table or a fragment at most: a page stays one that opens. */
const SHOWN_CHARACTERS = 200_000;
/** Pixels of a figure that a phone shows whole. A wider one is scrolled: shrunk to a phone its text would be too small to read. */
const PHONE_FIGURE = 480;

/**
 * A document's blocks as HTML, in order. What cannot be written leaves a note in its place, and a warning.
 * @param before how many blocks of other documents the page has, whose ids are taken
 */
export async function writeBlocks(document: ReportDocument, context: BlockContext, before = 0): Promise<string> {
  const parts: string[] = [];
  for (const [index, block] of document.blocks.entries()) {
    const html = await writeBlock(block, `b${before + index + 1}`, context).catch((error) => {
      context.warn(`cell ${block.cell}: ${reason(error)}`);
      return `<p class="absent">[something of cell ${block.cell} was left out]</p>`;
    });
    parts.push(
      block.hidden && html ? `<details class="output"><summary>Output of cell ${block.cell}</summary>\n${html}\n</details>` : html,
    );
  }
  return parts.filter(Boolean).join("\n");
}

async function writeBlock(block: Block, id: string, context: BlockContext): Promise<string> {
  switch (block.kind) {
    case "markdown":
      return context.markdown.blocks(block.tokens, block.attachments);
    case "code":
      return writeCode(block);
    case "figure":
      return writeFigure(block, id, context);
    case "table":
      return writeTable(block, id, context);
    case "value":
      if (block.cited) return `<span id="${block.label}"></span>`;
      return `<p class="value" id="${block.label}"><code>${block.label}</code> ${escapeHTML(block.text)}</p>`;
    case "text":
      return writeText(block.name, cut(block.text, block.cell, context));
    case "error":
      return writeError(block);
    case "html":
      return `<div class="shown">${layOutCells(sanitizeOutput(whole(block.text)))}</div>`;
    case "latex":
      return writeLatex(block.text);
  }
}

function writeCode({ source, language, executionCount, seconds, cell, open }: CodeBlock): string {
  const facts = [
    executionCount === null ? `cell ${cell}, not run` : `[${executionCount}]`,
    seconds !== undefined && seconds >= 1 ? duration(seconds) : "",
  ];
  const first = source.split("\n").find((line) => line.trim() !== "") ?? "";
  const summary = `<summary><span class="summary-label">Code ${facts.filter(Boolean).join(" · ")}</span> <code>${escapeHTML(first.slice(0, 120))}</code></summary>`;
  return `<details class="code" id="cell-${cell}"${open ? " open" : ""}>${summary}\n<pre tabindex="0"><code class="language-${escapeHTML(language)}">${colourCode(source, language)}</code></pre>\n</details>`;
}

async function writeFigure(block: FigureBlock, id: string, context: BlockContext): Promise<string> {
  const { picture, number, alt } = block;
  const place = block.label ?? `the figure of cell ${block.cell}`;
  const name = number ? `Figure ${number}` : "Figure";
  const { named } = context.markdown;
  const described = alt ? withNames(alt, named) : block.caption && plainText(block.caption, named);
  if (!described) context.warn(`${place} has no alternative text (fig-alt)`);
  let html: string;
  if (picture.type === "image") {
    const readable = /^[A-Za-z0-9+/=]+$/.test(picture.base64);
    if (!readable) context.warn(`${place} is no base64 and was left out`);
    html = readable
      ? `<img src="data:${picture.mime};base64,${picture.base64}" alt="${escapeHTML(described ?? name)}">`
      : `<p class="absent">[a picture that cannot be read was left out]</p>`;
  } else if (picture.type === "svg" && picture.lost && /\sxmlns\s*=/.test(picture.svg)) {
    context.warn(`${place} needs ${picture.lost.join(", ")} of SVG, so it stands as a closed picture: its text cannot be searched`);
    html = `<img src="data:image/svg+xml;base64,${Buffer.from(picture.svg).toString("base64")}" alt="${escapeHTML(described ?? name)}">`;
  } else {
    const lack = lackOf(picture);
    if (lack) context.warn(`${place} ${lack}`);
    try {
      html = inlineSVG(picture.type === "svg" ? picture.svg : await context.draw(picture.spec), id, name, described);
    } catch (error) {
      context.warn(`${place}: ${reason(error)}`);
      html = `<p class="absent">[this figure cannot be drawn]</p>`;
    }
  }
  const paper = hasOwnPaper(html) ? ' class="paper"' : "";
  const wide = sizeOf(html).width > PHONE_FIGURE ? " wide" : "";
  const caption = number ? `\n<figcaption>${captionLabel(name, block.label)}${captionText(block, context)}</figcaption>` : "";
  const data = block.spec ? dataOf(block.spec, number ? name : "the figure", place, context) : "";
  return `<figure${block.label ? ` id="${block.label}"` : ""}${paper}>\n<div class="picture${wide}" tabindex="0">${html}</div>${caption}\n</figure>${data}`;
}

function writeTable(block: TableBlock, id: string, context: BlockContext): string {
  const clean = layOutCells(sanitizeOutput(whole(block.html)));
  const name = block.number ? `Table ${block.number}` : "Table";
  const table = `<div class="scroll" tabindex="0" role="group" aria-label="${name}">${clean}</div>`;
  if (!block.number) return `<div class="table">${table}</div>`;
  const caption = `<figcaption id="${id}-caption">${captionLabel(name, block.label)}${captionText(block, context)}</figcaption>`;
  return `<figure class="table"${block.label ? ` id="${block.label}"` : ""} aria-labelledby="${id}-caption">\n${caption}\n${table}\n</figure>`;
}

/** The table of a figure's data; a figure stands without it where it cannot be written. */
function dataOf(spec: Record<string, unknown>, name: string, place: string, { warn }: BlockContext): string {
  try {
    return `\n${figureData(spec, name)}`;
  } catch (error) {
    warn(`the data of ${place}: ${reason(error)}`);
    return "";
  }
}

const captionLabel = (name: string, label: string | undefined) =>
  label ? `<a class="caption-label" href="#${label}">${name}</a>` : `<span class="caption-label">${name}</span>`;

const captionText = (block: FigureBlock | TableBlock, context: BlockContext) =>
  block.caption ? ` ${context.markdown.inline(block.caption)}` : "";

/** The beginning of a long text, with a warning. */
function cut(text: string, cell: number, context: BlockContext): string {
  if (text.length <= SHOWN_CHARACTERS) return text;
  context.warn(
    `cell ${cell}: of ${text.length.toLocaleString("en")} characters the first ${SHOWN_CHARACTERS.toLocaleString("en")} are shown`,
  );
  return `${text.slice(0, SHOWN_CHARACTERS)}\n…`;
}

/** Markup cannot be cut. @throws RangeError when it is too long */
function whole(html: string): string {
  if (html.length > 10 * SHOWN_CHARACTERS) throw new RangeError(`HTML of ${html.length.toLocaleString("en")} characters is not shown`);
  return html;
}

function writeText(name: "stdout" | "stderr" | "result", text: string): string {
  const lines = text.trimEnd().split("\n").length;
  const label = { stdout: "Printed", stderr: "Printed to standard error", result: "Result" }[name];
  const pre = `<pre class="text ${name}" tabindex="0" role="group" aria-label="${label}">${printedHTML(text.trimEnd())}</pre>`;
  return lines > SHOWN_LINES ? `<details class="output"><summary>${label}: ${lines} lines</summary>\n${pre}\n</details>` : pre;
}

function writeError({ name, message, traceback }: ErrorBlock): string {
  const trace = traceback.trim()
    ? `\n<details><summary>Where</summary>\n<pre tabindex="0">${ansiHTML(traceback.trimEnd())}</pre>\n</details>`
    : "";
  return `<div class="error" role="group" aria-label="Error"><p><strong>${escapeHTML(name)}</strong>: ${escapeHTML(message)}</p>${trace}</div>`;
}

function writeLatex(text: string): string {
  const tex = formulaOf(text);
  if (tex === undefined) return `<pre class="text result" tabindex="0">${escapeHTML(text)}</pre>`;
  return `<div class="equation"><div class="math" tabindex="0" role="group" aria-label="Formula">${displayMath(tex)}</div></div>`;
}
