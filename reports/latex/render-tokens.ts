import { decodeHTML } from "entities";
import type { Token, Tokens } from "marked";
import { otherPage, pendingText, type Reach, referenceText, targetOf } from "../document/cross-reference.js";
import { htmlTokens, nestInlineHTML } from "../document/html-tokens.js";
import { plainText } from "../document/markdown.js";
import type { CitationToken, FootnoteReferenceToken, HeadingInfo, HTMLTableToken, MathToken, ReferenceToken } from "../document/model.js";
import { decode } from "../document/pictures.js";
import { tableContent } from "../document/table-content.js";
import { fileName } from "../figure-files.js";
import { citationKey } from "./bibliography.js";
import { codeTeX } from "./code.js";
import { escapeCode, escapeTeX, keepSpaces } from "./escape.js";
import { safeMath } from "./math.js";
import { TableWriter } from "./table-writer.js";
import type { Template } from "./templates.js";

/** What writing tokens needs. */
export interface TeXContext extends Reach {
  template: Template;
  /** Stems of all documents of the set. */
  stems: ReadonlySet<string>;
  /** The files of the pictures in prose, with their widths in pixels; those that cannot be had are missing. */
  pictures: ReadonlyMap<Token, { path: string; width: number }>;
  warn(text: string): void;
}

/** Where text stands: in a paragraph; in a caption, heading or table cell, which take neither breaks nor notes. */
type Place = "paragraph" | "line";

/** LaTeX nests lists four deep, and groups 255. */
const MAX_LISTS = 4;
const MAX_INLINE = 20;

/** Characters of a formula that may be wider than a page. */
const LONG_MATH = 120;

const SECTIONS = ["section", "subsection", "subsubsection", "paragraph", "subparagraph"];

/** Turns a document's tokens into LaTeX in which nothing of the notebook is a command. */
export class TeXWriter {
  readonly tables: TableWriter;
  /** Footnotes whose text has a place already. */
  private readonly placed = new Set<number>();
  /** Footnotes that are marked, and whose text comes after the block. */
  private waiting: number[] = [];
  private inNote = false;
  private lists = 0;
  private nesting = 0;

  constructor(private readonly context: TeXContext) {
    this.tables = new TableWriter(context.template, (tokens) => this.line(tokens));
  }

  /** What a reference says. */
  readonly named = (label: string): string | undefined => referenceText(label, this.context);

  blocks(tokens: readonly Token[]): string {
    return tokens
      .map((token) => this.block(token) + this.notes())
      .filter((part) => part.trim() !== "")
      .join("\n\n");
  }

  /** A caption, heading or cell. */
  line(tokens: readonly Token[]): string {
    return this.inline(tokens, "line").trim();
  }

  /** The texts of footnotes that were marked in captions, headings and cells. */
  notes(): string {
    let result = "";
    for (let number = this.waiting.shift(); number !== undefined; number = this.waiting.shift())
      result += `\n\\footnotetext[${number}]{${this.note(number)}}`;
    return result;
  }

  private block(token: Token): string {
    switch (token.type) {
      case "paragraph":
      case "text":
        return "tokens" in token && token.tokens ? this.inline(token.tokens, "paragraph").trim() : escapeTeX(decodeHTML(token.raw));
      case "heading":
        return this.heading(token as Tokens.Heading);
      case "list":
        return this.list(token as Tokens.List);
      case "blockquote":
        return this.nested("quote", () => this.blocks(token.tokens ?? []));
      case "code":
        return codeTeX((token as Tokens.Code).text, ((token as Tokens.Code).lang ?? "").split(/\s/)[0]!);
      case "table":
      case "htmlTable":
        return this.tables.unnumbered(tableContent(token as Tokens.Table | HTMLTableToken));
      case "html":
        return this.blocks(htmlTokens(token.raw, token));
      case "hr":
        return "\\rule{\\linewidth}{0.4pt}\\par";
      case "mathBlock":
        return this.equation(token as unknown as MathToken);
      default:
        return "";
    }
  }

  private heading({ tokens, info }: Tokens.Heading & { info?: HeadingInfo }): string {
    const text = this.line(tokens);
    if (!info) return `\\textbf{${text}}`;
    const plain = escapeTeX(plainText(tokens, this.named));
    const label = this.context.document.labels.get(info.id)?.kind === "section" ? `\\label{${info.id}}` : "";
    return `\\${SECTIONS[info.level - 2]}${text === plain ? "" : `[${plain}]`}{${text}}${label}`;
  }

  private list({ ordered, start, items }: Tokens.List): string {
    const first = Math.min(9999, Math.max(0, Number(start) || (start === 0 ? 0 : 1)));
    const body = () =>
      items
        .map((item, i) => {
          const mark = item.task ? `[$${item.checked ? "\\boxtimes" : "\\square"}$]` : "";
          const content = this.blocks(item.tokens.filter(({ type }) => type !== "checkbox"));
          return this.lists > MAX_LISTS
            ? `${ordered ? `${first + i}.` : "\\textbullet"}\\ ${content}`
            : `\\item${mark} ${ordered && !mark && i === 0 && first !== 1 ? `\\setcounter{enum${ROMAN[this.lists]}}{${first}}` : ""}${content}`;
        })
        .join("\n");
    return items.length ? this.nested(ordered ? "enumerate" : "itemize", body) : "";
  }

  /** An environment, or its content alone where LaTeX would nest it too deep. */
  private nested(environment: string, content: () => string): string {
    this.lists++;
    const body = content();
    const whole = this.lists > MAX_LISTS || body.trim() === "" ? body : `\\begin{${environment}}\n${body}\n\\end{${environment}}`;
    this.lists--;
    return whole;
  }

  /** A numbered equation counts as it does in the other formats, one that stands as its source or has a tag of its own too. */
  private equation({ tex, label, number }: MathToken): string {
    const math = safeMath(tex, true);
    const first = label !== undefined && this.context.document.labels.get(label)?.text === `Equation ${number}`;
    const named = first ? `\\label{${label}}` : "";
    if (math === undefined) {
      this.refused(tex);
      const counted = `\n\\refstepcounter{equation}${named}\\hspace*{\\fill}(\\theequation)`;
      return codeTeX(`$$${tex}$$`, "") + (number === undefined ? "" : counted);
    }
    const long = this.context.template.name === "two-column" || math.length > LONG_MATH;
    const fitted = long && !math.includes("\\tag") ? `\\fittedmath{${math}}` : math;
    if (number === undefined) return `\\[\n${fitted}\n\\]`;
    const step = math.includes("\\tag") ? "\\stepcounter{equation}" : "";
    return `\\begin{equation}\n${fitted}\n${named && `${named}\n`}\\end{equation}${step}`;
  }

  private refused(tex: string): void {
    this.context.warn(`formula ${tex.replace(/\s+/g, " ").slice(0, 60)} is none that LaTeX may be given, and stands as its source`);
  }

  private inline(tokens: readonly Token[], place: Place): string {
    if (this.nesting >= MAX_INLINE) return escapeTeX(plainText(tokens));
    this.nesting++;
    const written = nestInlineHTML(tokens)
      .map((token) => this.span(token, place))
      .join("");
    this.nesting--;
    return written;
  }

  private span(token: Token, place: Place): string {
    const inner = () => this.inline(("tokens" in token && token.tokens) || [], place);
    switch (token.type) {
      case "text":
        return "tokens" in token && token.tokens ? inner() : escapeTeX(decodeHTML(token.text));
      case "escape":
        return escapeTeX(token.text);
      case "strong":
        return `\\textbf{${inner()}}`;
      case "em":
        return `\\emph{${inner()}}`;
      case "del":
        return `\\deleted{${inner()}}`;
      case "sub":
        return `\\textsubscript{${inner()}}`;
      case "sup":
        return `\\textsuperscript{${inner()}}`;
      case "codespan":
        return `\\texttt{${escapeCode(token.text.replace(/\s+/g, " "))}}`;
      case "br":
        return place === "paragraph" ? "\\leavevmode\\newline{}" : " ";
      case "link":
        return this.link(token as Tokens.Link, inner());
      case "image":
        return this.image(token as Tokens.Image);
      case "math":
      case "mathBlock":
        return this.math(token as unknown as MathToken, place);
      case "reference":
        return this.reference((token as unknown as ReferenceToken).label);
      case "citation":
        return this.citation(token as unknown as CitationToken);
      case "footnoteReference":
        return this.footnote(token as unknown as FootnoteReferenceToken, place);
      default:
        return "tokens" in token && token.tokens ? inner() : "";
    }
  }

  private math({ tex, display }: MathToken, place: Place): string {
    const math = safeMath(tex, display);
    if (math === undefined) this.refused(tex);
    if (math === undefined) return `\\texttt{${keepSpaces(escapeCode(display ? `$$${tex}$$` : `$${tex}$`).replace(/\s+/g, " "))}}`;
    if (!display) return `$${math}$`;
    return place === "paragraph" ? `\\[${math}\\]` : `$\\displaystyle ${math}$`;
  }

  private link(token: Tokens.Link, text: string): string {
    const href = decodeHTML(token.href);
    if (/^(?:https?:|mailto:)/i.test(href)) return `\\href{${escapeURL(href)}}{${text}}`;
    const inside = /^#([A-Za-z][\w-]*)$/.exec(href)?.[1];
    if (inside && this.context.document.labels.has(inside)) return `\\hyperref[${inside}]{${text}}`;
    const stem = decode(/^(?:\.\/)?([^/#]+)\.ipynb(?:#.*)?$/.exec(href)?.[1] ?? "");
    return this.context.stems.has(stem) ? `\\href{${escapeURL(`${stem}.pdf`)}}{${text}}` : text;
  }

  private image(token: Tokens.Image): string {
    const picture = this.context.pictures.get(token);
    if (picture) return `\\picturefile{${points(picture.width)}}{${picture.path}}`;
    const [href, text] = [decodeHTML(token.href).slice(0, 80), decodeHTML(token.text)];
    this.context.warn(`picture ${href} is not beside the notebook and was left out`);
    return `{[}picture left out: ${escapeTeX(text || href)}{]}`;
  }

  private reference(label: string): string {
    const target = targetOf(label, this.context);
    if (!target) {
      const pending = pendingText(label, this.context);
      if (pending) return `{[}${pending.slice(1, -1)}{]}`;
      this.context.warn(`reference @${label} leads nowhere`);
      return `\\texttt{${escapeCode(`@${label}`)}}`;
    }
    if (target.kind === "value") return escapeTeX(target.text);
    const [, name, number] = /^(\w+) (.*)$/.exec(target.text)!;
    const page = otherPage(target, this.context);
    if (page === undefined) return `${name}~\\ref{${label}}`;
    if (target.absent) return `${name}~${escapeTeX(number!)} of \\emph{${escapeTeX(page)}}`;
    const id = fileName(target.stem);
    return `${name}~\\refinother{${id}}{${label}}{${number}} of \\emph{${escapeTeX(page)}}`;
  }

  private citation({ items }: CitationToken): string {
    const { document } = this.context;
    const known = ({ key }: { key: string }) => document.citations.includes(key);
    if (items.every((item) => known(item) && !item.prefix && !item.suffix))
      return `\\cite{${items.map(({ key }) => citationKey(key)).join(",")}}`;
    return items
      .map((item) => {
        if (!known(item)) return unresolved(item);
        const [before, after] = [escapeTeX(item.prefix), escapeTeX(item.suffix.replace(/^,?\s*/, ""))];
        return `\\cite${before ? `[${before}][${after}]` : after ? `[${after}]` : ""}{${citationKey(item.key)}}`;
      })
      .join(" ");
  }

  private footnote({ number, id }: FootnoteReferenceToken, place: Place): string {
    if (number === undefined) return `\\texttt{${escapeCode(`[^${id}]`)}}`;
    if (this.placed.has(number)) return `\\protect\\footnotemark[${number}]`;
    this.placed.add(number);
    if (place === "paragraph" && !this.inNote) return `\\footnote[${number}]{${this.note(number)}}`;
    this.waiting.push(number);
    return `\\protect\\footnotemark[${number}]`;
  }

  private note(number: number): string {
    const outer = this.inNote;
    this.inNote = true;
    const text = this.blocks(this.context.document.footnotes[number - 1]!.tokens);
    this.inNote = outer;
    return text;
  }
}

/** What a citation says whose key no file has. */
function unresolved({ key, prefix, suffix }: CitationToken["items"][number]): string {
  return `{[}${prefix ? `${escapeTeX(prefix)} ` : ""}\\textbf{${escapeTeX(`${key}?`)}}${escapeTeX(suffix)}{]}`;
}

const ROMAN = ["", "i", "ii", "iii", "iv"];

/** A width of pixels, 96 an inch. */
export const points = (pixels: number) => `${(0.75 * pixels).toFixed(1)}bp`;

/** An address for hyperref: characters that TeX reads are percent-encoded or escaped. */
function escapeURL(url: string): string {
  const encoded = url.replace(/[^\w\-.:/?#&=+,;@!()%*]/gu, (character) => {
    try {
      return encodeURIComponent(character).replace(/['~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
    } catch {
      return "%EF%BF%BD";
    }
  });
  return encoded.replace(/[%#&_]/g, "\\$&");
}
