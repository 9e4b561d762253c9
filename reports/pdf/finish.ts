import { type PDFArray, PDFDict, PDFDocument, PDFHexString, PDFName, PDFString } from "@cantoo/pdf-lib";
import { ORIGIN } from "../../src/setup/browser-page.js";
import type { Provenance } from "../provenance/collect.js";

/** What a PDF says of itself. */
export interface About {
  title: string;
  authors: readonly string[];
  /** Undefined: the file says no date. */
  date: Date | undefined;
  /** Names of the reports of the set, without ending. */
  stems: ReadonlySet<string>;
  /** Goes along as the file `provenance.json`. */
  provenance: Provenance;
}

/**
 * Gives Chromium's PDF the document's own facts instead of the hour and the browser, so that the same report gives the same bytes, and
 * makes links to other reports of the set lead into their PDFs.
 */
export async function finishPDF(bytes: Uint8Array, about: About): Promise<Uint8Array> {
  const pdf = await PDFDocument.load(renumbered(bytes), { updateMetadata: false });
  pdf.setTitle(about.title, { showInWindowTitleBar: true });
  if (about.authors.length) pdf.setAuthor(about.authors.join(", "));
  pdf.setCreator("erpo");
  stamp(pdf, about.date);
  const json = Buffer.from(`${JSON.stringify(about.provenance, null, 1)}\n`);
  await pdf.attach(json, "provenance.json", { mimeType: "application/json", description: "What this report was made from" });
  pdf.catalog.set(PDFName.of("PageMode"), PDFName.of("UseOutlines"));
  // Chromium tags emphasis with PDF 2.0's names: readers of PDF 1.7 learn what they are
  pdf.catalog.lookup(PDFName.of("StructTreeRoot"), PDFDict).set(PDFName.of("RoleMap"), pdf.context.obj({ Strong: "Span", Em: "Span" }));
  for (const page of pdf.getPages()) {
    const annotations = page.node.Annots();
    if (annotations) relink(annotations, about.stems);
  }
  return pdf.save();
}

/** Table heads have ids that depend on what else the browser did: in the same order, they are counted from 1. */
function renumbered(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1");
  const ids = [...new Set(text.match(/\(node\d{8}\)/g))].sort();
  const places = new Map(ids.map((id, i) => [id, `(node${String(i + 1).padStart(8, "0")})`]));
  return Buffer.from(
    text.replace(/\(node\d{8}\)/g, (id) => places.get(id)!),
    "latin1",
  );
}

function stamp(pdf: PDFDocument, date: Date | undefined): void {
  if (date) {
    pdf.setCreationDate(date);
    pdf.setModificationDate(date);
    return;
  }
  const info = pdf.context.lookup(pdf.context.trailerInfo.Info, PDFDict);
  for (const key of ["CreationDate", "ModDate"]) info.delete(PDFName.of(key));
}

/** Relative links have become absolute in the browser: here they are relative again, and those to reports lead into the other PDF. */
function relink(annotations: PDFArray, stems: ReadonlySet<string>): void {
  for (let i = 0; i < annotations.size(); i++) {
    const action = annotations.lookup(i, PDFDict).lookupMaybe(PDFName.of("A"), PDFDict);
    const uri = action?.lookupMaybe(PDFName.of("URI"), PDFString, PDFHexString)?.decodeText();
    if (!action || !uri?.startsWith(ORIGIN)) continue;
    const [page, label] = uri.slice(ORIGIN.length).split("#") as [string, string?];
    const stem = [...stems].find((name) => page === `${encodeURIComponent(name)}.html`);
    if (stem === undefined) action.set(PDFName.of("URI"), PDFString.of(uri.slice(ORIGIN.length)));
    else leadInto(action, `${stem}.pdf`, label);
  }
}

/** Makes a link one to a place in another PDF, or to its beginning. */
function leadInto(action: PDFDict, file: string, label: string | undefined): void {
  const start = action.context.obj([0, "Fit"]);
  action.delete(PDFName.of("URI"));
  action.set(PDFName.of("S"), PDFName.of("GoToR"));
  action.set(PDFName.of("F"), PDFHexString.fromText(file));
  action.set(PDFName.of("D"), label === undefined ? start : PDFName.of(label));
}
