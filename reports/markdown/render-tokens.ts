import { decodeHTML } from "entities";
import type { Token, Tokens } from "marked";
import { anchor } from "../document/anchors.js";
import { otherPage, pendingText, type Reach, referenceText, targetOf } from "../document/cross-reference.js";
import { htmlTokens, nestInlineHTML } from "../document/html-tokens.js";
import { plainText } from "../document/markdown.js";
import type {
  CitationToken,
  FootnoteReferenceToken,
  HeadingInfo,
  HTMLTableToken,
  MathToken,
  ReferenceToken,
  TableCell,
} from "../document/model.js";
import { decode } from "../document/pictures.js";
import { rowTokens, type TableContent, tableContent } from "../document/table-content.js";
import { safeMath } from "../latex/math.js";
import { altText, atStart, codeBlock, codeSpan, escapeMarkdown, linkTarget } from "./escape.js";

/** What writing tokens needs. */
export interface MarkdownContext extends Reach {
  /** Stems of all documents of the set. */
  stems: ReadonlySet<string>;
  /** The files of the pictures in prose; those that cannot be had are missing. */
  pictures: ReadonlyMap<Token, { path: string }>;
  /** The file of each labelled figure. */
  figures: ReadonlyMap<string, string>;
  warn(text: string): void;
}

const MAX_NESTING = 20;
const hardBreak = "\\\n";

/** Turns a document's tokens into GitHub-flavoured Markdown without HTML, its numbers and references resolved. */
export class GitHubWriter {
  private nesting = 0;
  private inTable = false;

  constructor(private readonly context: MarkdownContext) {}

  /** What a reference says. */
  readonly named = (label: string): string | undefined => referenceText(label, this.context);

  blocks(tokens: readonly Token[]): string {
    return tokens
      .map((token) => this.block(token))
      .filter((part) => part.trim() !== "")
      .join("\n\n");
  }

  /** A caption, heading or cell. */
  line(tokens: readonly Token[]): string {
    return this.inline(tokens).replace(/\\\n/g, " ").trim();
  }

  table({ head, rows, align }: TableContent): string {
    this.inTable = true;
    const line = (row: readonly TableCell[]) =>
      `| ${rowTokens(row, { align })
        .map((tokens) => this.line(tokens))
        .join(" | ")} |`;
    const rule = align.map((side) => ({ left: "---", right: "--:", center: ":-:" })[side]);
    const lines = [line(head[0] ?? []), `| ${rule.join(" | ")} |`, ...[...head.slice(1), ...rows].map(line)];
    this.inTable = false;
    return lines.join("\n");
  }

  /** The definitions of all footnotes. */
  footnotes(): string {
    return this.context.document.footnotes
      .map(({ number, tokens }) => `[^${number}]: ${this.blocks(tokens).replace(/\n(?=.)/g, "\n    ")}`)
      .join("\n");
  }

  private block(token: Token): string {
    if (this.nesting >= MAX_NESTING) return atStart(escapeMarkdown(plainText([token])));
    this.nesting++;
    const written = this.blockOf(token);
    this.nesting--;
    return written;
  }

  private blockOf(token: Token): string {
    switch (token.type) {
      case "paragraph":
      case "text":
        return ("tokens" in token && token.tokens ? this.inline(token.tokens).trim() : escapeMarkdown(decodeHTML(token.raw)))
          .split(hardBreak)
          .map(atStart)
          .join(hardBreak);
      case "heading": {
        const { tokens, info } = token as Tokens.Heading & { info?: HeadingInfo };
        return info ? `${"#".repeat(info.level)} ${info.number} ${this.line(tokens)}` : `**${this.line(tokens)}**`;
      }
      case "list":
        return this.list(token as Tokens.List);
      case "blockquote":
        return this.blocks(token.tokens ?? []).replace(/^/gm, "> ");
      case "code":
        return codeBlock((token as Tokens.Code).text, ((token as Tokens.Code).lang ?? "").split(/\s/)[0]!);
      case "table":
      case "htmlTable":
        return this.table(tableContent(token as Tokens.Table | HTMLTableToken));
      case "html":
        return this.blocks(htmlTokens(token.raw, token));
      case "hr":
        return "---";
      case "mathBlock": {
        const { tex, number } = token as unknown as MathToken;
        return displayMath(tex, number);
      }
      default:
        return "";
    }
  }

  private list({ ordered, start, items }: Tokens.List): string {
    return items
      .map((item, i) => {
        const mark = ordered ? `${(Number(start) || (start === 0 ? 0 : 1)) + i}.` : "-";
        const task = item.task ? `[${item.checked ? "x" : " "}] ` : "";
        const content = this.blocks(item.tokens.filter(({ type }) => type !== "checkbox"));
        return `${mark} ${task}${content.replace(/\n(?=.)/g, `\n${" ".repeat(mark.length + 1)}`)}`;
      })
      .join("\n");
  }

  private inline(tokens: readonly Token[]): string {
    if (this.nesting >= MAX_NESTING) return escapeMarkdown(plainText(tokens));
    this.nesting++;
    const written = nestInlineHTML(tokens)
      .map((token) => this.span(token))
      .join("");
    this.nesting--;
    return written;
  }

  private span(token: Token): string {
    const inner = () => this.inline(("tokens" in token && token.tokens) || []);
    switch (token.type) {
      case "text":
        return "tokens" in token && token.tokens ? inner() : escapeMarkdown(decodeHTML(token.text));
      case "escape":
        return escapeMarkdown(token.text);
      case "strong":
        return around("**", inner());
      case "em":
        return around("*", inner());
      case "del":
        return around("~~", inner());
      case "sub":
      case "sup":
        return script(token.type, inner());
      case "codespan":
        return this.inTable ? codeSpan(token.text).replaceAll("|", "\\|") : codeSpan(token.text);
      case "br":
        return hardBreak;
      case "link":
        return this.link(token as Tokens.Link, inner());
      case "image":
        return this.image(token as Tokens.Image);
      case "math":
      case "mathBlock":
        return this.inTable ? withoutPipes(inlineMath(token as unknown as MathToken)) : inlineMath(token as unknown as MathToken);
      case "reference":
        return this.reference((token as unknown as ReferenceToken).label);
      case "citation":
        return this.citation(token as unknown as CitationToken);
      case "footnoteReference": {
        const { number, id } = token as unknown as FootnoteReferenceToken;
        return number === undefined ? codeSpan(`[^${id}]`) : `[^${number}]`;
      }
      default:
        return "tokens" in token && token.tokens ? inner() : "";
    }
  }

  private link(token: Tokens.Link, text: string): string {
    const href = decodeHTML(token.href);
    const heading = this.context.document.headings.find(({ id }) => href === `#${id}`);
    if (heading && text.trim()) return `[${text}](${linkTarget(`#${anchor(`${heading.number} ${heading.text}`)}`)})`;
    const notebook = /^(?:\.\/)?([^/#]+)\.ipynb(?:#.*)?$/.exec(href)?.[1];
    const target = notebook && this.context.stems.has(decode(notebook)) ? `${notebook}.md` : href;
    if (/^(?!https?:|mailto:)[a-z][\w+.-]*:|^\/\/|^#/i.test(target.trim()) || !text.trim()) return text;
    return `[${text}](${linkTarget(target)})`;
  }

  private image(token: Tokens.Image): string {
    const picture = this.context.pictures.get(token);
    if (picture) return `![${altText(decodeHTML(token.text))}](${linkTarget(picture.path)})`;
    const [href, text] = [decodeHTML(token.href).slice(0, 80), decodeHTML(token.text)];
    this.context.warn(`picture ${href} is not beside the notebook and was left out`);
    return `\\[picture left out: ${escapeMarkdown(text || href)}\\]`;
  }

  /** A number with a link to a section, to a figure's file, or to another document. */
  private reference(label: string): string {
    const { document, figures, warn } = this.context;
    const target = targetOf(label, this.context);
    if (!target) {
      const pending = pendingText(label, this.context);
      if (pending) return escapeMarkdown(pending);
      warn(`reference @${label} leads nowhere`);
      return codeSpan(`@${label}`);
    }
    const text = escapeMarkdown(target.text);
    if (target.kind === "value") return text;
    const page = otherPage(target, this.context);
    if (page !== undefined) {
      const named = `${text} of *${escapeMarkdown(page)}*`;
      return target.absent ? named : `[${named}](${linkTarget(`${target.stem}.md`)})`;
    }
    const heading = target.kind === "section" ? document.headings.find(({ id }) => id === label) : undefined;
    const place = heading ? `#${anchor(`${heading.number} ${heading.text}`)}` : figures.get(label);
    return place ? `[${text}](${linkTarget(place)})` : text;
  }

  private citation({ items }: CitationToken): string {
    const { document } = this.context;
    const parts = items.map(({ key, prefix, suffix }) => {
      const number = document.citations.indexOf(key) + 1;
      const shown = number ? `[${number}](#references)` : `${escapeMarkdown(key)}?`;
      return `${prefix ? `${escapeMarkdown(prefix)} ` : ""}${shown}${escapeMarkdown(suffix)}`;
    });
    return `\\[${parts.join("; ")}\\]`;
  }
}

/** Marks around text, with the spaces at its ends outside. */
function around(mark: string, text: string): string {
  const inner = text.trim();
  const before = text.slice(0, text.length - text.trimStart().length);
  return inner ? `${before}${mark}${inner}${mark}${text.slice(before.length + inner.length)}` : text;
}

const script = (kind: "sub" | "sup", text: string): string =>
  /^[\w+-]{1,20}$/.test(text) ? `$${kind === "sub" ? "_" : "^"}{\\text{${text.replaceAll("_", "\\_")}}}$` : text;

/**
 * A formula as its author wrote it, if it holds nothing but known commands. Where a reader knows no mathematics, nothing in it is a tag or a
 * link either.
 */
const knownMath = (tex: string, display: boolean): string | undefined =>
  safeMath(tex, display) === undefined
    ? undefined
    : tex
        .replace(/<(?=[a-z/!?])/gi, "< ")
        .replace(/\](?=[([:])/g, "] ")
        .replace(/\n[ \t]*(?=\n)/g, "")
        .trim();

/** In one line, where a comment would not end. */
function inlineMath({ tex, display }: MathToken): string {
  const known = /(?<!\\)%/.test(tex) ? undefined : knownMath(tex, display)?.replace(/\s+/g, " ");
  if (known === undefined) return codeSpan(display ? `$$${tex}$$` : `$${tex}$`);
  return display ? `$$${known}$$` : `$${known}$`;
}

/**
 * A formula for a cell of a table, of which a `|` would be the end: by its name, so that readers other than GitHub know it; escaped where it is text, or a rule of an array.
 * What is shown as code has it escaped, too.
 */
function withoutPipes(formula: string): string {
  if (formula.startsWith("`")) return formula.replaceAll("|", "\\|");
  const bar = /\\(?:text|begin|mathrm)/.test(formula) ? "\\|" : "\\vert ";
  return formula.replace(/\| ?/g, bar);
}

/** An equation, with its number if it has one. */
export function displayMath(tex: string, number?: number): string {
  const known = knownMath(tex, true);
  if (known === undefined) return codeBlock(`$$${tex}$$`, "");
  return `$$\n${known}${number && !/\\tag\b/.test(known) ? ` \\tag{${number}}` : ""}\n$$`;
}
