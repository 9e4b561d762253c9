/** An entry of more characters is left out: the time to read one grows faster than its length. */
const LONGEST = 30_000;

/** A line that begins an entry, a string or a comment. */
const START = /^(?=[ \t]*@[a-z]+\s*[{(])/im;
const KEY = /@([a-z]+)\s*[{(]\s*([^\s,{}()="#]+)/gi;
const CROSSREF = /\bcrossref\s{0,20}=\s{0,20}(?:[{"]\s{0,20})?([^\s,{}"]+)/gi;
/** Fields that no list of references shows, with braces two deep at most. */
const UNSHOWN = /\b(?:abstract|annotation|annote|file|keywords|review) *= *\{(?:[^{}\\]|\\.|\{(?:[^{}\\]|\\.)*\})*\}/gis;

/** The part of a `.bib` file from one line that begins with `@` to the next one. */
interface Part {
  text: string;
  /** From 1 up. */
  line: number;
  /** Keys of its entries, in lower case. */
  keys: string[];
  kind: "entry" | "string" | "other";
}

/**
 * The text with blank lines in place of what nobody asks for: reading a word costs about 0.2 ms, and a file may have thousands of entries. Strings
 * stay, parents of entries by `crossref` too, and the first entry whose braces do not match, so that the reader can tell of it.
 *
 * @param keys of the entries that are asked for
 * @returns `tooLong`: entries that were asked for and are too long to be read
 */
export function askedFor(text: string, keys: readonly string[]): { source: string; tooLong: { key: string; line: number }[] } {
  const parts = partsOf(text);
  const asked = withParents(parts, keys);
  const isAsked = ({ kind, keys }: Part) => kind === "string" || keys.some((key) => asked.has(key));
  const broken = parts.find((part) => part.kind === "entry" && !isAsked(part) && !isBalanced(part.text));
  const isRead = (part: Part) => part.text.length <= LONGEST && (isAsked(part) || part === broken);
  return {
    source: parts.map((part) => (isRead(part) ? part.text : blank(part.text))).join(""),
    tooLong: parts.filter((part) => isAsked(part) && !isRead(part)).map(({ keys, line }) => ({ key: keys[0]!, line })),
  };
}

function partsOf(text: string): Part[] {
  let line = 1;
  return text.split(START).map((part) => {
    const found = [...part.matchAll(KEY)];
    const type = found[0]?.[1]?.toLowerCase();
    const here = line;
    line += part.split("\n").length - 1;
    return {
      text: part.replace(UNSHOWN, blank),
      line: here,
      keys: found.map(([, , key]) => key!.toLowerCase()),
      kind: type === "string" ? "string" : type === undefined || type === "comment" || type === "preamble" ? "other" : "entry",
    };
  });
}

/** The keys in lower case, and those that their entries refer to by `crossref`. */
function withParents(parts: readonly Part[], keys: readonly string[]): ReadonlySet<string> {
  const asked = new Set(keys.map((key) => key.toLowerCase()));
  for (let before = -1; before < asked.size; ) {
    before = asked.size;
    for (const { text, keys } of parts)
      if (keys.some((key) => asked.has(key))) for (const [, parent] of text.matchAll(CROSSREF)) asked.add(parent!.toLowerCase());
  }
  return asked;
}

/** Keeps the line ends, by which places are told. */
const blank = (text: string): string => text.replace(/[^\n]+/g, "");

function isBalanced(text: string): boolean {
  let depth = 0;
  for (const [brace] of text.matchAll(/\\[\s\S]|[{}]/g)) depth += brace === "{" ? 1 : brace === "}" ? -1 : 0;
  return depth === 0;
}
