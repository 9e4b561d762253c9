import { plainText } from "../document/markdown.js";
import type { ReportDocument, Target } from "../document/model.js";
import type { Provenance } from "../provenance/collect.js";
import { escapeHTML } from "./escape.js";
import { duration, pageHTML } from "./page.js";

/** The page that leads to the reports of a set. */
export function indexHTML(
  reports: readonly { document: ReportDocument; provenance: Provenance }[],
  targets: ReadonlyMap<string, Target>,
): Promise<string> {
  const items = reports.map(({ document, provenance }) => {
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
    return `<li><h2><a href="${encodeURIComponent(document.stem)}.html">${escapeHTML(document.title)}</a></h2>
${about ? `<p>${escapeHTML(about)}</p>\n` : ""}<p class="made">${escapeHTML(facts.join(" · "))}</p></li>`;
  });
  return pageHTML(
    "Reports",
    `<main id="content" class="index">\n<header><h1>Reports</h1></header>\n<ol>\n${items.join("\n")}\n</ol>\n</main>`,
  );
}

const plural = (count: number, word: string) => (count ? `${count} ${word}${count === 1 ? "" : "s"}` : "");

/** The first paragraph, cut after about 200 characters. */
function opening(document: ReportDocument, targets: ReadonlyMap<string, Target>): string {
  for (const block of document.blocks) {
    const paragraph = block.kind === "markdown" ? block.tokens.find((token) => token.type === "paragraph") : undefined;
    if (!paragraph || !("tokens" in paragraph)) continue;
    const text = plainText(paragraph.tokens ?? [], (label) => targets.get(label)?.text)
      .replace(/\s+/g, " ")
      .trim();
    if (!text) continue;
    return text.length > 200 ? `${text.slice(0, text.lastIndexOf(" ", 200))} …` : text;
  }
  return "";
}
