import type { BibliographyEntry } from "./model.js";

/**
 * Reads BibTeX's everyday part: entries with braced, quoted or bare values, `@string` names, comments, accents. What cannot be read is
 * left out.
 */
export function parseBibTeX(text: string): Map<string, BibliographyEntry> {
  const entries = new Map<string, BibliographyEntry>();
  const strings = new Map<string, string>();
  const scanner = new Scanner(text);
  while (scanner.skipTo("@")) {
    const type = scanner.word().toLowerCase();
    if (!scanner.take("{")) continue;
    if (type === "comment" || type === "preamble") {
      scanner.braced();
      continue;
    }
    if (type === "string") {
      for (const [name, value] of scanner.fields(strings)) strings.set(name, value);
      continue;
    }
    const key = scanner.until(/[,}]/).trim();
    scanner.take(",");
    const read = ([name, value]: [string, string]) => [name, ADDRESSES.has(name) ? readAddress(value) : readTeX(value)];
    const fields = Object.fromEntries([...scanner.fields(strings)].map(read));
    if (key) entries.set(key, { key, type, fields });
  }
  return entries;
}

/** A reference as in a list of references: authors, year, title, where it appeared, link. */
export function describeEntry({ fields }: BibliographyEntry): { text: string; title: string; rest: string; url?: string } {
  const people = names(fields.author ?? fields.editor ?? "");
  const text = `${people ? `${people.replace(/\.$/, "")}. ` : ""}${fields.year ? `${fields.year}. ` : ""}`;
  const place = fields.journal ?? fields.booktitle ?? fields.publisher ?? fields.howpublished ?? fields.school ?? "";
  const arxiv = fields.eprint && /arxiv/i.test(fields.archiveprefix ?? fields.eprinttype ?? "") ? `arXiv:${fields.eprint}` : "";
  const rest = [place, fields.volume && `vol. ${fields.volume}`, fields.pages && `pp. ${fields.pages}`, arxiv].filter(Boolean).join(", ");
  const url =
    fields.url ??
    (fields.doi
      ? `https://doi.org/${fields.doi.replace(/^(?:https?:\/\/(?:dx\.)?doi\.org\/|doi:)/i, "")}`
      : arxiv
        ? `https://arxiv.org/abs/${fields.eprint}`
        : undefined);
  return { text, title: fields.title ?? "", rest, ...(url && /^https?:\/\//.test(url) && { url }) };
}

/** "Feng, Kehua and Others" as "Kehua Feng et al." where there are more than three. */
function names(list: string): string {
  const people = list.split(" and ").filter(Boolean);
  const readable = people.map((name) =>
    name.includes(",")
      ? name
          .split(",")
          .map((part) => part.trim())
          .reverse()
          .join(" ")
      : name,
  );
  const cut = readable.length > 3 || /^others$/i.test(readable.at(-1) ?? "");
  if (cut) return `${readable[0]} et al.`;
  return readable.length < 2 ? (readable[0] ?? "") : `${readable.slice(0, -1).join(", ")} and ${readable.at(-1)}`;
}

/** Fields in which `~` and `--` are themselves. */
const ADDRESSES = new Set(["url", "doi", "eprint"]);

const readAddress = (value: string): string =>
  value
    .replace(/^\s*\\url\s*\{([\s\S]*)\}\s*$/, "$1")
    .replace(/\\([&%$#_~])(?:\{\})?/g, "$1")
    .replace(/[{}\s]/g, "");

const COMBINING: Record<string, string> = {
  '"': "\u0308",
  "'": "\u0301",
  "`": "\u0300",
  "^": "\u0302",
  "~": "\u0303",
  c: "\u0327",
  v: "\u030c",
  "=": "\u0304",
  ".": "\u0307",
  r: "\u030a",
};

function readTeX(value: string): string {
  return value
    .replace(/\{?\\(["'`^~=.]|[cvr](?=[\s{]))\s*\{?(\\?[a-zA-Z])\}?\}?/g, (_, accent: string, letter: string) =>
      `${letter.replace(/^\\/, "")}${COMBINING[accent]}`.normalize("NFC"),
    )
    .replace(/\\((?:La|Bib)?TeX)\b\s*/g, "$1")
    .replace(/\\ss\b\s*/g, "ß")
    .replace(/\\([oO])\b\s*/g, (_, o) => (o === "o" ? "ø" : "Ø"))
    .replace(/\\([&%$#_{}])/g, "$1")
    .replace(/---?/g, "–")
    .replace(/~/g, " ")
    .replace(/\\[a-zA-Z]+\s*/g, "")
    .replace(/[{}]/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

class Scanner {
  private at = 0;
  constructor(private readonly text: string) {}

  skipTo(character: string): boolean {
    const next = this.text.indexOf(character, this.at);
    this.at = next < 0 ? this.text.length : next + 1;
    return next >= 0;
  }

  word(): string {
    const start = this.at;
    while (/[\w-]/.test(this.text[this.at] ?? "")) this.at++;
    return this.text.slice(start, this.at);
  }

  take(character: string): boolean {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  until(stop: RegExp): string {
    const start = this.at;
    while (this.at < this.text.length && !stop.test(this.text[this.at]!)) this.at++;
    return this.text.slice(start, this.at);
  }

  /** The rest of a braced group whose opening brace is taken. */
  braced(): string {
    const start = this.at;
    for (let depth = 1; this.at < this.text.length; this.at++) {
      if (this.text[this.at] === "\\") this.at++;
      else if (this.text[this.at] === "{") depth++;
      else if (this.text[this.at] === "}" && --depth === 0) return this.text.slice(start, this.at++);
    }
    return this.text.slice(start);
  }

  /** `name = value, ...}` up to the entry's end. */
  *fields(strings: ReadonlyMap<string, string>): Generator<[string, string]> {
    for (;;) {
      while (this.take(",")) {}
      if (this.at >= this.text.length || this.take("}")) return;
      const name = this.word().toLowerCase();
      if (!name || !this.take("=")) {
        this.braced();
        return;
      }
      let value = this.value(strings);
      while (this.take("#")) value += this.value(strings);
      yield [name, value];
    }
  }

  private value(strings: ReadonlyMap<string, string>): string {
    if (this.take("{")) return this.braced();
    if (this.take('"')) {
      const start = this.at;
      for (let depth = 0; this.at < this.text.length; this.at++) {
        const c = this.text[this.at];
        if (c === "\\") this.at++;
        else if (c === "{") depth++;
        else if (c === "}") depth--;
        else if (c === '"' && depth === 0) return this.text.slice(start, this.at++);
      }
      return this.text.slice(start);
    }
    const word = this.until(/[,}#\s]/);
    return strings.get(word.toLowerCase()) ?? word;
  }

  private space(): void {
    while (/\s/.test(this.text[this.at] ?? "")) this.at++;
  }
}
