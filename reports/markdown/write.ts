import { dirname, resolve } from "node:path";
import { formulaOf } from "../document/formula.js";
import { htmlTable, htmlTokens } from "../document/html-tokens.js";
import { plainText, withNames } from "../document/markdown.js";
import type { Block, FigureBlock, ReportDocument } from "../document/model.js";
import { plainOutput } from "../document/plain-output.js";
import { describeEntry, dotBehind } from "../document/reference-text.js";
import { lackOf } from "../document/svg-parts.js";
import { tableContent } from "../document/table-content.js";
import { asPNG, FigureFiles, figureSVG, proseFiles } from "../figure-files.js";
import type { Provenance } from "../provenance/collect.js";
import { facts } from "../provenance/html.js";
import { reason } from "../reason.js";
import type { OutputFile, ReportSet, Source } from "../set.js";
import { altText, codeBlock, codeSpan, escapeMarkdown, linkTarget } from "./escape.js";
import { displayMath, GitHubWriter } from "./render-tokens.js";

/** Writes `<stem>.md`, GitHub-flavoured, and `figures/<stem>/`. */
export async function writeMarkdown({ path, document, provenance }: Source, { targets, stems }: ReportSet): Promise<OutputFile[]> {
  const warn = (text: string) => document.warnings.push(text);
  const files = new FigureFiles(document.stem);
  const pictures = await proseFiles(document, dirname(resolve(path)), files);
  const drawn = await drawFigures(document, files, warn);
  const figures = new Map([...drawn].flatMap(([{ label }, file]): [string, string][] => (label && file ? [[label, file]] : [])).reverse());
  const writer = new GitHubWriter({ document, targets, stems, pictures, figures, warn });
  const content = writeBlocks(document.blocks, writer, drawn);
  const parts = [
    `# ${document.titleTokens ? writer.line(document.titleTokens) : escapeMarkdown(document.title)}`,
    document.authors.map(escapeMarkdown).join(", "),
    provenance.execution ? `Run on ${escapeMarkdown(provenance.execution.started.slice(0, 10))}` : "",
    warnings(document),
    content,
    references(document),
    provenanceTable(provenance),
    writer.footnotes(),
  ];
  return [...files.files, { path: `${document.stem}.md`, content: `${parts.filter(Boolean).join("\n\n")}\n` }];
}

/** The file of each figure; undefined for those that cannot be drawn. */
async function drawFigures(
  document: ReportDocument,
  files: FigureFiles,
  warn: (text: string) => void,
): Promise<Map<FigureBlock, string | undefined>> {
  const drawn = new Map<FigureBlock, string | undefined>();
  for (const block of document.blocks) {
    if (block.kind !== "figure") continue;
    const name = block.label ?? `cell-${block.cell}`;
    const place = block.label ?? `the figure of cell ${block.cell}`;
    const lack = lackOf(block.picture);
    if (lack) warn(`${place} ${lack}`);
    try {
      if (block.picture.type === "image") {
        const image = await asPNG(block.picture.base64);
        drawn.set(block, image && files.add(name, "png", image.png));
      } else drawn.set(block, files.add(name, "svg", await figureSVG(block)));
    } catch (error) {
      warn(`${place}: ${reason(error)}`);
      drawn.set(block, undefined);
    }
  }
  return drawn;
}

/** Neighbouring values are one list. */
function writeBlocks(blocks: readonly Block[], writer: GitHubWriter, drawn: ReadonlyMap<FigureBlock, string | undefined>): string {
  let content = "";
  let before: Block | undefined;
  for (const block of blocks) {
    const part = writeBlock(block, writer, drawn);
    if (part.trim() === "") continue;
    content += `${before ? (before.kind === "value" && block.kind === "value" ? "\n" : "\n\n") : ""}${part}`;
    before = block;
  }
  return content;
}

function writeBlock(block: Block, writer: GitHubWriter, drawn: ReadonlyMap<FigureBlock, string | undefined>): string {
  switch (block.kind) {
    case "markdown":
      return writer.blocks(block.tokens);
    case "code":
      return codeBlock(block.source, block.language);
    case "figure": {
      const name = block.number ? `Figure ${block.number}` : "Figure";
      const alt = block.alt ? withNames(block.alt, writer.named) : block.caption ? plainText(block.caption, writer.named) : name;
      const file = drawn.get(block);
      const picture = file ? `![${altText(alt)}](${linkTarget(file)})` : "\\[this figure cannot be drawn\\]";
      return block.number ? `${picture}\n\n**${name}.** ${writer.line(block.caption ?? [])}`.trimEnd() : picture;
    }
    case "table": {
      const table = htmlTable(block.html);
      const content = table ? writer.table(tableContent(table)) : writer.blocks(htmlTokens(block.html));
      return block.number ? `${`**Table ${block.number}.** ${writer.line(block.caption ?? [])}`.trimEnd()}\n\n${content}` : content;
    }
    case "value":
      return block.cited ? "" : `- ${codeSpan(block.label)}: ${escapeMarkdown(block.text)}`;
    case "text":
      return output(block.text);
    case "error":
      return `**${escapeMarkdown(block.name)}**: ${escapeMarkdown(block.message)}${block.traceback.trim() ? `\n\n${output(block.traceback)}` : ""}`;
    case "html":
      return writer.blocks(htmlTokens(block.text));
    case "latex": {
      const tex = formulaOf(block.text);
      return tex === undefined ? output(block.text) : displayMath(tex);
    }
  }
}

function output(text: string): string {
  const { lines, more } = plainOutput(text);
  return codeBlock(lines.join("\n"), "text") + (more ? `\n\n*${more} more lines are in the notebook.*` : "");
}

function warnings({ warnings }: ReportDocument): string {
  if (!warnings.length) return "";
  return ["> To know before reading:", ">", ...[...new Set(warnings)].map((text) => `> - ${escapeMarkdown(text)}`)].join("\n");
}

function references({ citations, bibliography }: ReportDocument): string {
  if (!citations.length) return "";
  const items = citations.map((key, i) => {
    const { text, title, rest, url } = describeEntry(bibliography.get(key)!);
    const name = url ? `[${escapeMarkdown(title)}](${linkTarget(url)})` : escapeMarkdown(title);
    return `${i + 1}. ${escapeMarkdown(text)}${name}${dotBehind(title)}${rest ? ` *${escapeMarkdown(rest)}*${dotBehind(rest)}` : ""}`;
  });
  return `## References\n\n${items.join("\n")}`;
}

function provenanceTable(provenance: Provenance): string {
  const rows = facts(provenance).map(([name, value]) => `| ${escapeMarkdown(name)} | ${escapeMarkdown(value)} |`);
  return ["## Provenance", "", "|  |  |", "| --- | --- |", ...rows].join("\n");
}
