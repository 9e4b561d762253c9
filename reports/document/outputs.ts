import { stripVTControlCharacters } from "node:util";
import { decodeXML } from "entities";
import { describe } from "../../src/figures/describe.js";
import { isRecord } from "../../src/setup/json.js";
import type { DisplayOutput, Output } from "../notebook/types.js";
import { type CellOptions, combine, pick } from "./cell-options.js";
import { findImages, htmlTokens } from "./html-tokens.js";
import { type MarkdownReader, plainText, walk } from "./markdown.js";
import type { Block, FigureBlock, TableBlock } from "./model.js";
import { overprint } from "./plain-output.js";
import { svgParts } from "./svg-parts.js";

/**
 * The outputs of one cell as blocks, each in the richest form that a document can hold.
 *
 * @param own Quarto's keys of the cell: they go to its first figure or table, or to the first without a label where they hold one; what an output says of itself stays
 * @param warn is told of what a report cannot show
 */
export function outputBlocks(
  outputs: readonly Output[],
  own: CellOptions,
  cell: number,
  reader: MarkdownReader,
  warn: (text: string) => void,
): Block[] {
  const blocks = merge(outputs).flatMap((output): Block[] => {
    switch (output.output_type) {
      case "stream":
        return output.text.trim() === "" ? [] : [{ kind: "text", cell, name: output.name, text: overprint(output.text) }];
      case "error":
        return [
          {
            kind: "error",
            cell,
            name: output.ename,
            message: stripVTControlCharacters(output.evalue),
            traceback: output.traceback.join("\n"),
          },
        ];
      default:
        return displayBlocks(output, { cell, reader, warn });
    }
  });
  addOwn(blocks, own, reader);
  return blocks.map((block) => (block.kind === "figure" ? described(block) : block));
}

/** Adds what the cell says of one figure and of one table. */
function addOwn(blocks: readonly Block[], own: CellOptions, reader: MarkdownReader): void {
  for (const [kind, prefix] of [
    ["figure", "fig"],
    ["table", "tbl"],
  ] as const) {
    const label = own.label?.startsWith(`${prefix}-`) ? own.label : undefined;
    const caption = own[`${prefix}-cap`];
    const fitting = blocks.filter((block): block is FigureBlock | TableBlock => block.kind === kind);
    const block = (label && fitting.find((one) => one.label === undefined)) || fitting[0];
    if (!block) continue;
    if (label) block.label ??= label;
    if (caption) block.caption ??= reader.inline(caption);
    if (block.kind === "figure" && own["fig-alt"]) block.alt ??= own["fig-alt"];
  }
}

/** With what is known of a figure that nobody has described. */
function described(block: FigureBlock): FigureBlock {
  const alt = block.alt ?? (block.spec && describe(block.spec)) ?? (block.caption ? undefined : ownWords(block.picture));
  return alt ? { ...block, alt } : block;
}

/** Neighbouring pieces of one stream become one. */
function merge(outputs: readonly Output[]): Output[] {
  const result: Output[] = [];
  for (const output of outputs) {
    const last = result.at(-1);
    if (output.output_type === "stream" && last?.output_type === "stream" && last.name === output.name) {
      result[result.length - 1] = { ...last, text: last.text + output.text };
    } else result.push(output);
  }
  return result;
}

const RASTER = ["image/png", "image/jpeg", "image/webp", "image/gif"];
const VEGA_LITE = ["application/vnd.vegalite.v6+json", "application/vnd.vegalite.v5+json"]; // JupyterLab's, v5, has the caption within the picture
/** What `table` says of itself above the table, to frontends that show no captions. */
const OWN_CAPTION = /^<p>[^<]*<\/p>\n(?=<table>)/;

/** What the blocks of one output are made with. */
interface Around {
  cell: number;
  reader: MarkdownReader;
  warn(text: string): void;
}

function displayBlocks(output: DisplayOutput, { cell, reader, warn }: Around): Block[] {
  const { data } = output;
  const said = pick(output.metadata);
  const text = (mime: string): string | undefined => (typeof data[mime] === "string" ? data[mime] : undefined);

  if (said.label?.startsWith("val-")) {
    const shown = output.metadata.text ?? data["application/json"] ?? text("text/plain") ?? "";
    return [{ kind: "value", cell, label: said.label, text: String(shown) }];
  }
  const spec = vegaLite(data);
  const picture = pictureOf(spec, text);
  if (picture) {
    const { label, "fig-cap": caption, "fig-alt": alt } = combine(said, altOf(output.metadata));
    return [
      {
        kind: "figure",
        cell,
        picture,
        ...(label && { label }),
        ...(caption && { caption: reader.inline(caption) }),
        ...(alt && { alt }),
        ...(spec && { spec }),
      },
    ];
  }
  const html = text("text/html");
  const shows = html !== undefined && showsSomething(html);
  if (html?.trim() && !shows) {
    if (!ACTIVE.test(html)) return []; // a style sheet
    warn(`cell ${cell}: an output that is drawn by a script, which no report runs, is not shown; show it as a picture too`);
  }
  if (shows) {
    if (!said.label?.startsWith("tbl-") && !TABLE.test(html)) return [{ kind: "html", cell, text: html }];
    const { label, "tbl-cap": caption } = said;
    const values = dataOf(data["application/vnd.dataresource+json"]);
    return [
      {
        kind: "table",
        cell,
        html: said.label || said["tbl-cap"] ? html.replace(OWN_CAPTION, "") : html, // the page numbers it
        ...(label && { label }),
        ...(caption && { caption: reader.inline(caption) }),
        ...(values && { data: values }),
      },
    ];
  }
  const markdown = text("text/markdown");
  if (markdown !== undefined) return [{ kind: "markdown", cell, tokens: withoutHeadings(reader, markdown), attachments: {} }];
  const latex = text("text/latex");
  if (latex !== undefined) return [{ kind: "latex", cell, text: latex }];
  const plain =
    text("text/plain") ?? (data["application/json"] === undefined ? undefined : JSON.stringify(data["application/json"], null, 2));
  if (plain !== undefined) return plain.trim() === "" ? [] : [{ kind: "text", cell, name: "result", text: plain }];
  const mimes = Object.keys(data);
  return mimes.length ? [{ kind: "text", cell, name: "result", text: `[${mimes.join(", ")}: not shown in this report]` }] : [];
}

const TABLE = /<table[\s>]/i;

/** Elements that show something in a notebook, and nothing in a report. */
const ACTIVE = /<(?:script|iframe|object|embed|canvas|svg|video|audio|input|button|select)\b/i;

/** Whether there is text, a picture or a table in some HTML. One that has a table and nothing active is not read through for it: tables are most of what is shown, and long. */
function showsSomething(html: string): boolean {
  if (TABLE.test(html) && !ACTIVE.test(html)) return true;
  const tokens = htmlTokens(html);
  return plainText(tokens).trim() !== "" || [...walk(tokens)].some(({ type }) => type === "image" || type === "htmlTable" || type === "hr");
}

const vegaLite = (data: Record<string, unknown>) => VEGA_LITE.map((mime) => data[mime]).find(isRecord);

/** The richest picture that can be shown whole: an SVG with parts that a page does not take in comes last. */
function pictureOf(
  spec: Record<string, unknown> | undefined,
  text: (mime: string) => string | undefined,
): FigureBlock["picture"] | undefined {
  const svg = text("image/svg+xml");
  const parts = svg === undefined ? undefined : svgParts(svg);
  if (svg !== undefined && parts?.draws && parts.lost.length === 0) return { type: "svg", svg };
  if (spec) return { type: "vega-lite", spec };
  const mime = RASTER.find((type) => text(type) !== undefined);
  if (mime) return { type: "image", mime, base64: text(mime)!.replace(/\s+/g, "") };
  return svg === undefined ? undefined : { type: "svg", svg, ...(parts?.lost.length && { lost: parts.lost }) };
}

/** A tabular data resource (https://datapackage.org/standard/data-resource/) as columns and rows; undefined where it is none. */
function dataOf(value: unknown): TableBlock["data"] {
  const { schema, data: rows } = isRecord(value) ? value : {};
  const fields = isRecord(schema) ? schema.fields : undefined;
  if (!Array.isArray(fields) || !Array.isArray(rows) || !rows.every(isRecord)) return undefined;
  const columns = fields.map((field) => (isRecord(field) ? field.name : undefined)).filter((name) => typeof name === "string");
  return columns.length === fields.length ? { columns, rows } : undefined;
}

/** nbconvert's place for alternative text: `metadata["image/png"].alt`, or `metadata.alt`. */
function altOf(metadata: Record<string, unknown>): CellOptions {
  for (const place of [metadata, ...Object.values(metadata)]) {
    const alt = (place as { alt?: unknown } | null)?.alt;
    if (typeof alt === "string" && alt) return { "fig-alt": alt };
  }
  return {};
}

/** What an SVG says of itself: its label, or the title that it begins with. */
function ownWords(picture: FigureBlock["picture"]): string | undefined {
  if (picture.type !== "svg") return undefined;
  const root = /<svg\b[^<>]*>/.exec(picture.svg);
  if (!root) return undefined;
  const label = /\saria-label="([^"]*)"/.exec(root[0]);
  const title = /^<title[^<>]*>([^<]*)/.exec(picture.svg.slice(root.index + root[0].length).trimStart());
  return decodeXML((label ?? title)?.[1] ?? "").trim() || undefined;
}

/** Headings in an output are bold paragraphs: they are no part of the document's structure. */
function withoutHeadings(reader: MarkdownReader, source: string): ReturnType<MarkdownReader["blocks"]> {
  const tokens = reader.blocks(source);
  findImages(tokens);
  return tokens.map((token) =>
    token.type === "heading"
      ? {
          type: "paragraph",
          raw: token.raw,
          text: token.text,
          tokens: [{ type: "strong", raw: token.raw, text: token.text, tokens: token.tokens }],
        }
      : token,
  ) as ReturnType<MarkdownReader["blocks"]>;
}
