import { createHash } from "node:crypto";
import type { Token, Tokens } from "marked";
import { walk } from "./document/markdown.js";
import type { FigureBlock, ReportDocument } from "./document/model.js";
import { findPicture } from "./document/pictures.js";
import { sanitizeSVG } from "./html/sanitize.js";
import type { OutputFile } from "./set.js";

/** The files of a document's figures, `figures/<stem>/<label>.<extension>`, for formats that keep pictures beside the document. */
export class FigureFiles {
  readonly files: OutputFile[] = [];
  private readonly folder: string;
  private readonly names = new Set<string>();

  constructor(stem: string) {
    this.folder = `figures/${fileName(stem)}`;
  }

  /**
   * Keeps a file and returns its path from the document. No label ever leads out of the folder.
   * @param name a label, or another short name
   */
  add(name: string, extension: string, content: string | Uint8Array): string {
    const base = fileName(name);
    let free = base;
    for (let n = 2; this.names.has(`${free}.${extension}`.toLowerCase()); n++) free = `${base}-${n}`;
    this.names.add(`${free}.${extension}`.toLowerCase());
    const path = `${this.folder}/${free}.${extension}`;
    this.files.push({ path, content });
    return path;
  }
}

/** A text as a part of a path: letters, digits, `.`, `_` and `-`, beginning with a letter or digit; texts that differ stay different. */
export function fileName(text: string): string {
  const plain = text
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 100);
  return plain === text ? text : `${plain || "file"}-${createHash("sha256").update(text).digest("hex").slice(0, 6)}`;
}

/**
 * A figure as SVG: sanitised, on its own. Vega is loaded only for figures that come without SVG, or that are asked for in another width.
 *
 * @param width of the plot in pixels, without axes and legends; taken where the figure's specification allows one
 * @throws FigureError when it cannot be drawn
 */
export async function figureSVG({ picture, spec }: FigureBlock, width?: number): Promise<string> {
  const redrawn = width && spec ? await redraw(spec, width) : undefined;
  const clean = sanitizeSVG(redrawn ?? (await drawn(picture)), "").trim();
  return clean.includes(' xmlns="') ? clean : clean.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
}

async function drawn(picture: FigureBlock["picture"]): Promise<string> {
  if (picture.type === "svg") return picture.svg;
  if (picture.type === "image") throw new Error("a picture of pixels has no SVG");
  return (await (await import("../src/figures/render.js")).render(picture.spec)).svg;
}

/** Undefined where the specification has no width of its own: facets, concatenations, steps. */
async function redraw(spec: Record<string, unknown>, width: number): Promise<string | undefined> {
  const single = ("mark" in spec || "layer" in spec) && !/"(?:row|column|facet)":/.test(JSON.stringify(spec.encoding ?? {}));
  if (!single || (spec.width !== undefined && typeof spec.width !== "number")) return undefined;
  const { render } = await import("../src/figures/render.js");
  try {
    return (await render({ ...spec, width })).svg;
  } catch {
    return undefined;
  }
}

/** The size of an SVG in pixels; undefined where it has none. */
export function svgSize(svg: string): { width: number; height: number } | undefined {
  const root = /<svg\b[^>]*>/.exec(svg)?.[0] ?? "";
  const [width, height] = ["width", "height"].map((name) => Number(new RegExp(`\\s${name}="([\\d.]+)(?:px)?"`).exec(root)?.[1]));
  if (width! > 0 && height! > 0) return { width: width!, height: height! };
  const box = /\sviewBox="[\d.-]+[ ,]+[\d.-]+[ ,]+([\d.]+)[ ,]+([\d.]+)"/.exec(root);
  return box ? { width: Number(box[1]), height: Number(box[2]) } : undefined;
}

/** A picture of pixels as PNG, with its size; undefined where it cannot be read. */
export async function asPNG(base64: string): Promise<{ png: Uint8Array; width: number; height: number } | undefined> {
  const { createCanvas, loadImage } = (await import("canvas")) as typeof import("canvas");
  try {
    const image = await loadImage(Buffer.from(base64, "base64"));
    const { width, height } = image;
    if (!(width > 0 && height > 0 && width * height < 1e8)) return undefined;
    const canvas = createCanvas(width, height);
    canvas.getContext("2d").drawImage(image, 0, 0);
    return { png: await canvas.encode("png"), width, height };
  } catch {
    return undefined;
  }
}

/**
 * The pictures in a document's prose as PNG files, with their widths in pixels; those that cannot be had are missing.
 * @param folder of the notebook
 */
export async function proseFiles(
  document: ReportDocument,
  folder: string,
  files: FigureFiles,
): Promise<Map<Token, { path: string; width: number }>> {
  const pictures = new Map<Token, { path: string; width: number }>();
  for (const block of document.blocks) {
    if (block.kind !== "markdown") continue;
    for (const token of walk(block.tokens)) {
      if (token.type !== "image") continue;
      const found = findPicture((token as Tokens.Image).href, block.attachments, folder);
      const image = found && (await asPNG(found.base64));
      if (image) pictures.set(token, { path: files.add(`cell-${block.cell}`, "png", image.png), width: image.width });
    }
  }
  return pictures;
}
