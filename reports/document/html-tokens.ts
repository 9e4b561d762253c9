import { type AnyNode, type Element, hasChildren, isTag, isText } from "domhandler";
import { decodeHTML } from "entities";
import { parseDocument } from "htmlparser2";
import type { Token, Tokens } from "marked";
import type { HTMLTableToken, TableCell } from "./model.js";

/**
 * HTML that a cell has shown, or that stands in Markdown, as tokens, for formats that are not HTML: text, emphasis, lists, code, links, tables.
 * Other elements are their content; scripts, styles and forms are left out.
 */
export function htmlTokens(html: string): Token[] {
  return blocks(parseDocument(html, { decodeEntities: true }).children);
}

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

function inline(nodes: readonly AnyNode[]): Token[] {
  return nodes.flatMap((node): Token[] => {
    if (isText(node)) return [text(node.data)];
    if (!isTag(node) || LEFT_OUT.has(node.name)) return [];
    if (node.name === "br") return [BREAK];
    if (node.name === "img")
      return [{ type: "image", raw: "", href: node.attribs.src ?? "", title: null, text: node.attribs.alt ?? "" } as Tokens.Image];
    return wrapped(node.name, node.attribs, inline(node.children));
  });
}

/** As in Markdown, character references in text are still to be decoded. */
const text = (data: string): Token => ({ type: "text", raw: data, text: data.replace(/\s+/g, " ").replaceAll("&", "&amp;") }) as Token;

/** Blocks; neighbouring inline nodes make a paragraph. */
function blocks(nodes: readonly AnyNode[]): Token[] {
  const result: Token[] = [];
  let run: AnyNode[] = [];
  const flush = () => {
    const tokens = inline(run);
    if (textOf(tokens).trim() || tokens.some(({ type }) => type === "image"))
      result.push({ type: "paragraph", raw: "", text: "", tokens } as Token);
    run = [];
  };
  for (const node of nodes) {
    if (!isTag(node) ? isText(node) : INLINE.has(node.name) || node.name === "br" || node.name === "img") run.push(node);
    else if (hasChildren(node) && !(isTag(node) && LEFT_OUT.has(node.name))) {
      flush();
      result.push(...block(node as Element));
    }
  }
  flush();
  return result;
}

function block(element: Element): Token[] {
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
          items: items.map((item) => ({ type: "list_item", raw: "", task: false, loose: false, text: "", tokens: blocks(item.children) })),
        } as Token,
      ];
    }
    case "pre":
      return [{ type: "code", raw: "", text: plain(children).replace(/^\n|\n$/g, "") } as Tokens.Code];
    case "blockquote":
      return [{ type: "blockquote", raw: "", text: "", tokens: blocks(children) } as Token];
    case "hr":
      return [{ type: "hr", raw: "" } as Token];
    case "table":
      return [table(element) as unknown as Token];
    case "h1":
    case "h2":
    case "h3":
    case "h4":
    case "h5":
    case "h6":
    case "summary":
    case "caption":
    case "dt":
      return [{ type: "paragraph", raw: "", text: "", tokens: [{ type: "strong", raw: "", text: "", tokens: inline(children) }] } as Token];
    default:
      return blocks(children);
  }
}

const plain = (nodes: readonly AnyNode[]): string =>
  nodes.map((node) => (isText(node) ? node.data : isTag(node) && !LEFT_OUT.has(node.name) ? plain(node.children) : "")).join("");

/** A table's rows; cells that span rows are followed by empty ones below. */
function table(element: Element): HTMLTableToken {
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
      cells.push({ tokens: inline(cell.children.flatMap(flattened)), span, ...alignment(cell) });
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
