import { Marked, type Token, type TokenizerAndRendererExtension, type TokenizerThis } from "marked";
import { BoundedLexer } from "./bounded-lexer.js";
import type { CitationToken, FootnoteReferenceToken, FootnoteToken, MathToken, ReferenceToken } from "./model.js";

/**
 * Markdown with mathematics, references, citations and footnotes, as tokens: GitHub's Markdown plus `$...$`, `$$...$$ {#eq-...}`, `@fig-...`,
 * `[@key]`, `[^note]`. Tokens know nothing of HTML or LaTeX.
 */
export class MarkdownReader {
  private readonly lexer: () => BoundedLexer;

  /** @param sources all Markdown of the document, in order: link definitions hold everywhere */
  constructor(sources: readonly string[]) {
    const { defaults } = new Marked({ gfm: true, extensions: undefined }).use({ extensions, hooks: { emStrongMask: withoutFormulas } });
    const links: Record<string, { href: string; title: string | null | undefined }> = Object.create(null);
    this.lexer = () => {
      const lexer = new BoundedLexer(defaults);
      Object.assign(lexer.tokens.links, links);
      return lexer;
    };
    for (const source of sources) {
      if (!/^ {0,3}\[/m.test(source)) continue;
      try {
        Object.assign(links, this.lexer().lex(source).links);
      } catch {} // nested too deeply: told of when its own cell is read
    }
  }

  /**
   * Blocks: paragraphs, lists, headings, equations.
   * @throws Error when it cannot be read in seconds: lists and quotes nested too deeply, too many signs of emphasis, too large tables
   */
  blocks(source: string): Token[] {
    return this.lexer().lex(source);
  }

  /** One line of text: a caption, a heading. */
  inline(source: string): Token[] {
    return this.lexer().inlineTokens(source, []);
  }
}

type Tokenizer = (this: TokenizerThis, source: string) => (Token & { type: string }) | undefined;

const extension = (name: string, level: "block" | "inline", start: (source: string) => number | undefined, tokenizer: Tokenizer) =>
  ({ name, level, start, tokenizer: tokenizer as never, renderer: () => "" }) as TokenizerAndRendererExtension;

/** The next place where `pattern` begins, or none. marked asks at each step, so only what this step can take is looked at. */
const at = (pattern: RegExp, end: (source: string) => number) => (source: string) => {
  const index = source.slice(0, end(source)).search(pattern);
  return index < 0 ? undefined : index;
};

/** Characters of a piece of text that are looked at in one step. */
const STEP = 1000;

/** The same for text. In the middle of a long one marked is told of a space, where nothing begins: it takes the words before it as they are. */
const inText = (pattern: RegExp) => (source: string) => {
  const step = source.slice(0, STEP);
  const end = textEnd(step);
  const space = source.length > STEP && end >= STEP ? lastSpace(step) : 0;
  return space > 0 ? (at(pattern, () => space)(source) ?? space) : at(pattern, textEnd)(source);
};

/** Where the last space behind a word begins; 0 or less where there is none. */
function lastSpace(text: string): number {
  let index = text.lastIndexOf(" ");
  while (index > 0 && /\s/.test(text[index - 1]!)) index--;
  return index;
}

const orEnd = (index: number, source: string) => (index < 0 ? source.length : index);

/** Behind the blank line at which a paragraph ends. */
const paragraphEnd = (source: string) => orEnd(source.search(/\n[ \t]*\n/), source) + 2;

/** Behind the sign at which marked ends a piece of text, and so much more that a pattern which begins there is whole. */
function textEnd(source: string): number {
  const marks = /^[`~]*/.exec(source)![0].length; // begin a piece
  return marks + orEnd(source.slice(marks).search(/[\\<![*`~_$]/), source) + 8;
}

/** Environments that are formulas of their own, as MathJax reads them in notebooks, and what they are within one. */
const ENVIRONMENTS: Readonly<Record<string, string>> = {
  equation: "",
  displaymath: "",
  align: "aligned",
  alignat: "alignedat",
  gather: "gathered",
  multline: "gathered",
};
const ENVIRONMENT = new RegExp(
  `^ {0,3}\\\\begin\\{((${Object.keys(ENVIRONMENTS).join("|")})\\*?)\\}((?:(?!\\n[ \\t]*\\n)[\\s\\S])*?)\\\\end\\{\\1\\}[ \\t]*(?:\\n+|$)`,
);

function environment(source: string): MathToken | undefined {
  const found = ENVIRONMENT.exec(source);
  if (!found) return undefined;
  const name = ENVIRONMENTS[found[2]!]!;
  const body = found[3]!.replace(/\\(?:label\s*\{[^{}]*\}|nonumber\b|notag\b)/g, "").trim();
  return { type: "mathBlock", raw: found[0], tex: name ? `\\begin{${name}}${body}\\end{${name}}` : body, display: true };
}

const mathBlock = extension("mathBlock", "block", at(/\n {0,3}(?:\$\$|\\begin\{)/, paragraphEnd), (source): MathToken | undefined => {
  const bare = environment(source);
  if (bare) return bare;
  const open = /^ {0,3}\$\$/.exec(source);
  if (!open) return undefined;
  const close = source.indexOf("$$", open[0].length);
  if (close < 0) return undefined;
  const tex = source.slice(open[0].length, close);
  if (/\n[ \t]*\n/.test(tex) || tex.trim() === "") return undefined;
  const rest = /^[ \t]*(?:\{#(eq-[A-Za-z0-9_-]+)\}[ \t]*)?(?:\n+|$)/.exec(source.slice(close + 2));
  if (!rest) return undefined;
  const token: MathToken = { type: "mathBlock", raw: source.slice(0, close + 2) + rest[0], tex: tex.trim(), display: true };
  return rest[1] ? { ...token, label: rest[1] } : token;
});

const math = extension("math", "inline", inText(/\$/), (source): MathToken | undefined => {
  const display = /^\$\$([^$]+)\$\$/.exec(source);
  if (display) return { type: "math", raw: display[0], tex: display[1]!.trim(), display: true };
  // As in pandoc: no space inside the dollars, no digit after them, no blank line between them.
  const inline = /^\$(?![\s$])((?:\\[\s\S]|[^\\$])+)\$(?!\d)/.exec(source);
  if (!inline || /\s$/.test(inline[1]!) || /\n[ \t]*\n/.test(inline[1]!)) return undefined;
  return { type: "math", raw: inline[0], tex: inline[1]!, display: false };
});

/** Masks formulas where marked looks for emphasis: a star in one ends none. */
const withoutFormulas = (source: string): string =>
  source.replace(/\$\$[^$]+\$\$|\$(?![\s$])[^$]*[^\s$]\$(?!\d)/g, (formula) =>
    /\n[ \t]*\n/.test(formula) ? formula : `[${"a".repeat(formula.length - 2)}]`,
  );

const reference = extension("reference", "inline", inText(/(?<![\w.])@(?:fig|tbl|eq|sec|val)-\w/), (source): ReferenceToken | undefined => {
  const found = /^@((?:fig|tbl|eq|sec|val)-[\w-]*\w)/.exec(source);
  return found ? { type: "reference", raw: found[0], label: found[1]! } : undefined;
});

const citation = extension("citation", "inline", inText(/\[/), (source): CitationToken | undefined => {
  const found = /^\[([^[\]]*)\](?![([])/.exec(source);
  if (!found?.[1]?.includes("@")) return undefined;
  const items = found[1].split(";").map((part) => /^([^@]*)@([\p{L}\p{M}\p{N}_:./-]*[\p{L}\p{M}\p{N}_])(.*)$/su.exec(part.trim()));
  if (!items.every((item) => item !== null)) return undefined;
  if (items.some((item) => /^(?:fig|tbl|eq|sec|val)-/.test(item![2]!))) return undefined;
  return {
    type: "citation",
    raw: found[0],
    items: items.map((item) => ({ prefix: item![1]!.trim(), key: item![2]!, suffix: item![3]!.trimEnd() })),
  };
});

const footnoteReference = extension("footnoteReference", "inline", inText(/\[\^/), (source): FootnoteReferenceToken | undefined => {
  const found = /^\[\^([^\]\s]{1,200})\]/.exec(source);
  return found ? { type: "footnoteReference", raw: found[0], id: found[1]! } : undefined;
});

const footnote = extension("footnote", "block", at(/\n {0,3}\[\^[^\]\s]+\]:/, paragraphEnd), function (source): FootnoteToken | undefined {
  const found = /^ {0,3}\[\^([^\]\s]+)\]:[ \t]*/.exec(source);
  if (!found) return undefined;
  const [first = "", ...others] = source.slice(found[0].length).split("\n");
  const body = [first];
  for (const [i, line] of others.entries()) {
    const indented = /^(?: {2,}|\t)/.test(line);
    const blankBetween = line.trim() === "" && /^(?: {4,}|\t)\S/.test(others[i + 1] ?? "");
    if (!indented && !blankBetween) break;
    body.push(line.replace(/^(?: {1,4}|\t)/, ""));
  }
  const taken = source.slice(0, found[0].length + source.slice(found[0].length).split("\n").slice(0, body.length).join("\n").length);
  const newlines = /^\n*/.exec(source.slice(taken.length))![0];
  return { type: "footnote", raw: taken + newlines, id: found[1]!, tokens: this.lexer.blockTokens(body.join("\n"), []) };
});

const extensions = [mathBlock, footnote, math, footnoteReference, citation, reference];

/** All tokens below `tokens`, in the order of reading. */
export function* walk(tokens: readonly Token[]): Generator<Token> {
  for (const token of tokens) {
    yield token;
    if ("tokens" in token && token.tokens) yield* walk(token.tokens);
    if (token.type === "list") yield* walk((token as { items: Token[] }).items);
    if (token.type === "table") {
      const { header, rows } = token as { header: { tokens: Token[] }[]; rows: { tokens: Token[] }[][] };
      for (const cell of [...header, ...rows.flat()]) yield* walk(cell.tokens);
    }
  }
}

/**
 * The text of tokens without markup, for titles and contents lists.
 * @param named the text of a reference, by label
 */
export function plainText(tokens: readonly Token[], named: (label: string) => string | undefined = () => undefined): string {
  return tokens
    .map((token) => {
      if (token.type === "math" || token.type === "mathBlock") return (token as unknown as MathToken).tex;
      if (token.type === "reference") return named((token as unknown as ReferenceToken).label) ?? token.raw;
      if (token.type === "footnoteReference" || token.type === "html") return "";
      if ("tokens" in token && token.tokens) return plainText(token.tokens, named);
      if (token.type === "br") return " ";
      return "text" in token ? decodeEntities(String(token.text)) : token.raw;
    })
    .join("");
}

const REFERENCE = /(?<![\w.])@((?:fig|tbl|eq|sec|val)-[\w-]*\w)/g;

/** Alternative text with the texts of its references, such as `@val-rate`, in their place. */
export const withNames = (alt: string, named: (label: string) => string | undefined) =>
  alt.replace(REFERENCE, (raw, label: string) => named(label) ?? raw);

/** The labels that an alternative text refers to. */
export const namesIn = (alt: string): string[] => [...alt.matchAll(REFERENCE)].map(([, label]) => label!);

const ENTITIES: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
const decodeEntities = (text: string) => text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity]!);
