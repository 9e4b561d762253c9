import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/setup/paths.js";
import { reason } from "../reason.js";
import { type Bibliography, readBibTeX } from "./bibtex.js";
import { allTokens } from "./build.js";
import type { CitationToken, ReportDocument } from "./model.js";

/** The file beside a notebook with what it cites. */
export const REFERENCES = "references.bib";

/**
 * Numbers what a document cites, in the order of reading, and adds the entries. What is not found, or cannot be read, is told of in the
 * document's warnings.
 *
 * @param folder of the notebook: its `references.bib` counts, else the one of erpo's own notebooks
 */
export async function addReferences(document: ReportDocument, folder: string): Promise<void> {
  const tokens = allTokens(document) as unknown as CitationToken[];
  const keys = [...new Set(tokens.flatMap((token) => (token.type === "citation" ? token.items.map(({ key }) => key) : [])))];
  if (keys.length === 0) return;
  const { entries, problems } = await readFrom(folder, keys);
  document.bibliography = new Map(entries.map((entry) => [entry.key, entry]));
  document.citations = keys.filter((key) => document.bibliography.has(key));
  document.warnings.push(...problems);
  for (const key of keys) if (!document.bibliography.has(key)) document.warnings.push(`citation @${key} is not in ${REFERENCES}`);
}

async function readFrom(folder: string, keys: readonly string[]): Promise<Bibliography> {
  const file = [folder, join(packageRoot(), "notebooks")].map((place) => join(place, REFERENCES)).find((place) => existsSync(place));
  if (file === undefined) return { entries: [], problems: [] };
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return { entries: [], problems: [`${REFERENCES} cannot be read (${reason(error)})`] };
  }
  return readBibTeX(text, keys, REFERENCES);
}
