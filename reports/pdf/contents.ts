import { PDFArray, PDFDict, PDFDocument, PDFName, type PDFRef } from "@cantoo/pdf-lib";
import { decode } from "../document/pictures.js";

/** Entries of a contents list below which it is not printed, see the style rules. */
const FEWEST = 3;

/**
 * A page of HTML with a page number at each entry of its contents. Browsers cannot count that themselves while they lay out, so the page is printed once to learn it.
 * @param print the PDF of a page
 */
export async function numbered(html: string, print: (html: string) => Promise<Uint8Array>): Promise<string> {
  if (html.split('<li class="level-').length <= FEWEST) return html;
  const pages = await pageNumbers(await print(withPageNumbers(html, () => 10)));
  return withPageNumbers(html, (id) => pages.get(id) ?? "");
}

/** The pages, from 1 up, of the places that links within a PDF lead to, by the ids that they have in the page of HTML. */
async function pageNumbers(bytes: Uint8Array): Promise<Map<string, number>> {
  const pdf = await PDFDocument.load(bytes, { updateMetadata: false });
  const pages = pdf.getPages().map(({ ref }) => ref);
  const places = pdf.catalog.lookupMaybe(PDFName.of("Dests"), PDFDict);
  const entries = places?.entries() ?? [];
  return new Map(
    entries.map(([name]) => {
      const page = places!.lookup(name, PDFArray).get(0);
      return [decode(Buffer.from(name.asBytes()).toString("utf8")), 1 + pages.indexOf(page as PDFRef)];
    }),
  );
}

/** @param numberOf the page of an id; empty where it is not known */
function withPageNumbers(html: string, numberOf: (id: string) => number | ""): string {
  const start = html.indexOf('<nav aria-label="Contents">');
  const end = html.indexOf("</nav>", start);
  const lines = html.slice(start, end).split("\n");
  const numbered = lines.map((line) =>
    line.replace(/^(<li class="level-\d"><a href="#)([^"]*)">(.*)<\/a><\/li>$/, (_, before: string, id: string, text: string) => {
      return `${before}${id}"><span>${text}</span><span class="page">${numberOf(id)}</span></a></li>`;
    }),
  );
  return html.slice(0, start) + numbered.join("\n") + html.slice(end);
}
