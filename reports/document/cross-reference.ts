import type { ReportDocument, Target } from "./model.js";

/** Where references of a document lead: to this document, or to another one of the set. */
export interface Reach {
  document: ReportDocument;
  /** Labels of all documents of the set. */
  targets: ReadonlyMap<string, Target>;
}

/** What a label stands for: this document's own one, else another one's of the set. */
export const targetOf = (label: string, { document, targets }: Reach): Target | undefined =>
  document.labels.get(label) ?? targets.get(label);

/** The name of the page that a reference leads to, where that is another one than the reader's. A value reads the same wherever it is from. */
export const otherPage = (target: Target, { document }: Reach): string | undefined =>
  target.stem === document.stem || target.kind === "value" ? undefined : target.page;

/** What a reference says as plain text: "Figure 3", "Section 5 of Stage 1". */
export function referenceText(label: string, reach: Reach): string | undefined {
  const target = targetOf(label, reach);
  const page = target && otherPage(target, reach);
  return page === undefined ? target?.text : `${target!.text} of ${page}`;
}

const MADE_BY_CELLS: Readonly<Record<string, string>> = { fig: "figure", tbl: "table", val: "number" };

/** What stands for a figure, a table or a value that a cell of this document may make, but has not yet: "[figure]". Undefined where all cells have run, so that the label is wrong. */
export function pendingText(label: string, { document }: Reach): string | undefined {
  const kind = MADE_BY_CELLS[label.slice(0, label.indexOf("-"))];
  const waits = document.blocks.some((block) => block.kind === "code" && block.executionCount === null);
  return kind && waits ? `[${kind}]` : undefined;
}

/** Tells each label of a set what its page is called: by the title as far as its first colon, where no other page begins so. */
export function namePages(documents: readonly ReportDocument[]): void {
  const short = ({ title }: ReportDocument) => /^(.*?\S)\s*:\s/.exec(title)?.[1] ?? title;
  for (const document of documents) {
    const alone = documents.every((other) => other === document || short(other) !== short(document));
    for (const target of document.labels.values()) target.page = alone ? short(document) : document.title;
  }
}
