import { basename } from "node:path";
import type { Token, Tokens } from "marked";
import { type Cell, type CodeCell, cellTags, type Notebook } from "../notebook/types.js";
import { reason } from "../reason.js";
import { resolveLinks } from "./anchors.js";
import { combine, pick, readOptionLines } from "./cell-options.js";
import { explainTerms } from "./glossary.js";
import { findImages } from "./html-tokens.js";
import { MarkdownReader, plainText, walk } from "./markdown.js";
import type {
  Block,
  FigureBlock,
  Footnote,
  FootnoteReferenceToken,
  FootnoteToken,
  HeadingInfo,
  MathToken,
  ReportDocument,
  TableBlock,
} from "./model.js";
import { outputBlocks } from "./outputs.js";

/**
 * Makes a document of an executed notebook: titled, numbered, labelled. All Markdown cells count as one text, so that footnotes, links and
 * references work across cells. What it cites is added by `addReferences`.
 *
 * @param path of the notebook
 */
export function buildDocument(notebook: Notebook, path: string): ReportDocument {
  const stem = basename(path).replace(/\.ipynb$/, "");
  const shown = notebook.cells.map((cell, i) => ({ cell, number: i + 1 })).filter(({ cell }) => !cellTags(cell).includes("remove-cell"));
  const texts = shown.filter(({ cell }) => cell.cell_type === "markdown").map(({ cell }) => cell.source);
  const { sources: markdown, warnings } = explainTerms(texts, path);
  const explained = markdown.values();
  const cells = shown.map(({ cell, number }) =>
    cell.cell_type === "markdown" ? { cell: { ...cell, source: explained.next().value! }, number } : { cell, number },
  );
  const reader = new MarkdownReader(markdown);
  const blocks = cells.flatMap(({ cell, number }) => {
    try {
      const own = cellBlocks(cell, number, notebook, reader, (text) => warnings.push(text));
      return cellTags(cell).includes("index") ? own.map((block) => ({ ...block, onIndex: true })) : own;
    } catch (error) {
      warnings.push(`${basename(path)}: cell ${number}: ${reason(error)}; it was left out`);
      return [];
    }
  });
  const document: ReportDocument = {
    stem,
    title: stem,
    authors: authors(notebook),
    blocks,
    headings: [],
    labels: new Map(),
    footnotes: [],
    citations: [],
    bibliography: new Map(),
    warnings,
  };
  takeTitle(document, notebook, reader);
  numberHeadings(document, reader);
  numberBlocks(document);
  const tokens = allTokens(document);
  numberEquations(document, tokens);
  numberFootnotes(document, tokens);
  resolveLinks(document, tokens, (id) => OTHER_IDS.test(id));
  return document;
}

function cellBlocks(cell: Cell, number: number, notebook: Notebook, reader: MarkdownReader, warn: (text: string) => void): Block[] {
  if (cell.cell_type === "markdown") {
    const attachments = cell.attachments ?? {};
    const tokens = reader.blocks(cell.source);
    findImages(tokens);
    return [{ kind: "markdown", cell: number, tokens, attachments }];
  }
  if (cell.cell_type !== "code") return [];
  const tags = cellTags(cell);
  const { options, code } = readOptionLines(cell.source);
  const result: Block[] = [];
  if (!tags.includes("remove-input") && code.trim() !== "") {
    const language = notebook.metadata.language_info?.name ?? notebook.metadata.kernelspec?.language ?? "typescript";
    result.push({
      kind: "code",
      cell: number,
      source: code.trimEnd(),
      language,
      executionCount: cell.execution_count,
      ...(tags.includes("show-input") && { open: true }),
      ...cellSeconds(cell),
    });
  }
  if (!tags.includes("remove-output")) {
    const hidden = tags.includes("hide-output") || tags.includes("hide-cell");
    const own = combine(pick(cell.metadata), options);
    result.push(...outputBlocks(cell.outputs, own, number, reader, warn).map((block) => (hidden ? { ...block, hidden } : block)));
  }
  return result;
}

/** The time between JupyterLab's "busy" and "idle". */
export function cellSeconds(cell: CodeCell): { seconds?: number } {
  const times = cell.metadata.execution ?? {};
  const seconds =
    (Date.parse(String(times["iopub.status.idle"] ?? times["shell.execute_reply"])) -
      Date.parse(String(times["iopub.status.busy"] ?? times["iopub.execute_input"]))) /
    1000;
  return Number.isFinite(seconds) && seconds >= 0 ? { seconds } : {};
}

function authors(notebook: Notebook): string[] {
  const list = Array.isArray(notebook.metadata.authors) ? notebook.metadata.authors : [];
  return list.map((author) => (typeof author === "string" ? author : author?.name)).filter((name) => typeof name === "string");
}

/** `metadata.title`, else the first heading, which then is no part of the text, else the file's name. */
function takeTitle(document: ReportDocument, notebook: Notebook, reader: MarkdownReader): void {
  if (typeof notebook.metadata.title === "string" && notebook.metadata.title.trim()) {
    document.title = notebook.metadata.title.trim();
    const first = document.blocks[0];
    const heading = first?.kind === "markdown" ? first.tokens[0] : undefined;
    if (first?.kind === "markdown" && heading?.type === "heading" && plainText(heading.tokens ?? []).trim() === document.title)
      first.tokens.shift();
    return;
  }
  for (const block of document.blocks) {
    if (block.kind !== "markdown") continue;
    const index = block.tokens.findIndex((token) => token.type === "heading");
    if (index < 0) continue;
    const heading = block.tokens[index] as Tokens.Heading;
    const tokens = reader.inline(
      heading.text
        .trim()
        .replace(/\{#[\w-]+\}$/, "")
        .trimEnd(),
    );
    document.title = plainText(tokens).trim() || document.stem;
    if ([...walk(tokens)].some(({ type }) => type === "math")) document.titleTokens = tokens;
    block.tokens.splice(index, 1);
    return;
  }
}

/** The markdown blocks' headings: below the title, numbered 1, 1.1, ..., with an id and perhaps a label `{#sec-...}`. */
function numberHeadings(document: ReportDocument, reader: MarkdownReader): void {
  const headings = document.blocks.flatMap((block) =>
    block.kind === "markdown" ? block.tokens.filter((token) => token.type === "heading") : [],
  ) as Tokens.Heading[];
  const top = Math.min(...headings.map((heading) => heading.depth));
  const counts = [0, 0, 0, 0, 0, 0];
  const ids = new Set<string>();
  for (const heading of headings) {
    const level = Math.min(6, heading.depth - top + 2);
    counts[level - 2]!++;
    counts.fill(0, level - 1);
    const number = counts.slice(0, level - 1).join(".");
    const label = /\{#([A-Za-z][\w-]*)\}$/.exec(heading.text.trim());
    if (label) heading.tokens = reader.inline(heading.text.trim().slice(0, label.index).trim());
    const text = plainText(heading.tokens).trim();
    const id = unique(label?.[1] ?? ownSlug(text), ids);
    document.headings.push({ id, level, number, text, tokens: heading.tokens });
    (heading as Tokens.Heading & { info: HeadingInfo }).info = { id, number, level };
    if (label) addLabel(document, label[1]!, "section", `Section ${number}`);
  }
}

function numberBlocks(document: ReportDocument): void {
  const counts = { figure: 0, table: 0 };
  for (const block of document.blocks) {
    if (block.kind === "value") addLabel(document, block.label, "value", block.text);
    if ((block.kind !== "figure" && block.kind !== "table") || !(block.label || block.caption)) continue;
    block.number = ++counts[block.kind];
    if (block.label) addLabel(document, block.label, block.kind, `${block.kind === "figure" ? "Figure" : "Table"} ${block.number}`);
  }
}

/** Everything in the order of reading: text and captions. */
export function allTokens(document: ReportDocument): Token[] {
  const captions = (block: FigureBlock | TableBlock) => (block.caption ? [...walk(block.caption)] : []);
  return document.blocks.flatMap((block) => {
    if (block.kind === "markdown") return [...walk(block.tokens)];
    return block.kind === "figure" || block.kind === "table" ? captions(block) : [];
  });
}

function numberEquations(document: ReportDocument, tokens: readonly Token[]): void {
  let count = 0;
  for (const token of tokens as unknown as MathToken[]) {
    if (token.type !== "mathBlock" || !token.label) continue;
    token.number = ++count;
    addLabel(document, token.label, "equation", `Equation ${count}`);
  }
}

/** Numbers footnotes by first mention, within footnotes too. */
function numberFootnotes(document: ReportDocument, tokens: readonly Token[]): void {
  const definitions = new Map<string, FootnoteToken>();
  for (const token of tokens as unknown as FootnoteToken[]) {
    if (token.type === "footnote" && !definitions.has(token.id)) definitions.set(token.id, token);
  }
  const known = new Map<string, Footnote>();
  const inside = new Set([...definitions.values()].flatMap((definition) => [...walk(definition.tokens)]));
  const queue = tokens.filter((token) => !inside.has(token));
  for (let i = 0; i < queue.length; i++) {
    const token = queue[i] as unknown as FootnoteReferenceToken;
    if (token.type !== "footnoteReference") continue;
    const definition = definitions.get(token.id);
    if (!definition) {
      document.warnings.push(`footnote [^${token.id}] is not defined`);
      continue;
    }
    let note = known.get(token.id);
    if (!note) {
      note = { id: token.id, number: known.size + 1, mentions: 0, tokens: definition.tokens };
      known.set(token.id, note);
      document.footnotes.push(note);
      queue.push(...walk(definition.tokens));
    }
    token.number = note.number;
    token.mention = ++note.mentions;
  }
}

function addLabel(
  document: ReportDocument,
  label: string,
  kind: "figure" | "table" | "equation" | "section" | "value",
  text: string,
): void {
  if (document.labels.has(label)) document.warnings.push(`label ${label} is given twice`);
  else document.labels.set(label, { kind, text, stem: document.stem, page: document.title });
}

/** Ids of a page that are no headings': labels, cells, notes, references, the parts of pictures, its own sections. */
const OTHER_IDS = /^(?:(?:fig|tbl|eq|val|report)-.*|(?:cell|fn|ref)-\d+|fnref-\d+-\d+|b\d+(?:-.*)?)$/;

const ownSlug = (text: string): string => (OTHER_IDS.test(slug(text)) ? `section-${slug(text)}` : slug(text));

function slug(text: string): string {
  const words = text
    .toLowerCase()
    .normalize("NFKD")
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s+/g, "-");
  return words || "section";
}

function unique(id: string, taken: Set<string>): string {
  let candidate = id;
  for (let n = 2; taken.has(candidate); n++) candidate = `${id}-${n}`;
  taken.add(candidate);
  return candidate;
}
