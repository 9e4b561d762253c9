import { PDFArray, PDFDict, PDFDocument, PDFName, type PDFRef } from "@cantoo/pdf-lib";

/** The pages, from 1 up, of the places that links within a PDF lead to, by the ids that they have in the page of HTML. */
export async function pageNumbers(bytes: Uint8Array): Promise<Map<string, number>> {
  const pdf = await PDFDocument.load(bytes, { updateMetadata: false });
  const pages = pdf.getPages().map(({ ref }) => ref);
  const places = pdf.catalog.lookupMaybe(PDFName.of("Dests"), PDFDict);
  const entries = places?.entries() ?? [];
  return new Map(
    entries.map(([name]) => {
      const page = places!.lookup(name, PDFArray).get(0);
      return [name.decodeText(), 1 + pages.indexOf(page as PDFRef)];
    }),
  );
}

/**
 * A page of HTML with a page number at each entry of its contents. Browsers cannot count that themselves while they lay out.
 * @param numberOf the page of an id
 */
export const withPageNumbers = (html: string, numberOf: (id: string) => number): string =>
  html.replace(/<nav aria-label="Contents">[\s\S]*?<\/nav>/, (contents) =>
    contents.replace(/<a href="#([^"]*)">(.*?)<\/a>/g, (_, id: string, text: string) => {
      return `<a href="#${id}"><span>${text}</span><span class="page">${numberOf(id)}</span></a>`;
    }),
  );
