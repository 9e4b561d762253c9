import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/setup/paths.js";
import type { ReportDocument } from "../document/model.js";
import { describeEntry, dotBehind } from "../document/reference-text.js";
import type { Provenance } from "../provenance/collect.js";
import { provenanceHTML } from "../provenance/html.js";
import { sealPage } from "../provenance/seal.js";
import { duration } from "./duration.js";
import { escapeHTML } from "./escape.js";
import { headingText } from "./heading-text.js";
import { mathFontCSS } from "./math-font.js";
import type { MarkdownWriter } from "./render-markdown.js";

const POLICY = "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** A style sheet of this folder, without comments and line breaks. */
export const styleSheet = (file: string): string => shortened(readFileSync(join(packageRoot(), "reports", file), "utf8"));

const shortened = (css: string): string => css.replace(/\/\*[\s\S]*?\*\/\s*|\n\s*/g, "");

/** What a page has beside those of reports. */
export interface PageExtras {
  /** Style rules behind the report's own. */
  css?: string;
  /** What its policy allows besides, with `; ` at the end. */
  policy?: string;
}

/** A whole page: nothing loaded from elsewhere, and no scripts unless `extras` allow one. `body` must be safe HTML. */
export async function pageHTML(title: string, body: string, { css: more = "", policy = "" }: PageExtras = {}): Promise<string> {
  const css = styleSheet("html/style.css") + shortened(more);
  const font = await mathFontCSS(body);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="erpo">
<title>${escapeHTML(title)}</title>
<style>${css}${font}</style>
</head>
<body>
${body}
</body>
</html>
`;
}

/** A report of one notebook. */
export async function reportHTML(
  document: ReportDocument,
  content: string,
  markdown: MarkdownWriter,
  provenance: Provenance,
  hasIndex: boolean,
): Promise<string> {
  const header = `<header>
${hasIndex ? '<p class="up"><a href="index.html">All reports</a></p>\n' : ""}<h1>${titleHTML(document)}</h1>
${document.authors.length ? `<p class="authors">${document.authors.map(escapeHTML).join(", ")}</p>\n` : ""}${made(provenance)}</header>`;
  const notes = footnotes(document, markdown); // before the warnings, to which it may add
  const warnings = warningsHTML(document);
  const body = `<a class="skip" href="#report-content">Skip to the content</a>
<main>
${header}
${contents(document)}<div id="report-content">
${[warnings, content, notes, references(document), provenanceHTML(provenance)].filter(Boolean).join("\n")}
</div>
</main>`;
  return sealPage(await pageHTML(document.title, body), provenance);
}

/** A document's title with its formulas. */
export const titleHTML = ({ title, titleTokens }: ReportDocument): string => (titleTokens ? headingText(titleTokens) : escapeHTML(title));

/** What a reader should know first. */
export function warningsHTML({ warnings }: ReportDocument): string {
  if (!warnings.length) return "";
  const items = [...new Set(warnings)].map((text) => `<li>${escapeHTML(text)}</li>`);
  return `<aside class="warnings" aria-label="Warnings"><p>To know before reading:</p><ul>${items.join("")}</ul></aside>`;
}

/** The line that says when the notebook was run; nothing where no executor has noted it. */
export function made({ execution }: Provenance): string {
  if (!execution) return "";
  const day = execution.started.slice(0, 10);
  return `<p class="made">Run on <time datetime="${escapeHTML(execution.started)}">${escapeHTML(day)}</time> in ${duration(execution.seconds)}</p>\n`;
}

/** Unfolds the code of all cells, on paper too; hidden where the browser cannot do it by style rules. */
const ALL_CODE = '<label class="all-code"><input type="checkbox" id="report-code"> Show all code, in print too</label>';

/** Headings down to the third level, and the page's own sections. */
function contents(document: ReportDocument): string {
  const entries = document.headings
    .filter(({ level }) => level <= 3)
    .map(({ id, level, number, tokens }) => ({ id, level, text: `<span class="heading-number">${number}</span> ${headingText(tokens)}` }));
  if (document.footnotes.length) entries.push({ id: "report-footnotes", level: 2, text: "Footnotes" });
  if (document.citations.length) entries.push({ id: "report-references", level: 2, text: "References" });
  entries.push({ id: "report-provenance", level: 2, text: "Provenance" });
  const items = entries.map(({ id, level, text }) => `<li class="level-${level}"><a href="#${escapeHTML(id)}">${text}</a></li>`);
  const all = document.blocks.some(({ kind }) => kind === "code") ? `${ALL_CODE}\n` : "";
  return `<nav aria-label="Contents"><details open><summary>Contents</summary>\n<ul>\n${items.join("\n")}\n</ul></details>\n${all}</nav>\n`;
}

/** The footnotes, as a section at the page's end. */
export function footnotes(document: ReportDocument, markdown: MarkdownWriter): string {
  if (!document.footnotes.length) return "";
  const items = document.footnotes.map(({ number, mentions, tokens }) => {
    const back = Array.from(
      { length: mentions },
      (_, i) => `<a class="back" href="#fnref-${number}-${i + 1}" aria-label="Back to the text">↩</a>`,
    ).join(" ");
    const html = markdown.blocks(tokens).trim();
    return `<li id="fn-${number}">${html.endsWith("</p>") ? `${html.slice(0, -4)} ${back}</p>` : `${html} ${back}`}</li>`;
  });
  return `<section aria-labelledby="report-footnotes">\n<h2 id="report-footnotes">Footnotes</h2>\n<ol>\n${items.join("\n")}\n</ol>\n</section>`;
}

/** The entries that a document cites, as a section at the page's end. */
export function references(document: ReportDocument): string {
  if (!document.citations.length) return "";
  const items = document.citations.map((key, i) => {
    const { text, title, rest, url } = describeEntry(document.bibliography.get(key)!);
    const name = url
      ? `<a class="external" rel="noopener noreferrer" href="${escapeHTML(url)}">${escapeHTML(title)}</a>`
      : escapeHTML(title);
    return `<li id="ref-${i + 1}">${escapeHTML(text)}${name}${dotBehind(title)}${rest ? ` <i>${escapeHTML(rest)}</i>${dotBehind(rest)}` : ""}</li>`;
  });
  return `<section aria-labelledby="report-references">\n<h2 id="report-references">References</h2>\n<ol class="references">\n${items.join("\n")}\n</ol>\n</section>`;
}
