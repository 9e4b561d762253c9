import type { BibliographyEntry, People, Person, ReportDocument } from "../document/model.js";
import { arxivOf, describeEntry } from "../document/reference-text.js";
import { escapeTeX } from "./escape.js";

/** A key for `\cite`: letters of ASCII, digits and `:./_-`; others stand as their code points. */
export const citationKey = (key: string): string => key.replace(/[^\w:./-]/gu, (character) => `u${character.codePointAt(0)!.toString(16)}`);

const TYPES = new Set(
  "article book booklet conference inbook incollection inproceedings manual mastersthesis misc phdthesis proceedings techreport unpublished".split(
    " ",
  ),
);

const FIELDS =
  "title booktitle journal year month volume number series edition chapter pages publisher institution organization school address howpublished note doi".split(
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
  const note = [fields.note, arxivOf(entry)].filter(Boolean).join(", ");
  const rows = Object.entries({ ...fields, ...(note && { note }) })
    .filter(([name, value]) => FIELDS.includes(name) && value.trim())
    .map(([name, value]): [string, string] => [name, fieldText(name, value)]);
  for (const [name, people] of [
    ["editor", entry.editors],
    ["author", entry.authors],
  ] as const)
    if (people?.list.length) rows.unshift([name, namesText(people)]);
  if (url) rows.push(["url", encodeURI(url.replace(/[\p{Cs}{}\\^`"<>|]/gu, "")).replaceAll("%25", "%")]);
  const body = rows.map(([name, value]) => `  ${name} = {${value}}`).join(",\n");
  return `@${TYPES.has(entry.type) ? entry.type : "misc"}{${key},\n${body}\n}\n`;
}

/** `von der Leyen, Ursula and {Team} and others`. */
const namesText = ({ list, others }: People): string => [...list.map(nameText), ...(others ? ["others"] : [])].join(" and ");

function nameText({ family, given, prefix, suffix, corporate }: Person): string {
  const isPlain = !corporate && !/,|\band\b|^others$/i.test(family);
  const name = isPlain ? bounded([prefix, family].filter(Boolean).join(" ")) : `{${bounded(family)}}`;
  const rest = [suffix, given].filter((part) => part !== undefined).map((part) => fieldText("author", part));
  return [name, ...(suffix !== undefined && given === undefined ? [...rest, ""] : rest)].join(", ");
}

/** BibTeX makes an entry's label of the names, and cuts what is longer than 250 characters in the middle of a command; a label has two names at most. */
const LONGEST_NAME = 100;

function bounded(name: string): string {
  const whole = fieldText("author", name);
  if (whole.length <= LONGEST_NAME) return whole;
  const characters = [...name];
  let kept = Math.min(characters.length, LONGEST_NAME);
  while (fieldText("author", characters.slice(0, kept).join("")).length > LONGEST_NAME) kept--;
  return `${fieldText("author", characters.slice(0, kept).join(""))}...`;
}

/** Titles keep their capitals; ranges of pages have BibTeX's dash. */
function fieldText(name: string, value: string): string {
  const text = escapeTeX(value.replace(/[{}]/g, "")).replace(/\S{60,}/g, wrappable); // BibTeX counts escaped braces too
  if (name === "pages") return text.replace(/ ?– ?/g, "--");
  return name === "title" ? `{${text}}` : text;
}

/** BibTeX cuts lines at 79 characters, in the middle of a command where there is no space. */
const wrappable = (word: string): string => word.replace(/\\[a-zA-Z]+\{(?:[^{}]|\{[^{}]*\})*\}(?=\S)/g, "$&\\allowbreak ");
