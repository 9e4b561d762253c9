import { readdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { decodeHTML } from "entities";
import { allTokens, buildDocument } from "./document/build.js";
import { namePages } from "./document/cross-reference.js";
import { glossaryPlaces } from "./document/glossary.js";
import { namesIn } from "./document/markdown.js";
import type { ReportDocument, Target } from "./document/model.js";
import { pictureFile } from "./document/pictures.js";
import { addReferences, REFERENCES } from "./document/references.js";
import { checkMetadata } from "./notebook/metadata.js";
import { readNotebook } from "./notebook/read.js";
import { type Notebook, NotebookError } from "./notebook/types.js";
import { collectProvenance, experimentOf, type Provenance, readExecution, readRecord } from "./provenance/collect.js";
import { reason } from "./reason.js";

/** A notebook as the writers get it. */
export interface Source {
  path: string;
  notebook: Notebook;
  document: ReportDocument;
  provenance: Provenance;
}

/** The notebooks of one call: references and links go across them. */
export interface ReportSet {
  sources: Source[];
  /** Labels of all documents; where two documents give the same label, the earlier one's. */
  targets: ReadonlyMap<string, Target>;
  /** File names without `.ipynb`, to turn links to notebooks into links to reports. */
  stems: ReadonlySet<string>;
  /** The call has named more than one notebook, so there is an index. */
  several: boolean;
  /** Notebooks beside them, whose labels they may refer to. */
  beside: string[];
  /** Notebooks that could not be read; one line each. */
  failures: string[];
}

/** A file that a writer has made. */
export interface OutputFile {
  /** Within the folder of the reports. */
  path: string;
  content: string | Uint8Array;
}

/** Writes one document of a set in one format. */
export type Writer = (source: Source, set: ReportSet) => Promise<OutputFile[]>;

/**
 * Reads the notebooks of a call; those that cannot be read are told of in `failures`.
 * @param output folder of the reports
 * @param run folder of the experiment, with `run.json`
 * @throws NotebookError when the experiment's run.json cannot be read
 */
export async function readSet(paths: readonly string[], output: string, run: string | undefined): Promise<ReportSet> {
  if (run !== undefined) readRecord(run, output); // said once, not for each notebook
  const failures: string[] = [];
  const sources: Source[] = [];
  for (const path of paths) {
    try {
      const source = await readSource(path, sources, output, run);
      if (paths.length > 1 && source.document.stem === "index")
        throw new NotebookError(
          `${basename(path)}: the page that leads to the reports has this name; rename the notebook, or render it alone`,
        );
      sources.push(source);
    } catch (error) {
      failures.push(failure(path, error));
    }
  }
  const beside = notebooksBeside(sources);
  const others = beside.flatMap(documentOf);
  namePages([...sources.map(({ document }) => document), ...others]);
  const targets = new Map<string, Target>();
  for (const { document } of sources) {
    for (const [label, target] of document.labels) {
      const earlier = targets.get(label);
      if (!earlier) targets.set(label, target);
      else if (target.kind === "value" && earlier.text !== target.text)
        document.warnings.push(`${label} is ${target.text} here and ${earlier.text} in ${earlier.stem}, to which other notebooks refer`);
    }
  }
  for (const { labels } of others)
    for (const [label, target] of labels) if (!targets.has(label)) targets.set(label, { ...target, absent: true });
  markCited(sources.map(({ document }) => document));
  return { sources, targets, stems: new Set(sources.map(({ document }) => document.stem)), several: paths.length > 1, beside, failures };
}

/** The notebooks that lie beside those of a set and are not in it, if the set refers to a label that it has not: what it means is said without a link. */
function notebooksBeside(sources: readonly Source[]): string[] {
  const known = new Set(sources.flatMap(({ document }) => [...document.labels.keys()]));
  const missing = ({ document }: Source) => referredTo(document).some((label) => !known.has(label));
  const folders = new Set(sources.filter(missing).map(({ path }) => dirname(resolve(path))));
  const given = new Set(sources.map(({ path }) => resolve(path)));
  const files = [...folders].flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  return files.filter((file) => file.endsWith(".ipynb") && !given.has(file));
}

function documentOf(file: string): ReportDocument[] {
  try {
    return [buildDocument(checkMetadata(readNotebook(file).notebook).notebook, file)];
  } catch {
    return []; // its own report says what is wrong with it
  }
}

/** Labels that the texts of a document refer to, those of its figures for who does not see them included. */
const referredTo = (document: ReportDocument): string[] => [
  ...allTokens(document).flatMap((token) => (token.type === "reference" ? [String(token.label)] : [])),
  ...document.blocks.flatMap((block) => (block.kind === "figure" && block.alt ? namesIn(block.alt) : [])),
];

/** Marks the named numbers that a text of the set, or the text of a figure for those who do not see it, refers to. */
function markCited(documents: readonly ReportDocument[]): void {
  const cited = new Set(documents.flatMap(referredTo));
  for (const { blocks } of documents) {
    for (const block of blocks) if (block.kind === "value" && cited.has(block.label)) block.cited = true;
  }
}

async function readSource(path: string, earlier: readonly Source[], output: string, run: string | undefined): Promise<Source> {
  const { notebook: read, bytes } = readNotebook(path);
  const { notebook, warnings } = checkMetadata(read);
  const document = buildDocument(notebook, path);
  await addReferences(document, dirname(path));
  document.warnings.push(...warnings);
  if (earlier.some((other) => other.document.stem === document.stem)) {
    throw new NotebookError(`${basename(path)}: another report of this call has the name ${document.stem}`);
  }
  const provenance = collectProvenance(notebook, path, bytes, output, experimentOf(notebook, path, output, run));
  if (readExecution(notebook)?.runs && !provenance.run) document.warnings.push("the run that its numbers come from is not there any more");
  if (provenance.execution && !provenance.execution.complete) document.warnings.push("the notebook was not run to the end");
  else if (provenance.cells.length && provenance.cells.every((cell) => cell.execution_count === null))
    document.warnings.push("the notebook has not been run");
  return { path, notebook, document, provenance };
}

/** The files that the reports of these notebooks are made from, those that are missing so far included. */
export function filesOf(paths: readonly string[], { sources, beside }: ReportSet, output: string): string[] {
  const others = sources.flatMap(({ path, document, provenance: { run } }) => {
    const folder = dirname(path);
    const pictures = allTokens(document).flatMap((token) =>
      token.type === "image" ? (pictureFile(decodeHTML(token.href), folder) ?? []) : [],
    );
    return [join(folder, REFERENCES), ...glossaryPlaces(path), ...pictures, ...(run ? [join(output, run.file)] : [])];
  });
  return [...new Set([...paths, ...beside, ...others].map((file) => resolve(file)))];
}

/** One line that begins with the notebook's name. */
export function failure(path: string, error: unknown): string {
  const message = reason(error);
  return message.startsWith(path) || message.startsWith(basename(path)) ? message : `${basename(path)}: ${message}`;
}
