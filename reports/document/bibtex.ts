import type { Creator, Entry, Library } from "@retorquere/bibtex-parser";
import { remembered } from "../../src/setup/remembered.js";
import { reason } from "../reason.js";
import { askedFor } from "./bibtex-source.js";
import type { BibliographyEntry, People, Person } from "./model.js";

/** What was read of a `.bib` file. */
export interface Bibliography {
  entries: BibliographyEntry[];
  /** One line for each thing that cannot be read, with its place. */
  problems: string[];
}

/**
 * Reads entries of a `.bib` file. Of several with one key the first counts, as in BibTeX.
 *
 * @param keys of the entries to read
 * @param name of the file, for messages
 */
export async function readBibTeX(text: string, keys: readonly string[], name: string): Promise<Bibliography> {
  const { source, tooLong } = askedFor(text, keys);
  const problems = tooLong.map(({ key, line }) => `${name}, line ${line}: entry ${key} is too long to be read and was left out`);
  const entries = new Map<string, BibliographyEntry>();
  try {
    const { entries: read, errors } = await parsed(source);
    for (const error of errors) problems.push(problem(error, source, name));
    for (const entry of read) {
      const isWhole = entry.input !== ""; // the parser hands out what it has read of a broken one
      if (isWhole && keys.includes(entry.key) && !entries.has(entry.key)) entries.set(entry.key, plainEntry(entry));
    }
  } catch (error) {
    problems.push(`${name}: cannot be read (${reason(error)})`);
  }
  return { entries: [...entries.values()], problems };
}

/** Names the parser with the options below in the cache: to be changed with either. */
const PARSER = "@retorquere/bibtex-parser 9.0.29, 1";

/** What the parser says. It takes 0.3 s to load, so only a text that cites waits for it, and only once. */
async function parsed(source: string): Promise<Pick<Library, "entries" | "errors">> {
  const json = await remembered("references", [PARSER, source], async () => {
    const { parse } = await import("@retorquere/bibtex-parser");
    const { entries, errors } = parse(protect(source), { sentenceCase: false, unsupported });
    return Buffer.from(JSON.stringify({ entries, errors }));
  });
  return JSON.parse(new TextDecoder().decode(json));
}

/** The parser takes `<` and `>` for `¡` and `¿`, as TeX does, and means markup by its own ones: they go through as characters for private use. */
const protect = (source: string): string => source.replaceAll("<", "\ue000").replaceAll(">", "\ue001");
const unprotect = (text: string): string => text.replaceAll("\ue000", "<").replaceAll("\ue001", ">");

/** What a command that the parser does not know is as text. Its arguments stay. */
function unsupported(node: { type: string; content?: unknown }): string {
  if (node.type !== "macro") return "";
  return node.content === " " ? " " : (/^(?:Bib)?TeX$/.exec(String(node.content))?.[0] ?? "");
}

function problem({ error, input = "" }: { error: string; input?: string }, source: string, name: string): string {
  const cause = unprotect(error.split("\n")[0]!)
    .replace(/ in "\w+"$/, "")
    .replace(/^Maximum call stack.*/, "nested too deeply")
    .slice(0, 200);
  const at = (index: number) => (index < 0 ? name : `${name}, line ${source.slice(0, index).split("\n").length}`);
  const text = unprotect(input);
  const key = /^@\w+\s*[{(]\s*([^\s,{}()]*)/.exec(text)?.[1];
  if (key !== undefined) return `${at(source.indexOf(text))}: entry ${key} cannot be read and was left out (${cause})`;
  const word = /^Unresolved @string reference "(\w+)"$/.exec(error)?.[1];
  if (word) return `${at(source.search(new RegExp(`[=#]\\s*${word}\\b`)))}: @string ${word} is not defined; its name stands in its place`;
  return `${text === "" ? name : at(source.indexOf(text))}: ${cause}`;
}

/** Fields in which `~` and `--` are themselves. */
const ADDRESSES = new Set(["url", "doi", "eprint"]);
const MONTHS = "January February March April May June July August September October November December".split(" ");

function plainEntry({ key, type, fields: { author, editor, ...fields } }: Entry): BibliographyEntry {
  const texts = Object.entries(fields).map(([name, value]): [string, string] => {
    const text = Array.isArray(value) ? value.map((part) => (typeof part === "string" ? part : "")).join(" and ") : value;
    if (ADDRESSES.has(name)) return [name, address(text)];
    return [name, name === "month" ? (MONTHS[Number(text) - 1] ?? plainText(text)) : plainText(text)];
  });
  return {
    key,
    type: type.toLowerCase(),
    fields: Object.fromEntries(texts),
    ...(author && { authors: people(author) }),
    ...(editor && { editors: people(editor) }),
  };
}

/** Without the parser's markup, for which the writers have no place. */
const plainText = (text: string): string =>
  unprotect(
    text
      .replaceAll("LᴬT<sub>E</sub>X", "LaTeX")
      .replace(/<\/?(?:br|p|li)>/g, " ")
      .replace(/<\/?(?:a|b|code|i|span|sub|sup)(?: [a-z]+="[^"]*")?>/g, ""),
  )
    .replace(/([ıȷ])(?=\p{M})/gu, (letter) => (letter === "ı" ? "i" : "j"))
    .normalize("NFC")
    .replace(/\s+/g, " ")
    .trim();

const address = (text: string): string =>
  unprotect(text)
    .replace(/^\s*\\url\s*\{([\s\S]*)\}\s*$/, "$1")
    .replace(/\\([&%$#_~])(?:\{\})?/g, "$1")
    .replace(/[{}\s]/g, "");

function people(list: readonly Creator[]): People {
  const last = list.at(-1);
  const others = last !== undefined && /^others$/i.test(last.lastName ?? "") && !last.firstName;
  return { list: (others ? list.slice(0, -1) : list).map(person), others };
}

const JUNIOR = /^(?:jr|sr|junior|senior)\.?$/i;
const isSuffix = (text: string | undefined) => text !== undefined && (JUNIOR.test(text) || /^(?:I{1,3}|IV|VI{0,3})$/.test(text));

/** BibTeX's order is "Hinton, Jr., Geoffrey"; "Hinton, Geoffrey, Jr." and "Geoffrey Hinton, Jr." are read as they are meant. */
function person(creator: Creator): Person {
  const part = (name: "name" | "lastName" | "firstName" | "prefix" | "suffix") => plainText(creator[name] ?? "");
  if (creator.name !== undefined) return { family: part("name"), corporate: true };
  let [family, given, prefix, suffix] = [part("lastName"), part("firstName"), part("prefix"), part("suffix")];
  if (suffix && isSuffix(given) && !isSuffix(suffix)) [given, suffix] = [suffix, given];
  else if (!suffix && JUNIOR.test(given)) {
    suffix = given;
    given = prefix ? "" : family.slice(0, Math.max(0, family.lastIndexOf(" ")));
    family = prefix ? family : family.slice(family.lastIndexOf(" ") + 1);
  }
  return { family, ...(given && { given }), ...(prefix && { prefix }), ...(suffix && { suffix }) };
}
