import { decodeHTML } from "entities";
import { Marked, type Token, type TokenizerAndRendererExtension, type Tokens } from "marked";
import { otherPage, pendingText, type Reach, referenceText, targetOf } from "../document/cross-reference.js";
import type { CitationToken, FootnoteReferenceToken, HeadingInfo, MathToken, ReferenceToken, ReportDocument } from "../document/model.js";
import { decode, findPicture } from "../document/pictures.js";
import { describeEntry } from "../document/reference-text.js";
import { escapeHTML } from "./escape.js";
import { colourCode } from "./highlight.js";
import { displayMath, mathML } from "./math.js";
import { sanitizeMarkdown } from "./sanitize.js";
import { layOutCells } from "./table-cells.js";

/** Where references and links lead. */
export interface Links extends Reach {
  /** Stems of all documents of the set, to turn links to notebooks into links to reports. */
  stems: ReadonlySet<string>;
  /** The notebook's folder, from which pictures beside it are taken. */
  folder: string;
  warn(text: string): void;
  /** The stem of the document at whose end footnotes and references stand, where that is another one. */
  notesIn?: string;
  /** The file of another document of the set; `STEM.html` unless told. */
  fileOf?(stem: string): string;
}

/** Turns a document's tokens into sanitised HTML. */
export class MarkdownWriter {
  private readonly marked: Marked;
  private attachments: Record<string, Record<string, string>> = {};

  constructor(protected readonly links: Links) {
    const writer = this;
    const inline = (name: string, renderer: (token: never) => string) =>
      ({ name, renderer: renderer as never }) as unknown as TokenizerAndRendererExtension;
    this.marked = new Marked({ gfm: true }).use({
      extensions: [
        inline("math", (token: MathToken) => mathML(token.tex, token.display)),
        inline("mathBlock", (token: MathToken) => equation(token, links.document)),
        inline("reference", (token: ReferenceToken) => this.reference(token.label)),
        inline("citation", (token: CitationToken) => this.citation(token)),
        inline("footnoteReference", (token: FootnoteReferenceToken) => this.footnoteMark(token)),
        inline("footnote", () => ""),
      ],
      renderer: {
        heading(token) {
          const { id, number, level } = (token as Tokens.Heading & { info?: HeadingInfo }).info ?? {};
          const text = this.parser.parseInline(token.tokens);
          if (id === undefined) return `<p><strong>${text}</strong></p>\n`;
          return `<h${level} id="${escapeHTML(id)}"><span class="heading-number">${number}</span> ${text} <a class="anchor" href="#${escapeHTML(id)}" aria-label="Link to section ${number}">#</a></h${level}>\n`;
        },
        code({ text, lang }) {
          return `<pre tabindex="0"><code>${colourCode(text, lang?.split(/\s/)[0] ?? "")}</code></pre>\n`;
        },
        table(token) {
          const cells = (row: Tokens.TableCell[], tag: "th" | "td") =>
            row
              .map(
                (cell) =>
                  `<${tag}${tag === "th" ? ' scope="col"' : ""}${cell.align ? ` align="${cell.align}"` : ""}>${this.parser.parseInline(cell.tokens)}</${tag}>`,
              )
              .join("");
          const body = token.rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("\n");
          return `<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>\n<thead><tr>${cells(token.header, "th")}</tr></thead>\n<tbody>\n${body}\n</tbody></table></div>\n`;
        },
        html({ text, tokens }: (Tokens.HTML | Tokens.Tag) & { tokens?: Token[] }) {
          return tokens ? this.parser.parseInline(tokens) : text;
        },
        image({ href: address, title, text: alt, width }: Tokens.Image & { width?: number }) {
          const [href, text] = [decodeHTML(address), decodeHTML(alt)];
          const source = writer.picture(href);
          const named = title ? ` title="${escapeHTML(decodeHTML(title))}"` : "";
          if (source) return `<img src="${source}" alt="${escapeHTML(text)}"${named}${width ? ` width="${width}"` : ""}>`;
          writer.links.warn(`picture ${href.slice(0, 80)} is not beside the notebook and was left out`);
          return `<span class="absent">[picture left out: ${escapeHTML(text || href)}]</span>`;
        },
        link({ href, title, tokens }) {
          const target = writer.href(decodeHTML(href));
          const text = this.parser.parseInline(tokens);
          return target ? `<a href="${escapeHTML(target)}"${title ? ` title="${escapeHTML(decodeHTML(title))}"` : ""}>${text}</a>` : text;
        },
        checkbox({ checked }) {
          return `<span class="task" role="img" aria-label="${checked ? "done" : "open"}">${checked ? "☑" : "☐"}</span> `;
        },
      },
    });
  }

  /** @param attachments pictures that the cell carries */
  blocks(tokens: Token[], attachments: Record<string, Record<string, string>> = {}): string {
    this.attachments = attachments;
    return layOutCells(sanitizeMarkdown(this.marked.parser(tokens)));
  }

  inline(tokens: Token[]): string {
    return sanitizeMarkdown(this.marked.Parser.parseInline(tokens, this.marked.defaults));
  }

  /** What a reference says, as plain text. */
  readonly named = (label: string): string | undefined => referenceText(label, this.links);

  private reference(label: string): string {
    const { document } = this.links;
    const target = targetOf(label, this.links);
    if (!target) {
      const pending = pendingText(label, this.links);
      if (pending) return `<span class="absent" title="${escapeHTML(label)}">${pending}</span>`;
      this.links.warn(`reference @${label} leads nowhere`);
      return `<span class="unresolved">@${escapeHTML(label)}</span>`;
    }
    const file = target.stem === document.stem ? "" : this.page(target.stem);
    const page = otherPage(target, this.links);
    const of = page === undefined ? "" : ` of <em>${escapeHTML(page)}</em>`;
    const text = `${escapeHTML(target.text)}${of}`;
    return target.absent ? text : `<a class="reference" href="${file}#${label}">${text}</a>`;
  }

  private citation({ items }: CitationToken): string {
    const { document } = this.links;
    const parts = items.map(({ key, prefix, suffix }) => {
      const number = document.citations.indexOf(key) + 1;
      const before = prefix ? `${escapeHTML(prefix)} ` : "";
      if (number === 0) return `${before}<span class="unresolved">${escapeHTML(key)}?</span>${escapeHTML(suffix)}`;
      const { text, title } = describeEntry(document.bibliography.get(key)!);
      return `${before}<a href="${this.notes}#ref-${number}" title="${escapeHTML(text + title)}">${number}</a>${escapeHTML(suffix)}`;
    });
    return `<span class="citation">[${parts.join("; ")}]</span>`;
  }

  private footnoteMark({ number, mention, id }: FootnoteReferenceToken): string {
    if (number === undefined) return `<span class="unresolved">[^${escapeHTML(id)}]</span>`;
    const place = this.notes ? "" : ` id="fnref-${number}-${mention}"`; // to which the note leads back
    return `<sup class="footnote-mark"${place}><a href="${this.notes}#fn-${number}" aria-label="Footnote ${number}">${number}</a></sup>`;
  }

  /** The page at whose end footnotes and references stand; empty for this one. */
  private get notes(): string {
    return this.links.notesIn === undefined ? "" : this.page(this.links.notesIn);
  }

  /** A data URL for a picture that the notebook carries or that lies in its folder; nothing for others. */
  private picture(href: string): string | undefined {
    const found = findPicture(href, this.attachments, this.links.folder);
    return found && `data:${found.mime};base64,${found.base64}`;
  }

  /** Where the page of another document of the set is. */
  protected page(stem: string): string {
    return encodeURIComponent(this.links.fileOf?.(stem) ?? `${stem}.html`);
  }

  /** Links between notebooks become links between reports. */
  protected href(href: string): string | undefined {
    if (/^(?:https?:|mailto:|#)/i.test(href)) return href;
    if (/^[a-z][\w+.-]*:|^\/\//i.test(href)) return undefined;
    const notebook = /^(?:\.\/)?([^/#]+)\.ipynb(#.*)?$/.exec(href);
    if (notebook && this.links.stems.has(decode(notebook[1]!))) return `${this.page(decode(notebook[1]!))}${notebook[2] ?? ""}`;
    return href;
  }
}

/** The first equation with a label has its id. */
function equation({ tex, label, number }: MathToken, { labels }: ReportDocument): string {
  const math = `<div class="math" tabindex="0" role="group" aria-label="${number ? `Equation ${number}` : "Equation"}">${displayMath(tex)}</div>`;
  const shown = number ? `<a class="equation-number" href="#${label}" aria-label="Link to equation ${number}">(${number})</a>` : "";
  const first = label !== undefined && labels.get(label)?.text === `Equation ${number}`;
  return `<div class="equation"${first ? ` id="${label}"` : ""}>${math}${shown}</div>\n`;
}
