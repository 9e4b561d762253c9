import { type AnyNode, type Element, hasChildren, isTag, isText } from "domhandler";
import { decodeHTML } from "entities";
import { parseDocument } from "htmlparser2";
import type { Token, Tokens } from "marked";
import { walk } from "./markdown.js";
import type { HTMLTableToken, TableCell } from "./model.js";

/**
 * HTML that a cell has shown, or that stands in Markdown, as tokens, for formats that are not HTML: text, emphasis, lists, code, links, tables.
 * Other elements are their content; scripts, styles and forms are left out.
 * @param token of Markdown that holds the HTML: its pictures are these tokens then
 */
export function htmlTokens(html: string, token?: Token): Token[] {
  const pictures = ((token && "tokens" in token && token.tokens) || []).filter(({ type }) => type === "image") as Tokens.Image[];
  return blocks(
    parseDocument(html, { decodeEntities: true }).children,
    new Map(pictures.map((picture) => [decodeHTML(picture.href), picture])),
  );
}

/** Tokens of pictures by their addresses. */
type Pictures = ReadonlyMap<string, Token>;

/** The table in some HTML; undefined where there is none. */
export function htmlTable(html: string): HTMLTableToken | undefined {
  return htmlTokens(html).find((token) => token.type === "htmlTable") as unknown as HTMLTableToken | undefined;
}

/**
 * Inline tokens of Markdown, in which `<sub>` and `</sub>` are tokens of their own, with nested ones instead: what stands between a pair
 * becomes its content.
 */
export function nestInlineHTML(tokens: readonly Token[]): Token[] {
  const open: { tag: string; tokens: Token[] }[] = [{ tag: "", tokens: [] }];
  const close = () => {
    const { tag, tokens } = open.pop()!;
    open.at(-1)!.tokens.push(...wrapped(tag, {}, tokens));
  };
  for (const token of tokens) {
    const found = token.type === "html" ? /^<(\/?)([a-z][a-z0-9]*)/i.exec(token.raw) : null;
    const tag = found?.[2]?.toLowerCase() ?? "";
    if (token.type !== "html") open.at(-1)!.tokens.push(token);
    else if (tag === "br") open.at(-1)!.tokens.push(BREAK);
    else if (found) {
      if (!found[1] && INLINE.has(tag)) open.push({ tag, tokens: [] });
      else if (found[1] && open.some((level) => level.tag === tag)) {
        while (open.at(-1)!.tag !== tag) close();
        close();
      }
    }
  }
  while (open.length > 1) close();
  return open[0]!.tokens;
}

const LEFT_OUT = new Set(
  "script style template noscript iframe object embed textarea select option button input title head svg".split(" "),
);

/** Elements of running text: the token that each becomes. */
const INLINE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    strong: "strong b",
    em: "em i var cite",
    del: "del s",
    sub: "sub",
    sup: "sup",
    codespan: "code kbd samp",
    link: "a",
    span: "span small mark u q abbr time",
  }).flatMap(([type, tags]) => tags.split(" ").map((tag): [string, string] => [tag, type])),
);

const BREAK: Token = { type: "br", raw: "<br>" };

function wrapped(tag: string, attributes: Record<string, string>, tokens: Token[]): Token[] {
  const type = INLINE.get(tag);
  if (type === "codespan") return [{ type, raw: "", text: decodeHTML(textOf(tokens)) } as Tokens.Codespan];
  if (type === "link") return attributes.href ? [{ type, raw: "", href: attributes.href, tokens } as Tokens.Link] : tokens;
  return type && type !== "span" ? [{ type, raw: "", tokens } as Token] : tokens;
}

const textOf = (tokens: readonly Token[]): string =>
  tokens.map((token) => ("tokens" in token && token.tokens ? textOf(token.tokens) : "text" in token ? String(token.text) : " ")).join("");

function inline(nodes: readonly AnyNode[], pictures: Pictures): Token[] {
  return nodes.flatMap((node): Token[] => {
    if (isText(node)) return [text(node.data)];
    if (!isTag(node) || LEFT_OUT.has(node.name)) return [];
    if (node.name === "br") return [BREAK];
    if (node.name === "img") return [pictures.get(node.attribs.src ?? "") ?? image(node)];
    return wrapped(node.name, node.attribs, inline(node.children, pictures));
  });
}

/** Markdown's token of a picture. */
const image = ({ attribs }: Element): Token => {
  const [href, text] = [escaped(attribs.src ?? ""), escaped(attribs.alt ?? "")];
  return { type: "image", raw: "", href, title: attribs.title ? escaped(attribs.title) : null, text, ...width(attribs.width) } as Token;
};

/** As in Markdown, character references are still to be decoded. */
const escaped = (text: string) => text.replaceAll("&", "&amp;");

const width = (attribute: string | undefined): { width?: number } =>
  /^[1-9]\d{0,3}(?:px)?$/.test(attribute ?? "") ? { width: Number.parseInt(attribute!, 10) } : {};

/** The pictures in HTML, in their order, with where each begins and ends. */
const imagesIn = (nodes: readonly AnyNode[]): Element[] =>
  nodes.flatMap((node) => [
    ...(isTag(node) && node.name === "img" && node.attribs.src ? [node] : []),
    ...(hasChildren(node) ? imagesIn(node.children) : []),
  ]);

/** Gives HTML in Markdown tokens for its pictures: one in a line of text that is a picture becomes its token, others have theirs among `tokens`. */
export function findImages(tokens: readonly Token[]): void {
  for (const token of walk(tokens)) {
    if (token.type !== "html" || !/<img\b/i.test(token.raw)) continue;
    const parts: Token[] = [];
    let at = 0;
    for (const found of imagesIn(parseDocument(token.raw, { withStartIndices: true, withEndIndices: true }).children)) {
      parts.push(htmlPart(token.raw.slice(at, found.startIndex!)), image(found));
      at = found.endIndex! + 1;
    }
    if (parts.length === 0) continue;
    const rest = token.raw.slice(at);
    const inText = !(token as Tokens.HTML).block;
    if (inText && parts.length === 2 && parts[0]!.raw === "" && rest === "") Object.assign(token, parts[1], { raw: token.raw });
    else Object.assign(token, { tokens: [...parts, htmlPart(rest)] });
  }
}

const htmlPart = (raw: string): Token => ({ type: "html", raw, text: raw, pre: false, block: false });

const text = (data: string): Token => ({ type: "text", raw: data, text: escaped(data.replace(/\s+/g, " ")) }) as Token;

/** Blocks; neighbouring inline nodes make a paragraph. */
function blocks(nodes: readonly AnyNode[], pictures: Pictures): Token[] {
  const result: Token[] = [];
  let run: AnyNode[] = [];
  const flush = () => {
    const tokens = inline(run, pictures);
    if (textOf(tokens).trim() || tokens.some(({ type }) => type === "image"))
      result.push({ type: "paragraph", raw: "", text: "", tokens } as Token);
    run = [];
  };
  for (const node of nodes) {
    if (!isTag(node) ? isText(node) : INLINE.has(node.name) || node.name === "br" || node.name === "img") run.push(node);
    else if (hasChildren(node) && !(isTag(node) && LEFT_OUT.has(node.name))) {
      flush();
      result.push(...block(node as Element, pictures));
    }
  }
  flush();
  return result;
}

function block(element: Element, pictures: Pictures): Token[] {
  const { name, children } = element;
  switch (name) {
    case "ul":
    case "ol": {
      const items = children.filter((node) => isTag(node) && node.name === "li") as Element[];
      const start = Number.parseInt(element.attribs.start ?? "1", 10) || 1;
      return [
        {
          type: "list",
          raw: "",
          ordered: name === "ol",
          start,
          loose: false,
          items: items.map((item) => ({
            type: "list_item",
            raw: "",
            task: false,
            loose: false,
            text: "",
            tokens: blocks(item.children, pictures),
          })),
        } as Token,
      ];
    }
    case "pre":
      return [{ type: "code", raw: "", text: plain(children).replace(/^\n|\n$/g, "") } as Tokens.Code];
    case "blockquote":
      return [{ type: "blockquote", raw: "", text: "", tokens: blocks(children, pictures) } as Token];
    case "hr":
      return [{ type: "hr", raw: "" } as Token];
    case "table":
      return [table(element, pictures) as unknown as Token];
    case "h1":
    case "h2":
    case "h3":
    case "h4":
    case "h5":
    case "h6":
    case "summary":
    case "caption":
    case "dt":
      return [
        {
          type: "paragraph",
          raw: "",
          text: "",
          tokens: [{ type: "strong", raw: "", text: "", tokens: inline(children, pictures) }],
        } as Token,
      ];
    default:
      return blocks(children, pictures);
  }
}

const plain = (nodes: readonly AnyNode[]): string =>
  nodes.map((node) => (isText(node) ? node.data : isTag(node) && !LEFT_OUT.has(node.name) ? plain(node.children) : "")).join("");

/** A table's rows; cells that span rows are followed by empty ones below. */
function table(element: Element, pictures: Pictures): HTMLTableToken {
  const head: TableCell[][] = [];
  const rows: TableCell[][] = [];
  let spans: number[] = [];
  for (const row of descendants(element, "tr")) {
    const cells: TableCell[] = [];
    const next: number[] = [];
    const elements = row.children.filter((node) => isTag(node) && (node.name === "td" || node.name === "th")) as Element[];
    const fill = () => {
      while ((spans[columnsOf(cells)] ?? 0) > 0) {
        next[columnsOf(cells)] = spans[columnsOf(cells)]! - 1;
        cells.push({ tokens: [], span: 1 });
      }
    };
    for (const cell of elements) {
      fill();
      const span = bounded(cell.attribs.colspan);
      for (let i = 0; i < span; i++) next[columnsOf(cells) + i] = bounded(cell.attribs.rowspan) - 1;
      cells.push({ tokens: inline(cell.children.flatMap(flattened), pictures), span, ...alignment(cell) });
    }
    fill();
    spans = next;
    const isHead = elements.length > 0 && elements.every(({ name }) => name === "th") && rows.length === 0;
    if (cells.length) (isHead ? head : rows).push(cells);
  }
  return { type: "htmlTable", raw: "", head, rows };
}

const columnsOf = (cells: readonly TableCell[]) => cells.reduce((sum, { span }) => sum + span, 0);

const bounded = (attribute: string | undefined) => Math.min(100, Math.max(1, Number.parseInt(attribute ?? "1", 10) || 1));

function alignment({ attribs }: Element): Pick<TableCell, "align"> {
  const classes = (attribs.class ?? "").split(/\s+/);
  const align = classes.includes("number") ? "right" : (attribs.align ?? /text-align:\s*(\w+)/.exec(attribs.style ?? "")?.[1]);
  return align === "right" || align === "center" ? { align } : {};
}

/** Rows of the table itself, not of tables in its cells. */
function descendants(element: Element, name: string): Element[] {
  return element.children.flatMap((node): Element[] => {
    if (!isTag(node) || node.name === "table") return [];
    return node.name === name ? [node] : descendants(node, name);
  });
}

/** Blocks in a cell become lines. */
function flattened(node: AnyNode): AnyNode[] {
  if (!isTag(node) || INLINE.has(node.name) || node.name === "img" || node.name === "br" || LEFT_OUT.has(node.name)) return [node];
  return node.children.flatMap(flattened);
}
