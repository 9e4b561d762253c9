import { findChromium, noChromium } from "../../src/setup/chromium.js";
import { fontLack } from "../../src/setup/fonts.js";
import type { Paper } from "../formats.js";
import { writeHTML } from "../html/write.js";
import type { Writer } from "../set.js";
import { numbered } from "./contents.js";
import { finishPDF } from "./finish.js";
import { fontCSS } from "./fonts.js";
import { printPage } from "./print.js";

/**
 * Writes `<stem>.pdf`: the HTML page as an installed Chromium prints it. Its date is that of the notebook's run (or SOURCE_DATE_EPOCH): the
 * same notebook gives the same bytes with the same Chromium and fonts.
 *
 * @throws Error in one line where there is no Chromium, or no font for a script of the page
 */
export function pdfWriter(paper: Paper): Writer {
  const chromium = findChromium();
  if (!chromium) {
    const { what, mend } = noChromium();
    throw new Error(`${what}: ${mend}`);
  }
  return async (source, set) => {
    const { document, provenance } = source;
    const [page] = await writeHTML(source, set);
    const lack = fontLack(String(page!.content));
    if (lack) throw new Error(lack);
    const html = printable(String(page!.content));
    const bytes = await printPage(await numbered(html, (trial) => printPage(trial, chromium, paper)), chromium, paper);
    const { title, authors, stem } = document;
    const date = runDate(provenance.execution?.started);
    return [{ path: `${stem}.pdf`, content: await finishPDF(bytes, { title, authors, date, stems: set.stems, provenance }) }];
  };
}

/** Lines of a folded output at most that are printed. */
const PRINTED_LINES = 200;

/** `Printed: 63 lines`: unfolded, or with the place where they are. */
function unfolded(details: string): string {
  const lines = Number(/ (\d{1,9}) lines</.exec(details)?.[1] ?? 0);
  return lines <= PRINTED_LINES
    ? details.replace("<details", "<details open")
    : details.replace("</summary>", ", which are in the notebook</summary>");
}

/**
 * The page with its own fonts, all code and what else is folded but the longest outputs unfolded: paper has no place to click. Figure elements are groups, so that only pictures are
 * tagged as figures, and tables stay tables. Titles within references are quoted: of a link with an element in it Chromium makes one area or two, now so and now so.
 */
function printable(html: string): string {
  return html
    .replace("</head>", () => `<style>${fontCSS()}</style>\n</head>`)
    .replaceAll('<details class="code"', '<details open class="code"')
    .replaceAll(/<details class="output"><summary>[^<]*<\/summary>/g, unfolded)
    .replaceAll(/<a [^<>]*>https?:/g, (link) => link.replace('class="external"', "")) // says its address already
    .replaceAll(/(<a class="reference"[^<>]*>[^<>]*)<em>([^<>]*)<\/em>/g, "$1\u201C$2\u201D")
    .replaceAll(/<figure(?=[\s>])/g, '<figure role="group"');
}

/** SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/) in seconds, else the time of the run. */
function runDate(started: string | undefined): Date | undefined {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  const date = new Date(epoch ? Number(epoch) * 1000 : (started ?? Number.NaN));
  return Number.isNaN(date.getTime()) ? undefined : date;
}
