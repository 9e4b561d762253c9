import { dirname, resolve } from "node:path";
import { wrapped } from "../../src/frontend/wrapped.js";
import { referenceText } from "../document/cross-reference.js";
import { plainText } from "../document/markdown.js";
import type { Block, ReportDocument, Target } from "../document/model.js";
import type { ReportSet, Source } from "../set.js";
import { writeBlocks } from "./blocks.js";
import { draw } from "./draw.js";
import { duration } from "./duration.js";
import { escapeHTML } from "./escape.js";
import { pageHTML, titleHTML } from "./page.js";
import { MarkdownWriter } from "./render-markdown.js";

/** The page that leads to the reports of a set: what their notebooks have marked for it (cells with the tag `index`), then the reports, in their order. */
export async function indexHTML(
  sources: readonly Source[],
  targets: ReadonlyMap<string, Target>,
  stems: ReadonlySet<string>,
): Promise<string> {
  const items = sources.map(({ document, provenance }) => {
    const count = (kind: "figure" | "table") => document.blocks.filter((block) => block.kind === kind && block.number !== undefined).length;
    const errors = document.blocks.filter((block) => block.kind === "error").length;
    const facts = [
      plural(count("figure"), "figure"),
      plural(count("table"), "table"),
      provenance.execution && `run on ${provenance.execution.started.slice(0, 10)} in ${duration(provenance.execution.seconds)}`,
      errors && plural(errors, "error"),
      provenance.complete ? "" : "not run to the end",
    ].filter(Boolean);
    const about = opening(document, targets);
    return `<li><h2><a href="${encodeURIComponent(document.stem)}.html">${titleHTML(document)}</a></h2>
${about ? `<p>${escapeHTML(about)}</p>\n` : ""}<p class="made">${escapeHTML(facts.join(" · "))}</p></li>`;
  });
  const marked: string[] = [];
  let written = 0;
  for (const source of sources) {
    const blocks = source.document.blocks.filter((block) => block.onIndex && block.kind !== "code" && block.kind !== "value");
    if (blocks.length > 0) marked.push(await markedHTML(source, blocks.map(withoutHeadings), { targets, stems, written }));
    written += blocks.length;
  }
  const results = marked.join("\n");
  const list = `<ol>\n${items.join("\n")}\n</ol>`;
  const content = results ? `${results}\n<h2>The pages, in the order to read</h2>\n${list}` : list;
  const title = runTitle(sources) ?? "Reports";
  return pageHTML(title, `<main id="content" class="index">\n<header><h1>${escapeHTML(title)}</h1></header>\n${content}\n</main>`);
}

/** What the run is called that all reports show; undefined where they show none, or several. */
function runTitle(sources: readonly Source[]): string | undefined {
  const [run, ...others] = sources.map(({ provenance }) => provenance.run);
  if (!run || others.some((other) => other?.file !== run.file)) return undefined;
  const { profile, seed, model } = run.record as { profile?: unknown; seed?: unknown; model?: { name?: unknown } };
  const named = typeof model?.name === "string" ? ` on ${model.name}` : "";
  return typeof profile === "string" && typeof seed === "number" ? `A run of the ${profile} profile${named}, seed ${seed}` : undefined;
}

/** What a notebook has marked for the index: text without its headings, figures and tables with the numbers of their report, what was printed; no code. References lead to the reports. */
async function markedHTML({ document, path }: Source, blocks: Block[], { targets, stems, written }: Around): Promise<string> {
  const page: ReportDocument = { ...document, stem: "index", blocks };
  const warn = () => {}; // the report itself says so
  const markdown = new MarkdownWriter({ document: page, notesIn: document.stem, targets, stems, folder: dirname(resolve(path)), warn });
  const from = `<p class="made">From <a href="${encodeURIComponent(document.stem)}.html">${escapeHTML(document.title)}</a></p>`;
  return `<section>\n${await writeBlocks(page, { markdown, draw, warn }, written)}\n${from}\n</section>`;
}

/** What stands around a notebook's part of the index. */
interface Around extends Pick<ReportSet, "targets" | "stems"> {
  /** Blocks that stand before it. */
  written: number;
}

const withoutHeadings = (block: Block): Block =>
  block.kind === "markdown" ? { ...block, tokens: block.tokens.filter(({ type }) => type !== "heading") } : block;

const plural = (count: number, word: string) => (count ? `${count} ${word}${count === 1 ? "" : "s"}` : "");

/** The first paragraph, cut after about 200 characters. */
function opening(document: ReportDocument, targets: ReadonlyMap<string, Target>): string {
  for (const block of document.blocks) {
    const paragraph = block.kind === "markdown" ? block.tokens.find((token) => token.type === "paragraph") : undefined;
    if (!paragraph || !("tokens" in paragraph)) continue;
    const text = plainText(paragraph.tokens ?? [], (label) => referenceText(label, { document, targets }))
      .replace(/\s+/g, " ")
      .trim();
    if (!text) continue;
    const [beginning, ...more] = wrapped(text, 200);
    return more.length > 0 ? `${beginning} …` : text;
  }
  return "";
}
