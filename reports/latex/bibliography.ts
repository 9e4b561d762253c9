import { describeEntry } from "../document/bibtex.js";
import type { BibliographyEntry, ReportDocument } from "../document/model.js";
import { escapeTeX } from "./escape.js";

/** A key for `\cite`: letters, digits and `:./_-`. */
export const citationKey = (key: string): string => key.replace(/[^\w:./-]/g, "-");

const TYPES = new Set(
  "article book booklet conference inbook incollection inproceedings manual mastersthesis misc phdthesis proceedings techreport unpublished".split(
    " ",
  ),
);

const FIELDS =
  "author editor title booktitle journal year month volume number series edition chapter pages publisher institution organization school address howpublished note doi".split(
    " ",
  );

/** `references.bib` of what the documents cite: every value written anew as text, so that no entry of a stranger is run. */
export function bibliographyFile(documents: readonly ReportDocument[]): string {
  const entries = new Map<string, BibliographyEntry>();
  for (const { citations, bibliography } of documents)
    for (const key of citations) if (!entries.has(citationKey(key))) entries.set(citationKey(key), bibliography.get(key)!);
  return [...entries].map(([key, entry]) => entryText(key, entry)).join("\n");
}

function entryText(key: string, entry: BibliographyEntry): string {
  const { fields } = entry;
  const { url } = describeEntry(entry);
  const arxiv = fields.eprint && /arxiv/i.test(fields.archiveprefix ?? fields.eprinttype ?? "") ? `arXiv:${fields.eprint}` : "";
  const note = [fields.note, arxiv].filter(Boolean).join(", ");
  const rows = Object.entries({ ...fields, ...(note && { note }) })
    .filter(([name, value]) => FIELDS.includes(name) && value.trim())
    .map(([name, value]): [string, string] => [name, fieldText(name, value)]);
  if (url) rows.push(["url", encodeURI(url.replace(/[\p{Cs}{}\\^`"<>|]/gu, "")).replaceAll("%25", "%")]);
  const body = rows.map(([name, value]) => `  ${name} = {${value}}`).join(",\n");
  return `@${TYPES.has(entry.type) ? entry.type : "misc"}{${key},\n${body}\n}\n`;
}

/** Titles keep their capitals; ranges of pages have BibTeX's dash. */
function fieldText(name: string, value: string): string {
  const text = escapeTeX(value.replace(/[{}]/g, "")).replace(/\S{60,}/g, wrappable); // BibTeX counts escaped braces too
  if (name === "pages") return text.replace(/ ?– ?/g, "--");
  return name === "title" ? `{${text}}` : text;
}

/** BibTeX cuts lines at 79 characters, in the middle of a command where there is no space. */
const wrappable = (word: string): string => word.replace(/\\[a-zA-Z]+\{(?:[^{}]|\{[^{}]*\})*\}(?=\S)/g, "$&\\allowbreak ");
