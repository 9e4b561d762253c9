import { decodeHTML } from "entities";
import type { Token, Tokens } from "marked";
import { walk } from "./document/markdown.js";
import type { FigureBlock, ReportDocument } from "./document/model.js";
import { findPicture } from "./document/pictures.js";
import { draw } from "./html/draw.js";
import { sanitizeSVG } from "./html/sanitize.js";
import { sha256 } from "./provenance/digests.js";
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
  return plain === text ? text : `${plain || "file"}-${sha256(text).slice(0, 6)}`;
}

/**
 * A figure as SVG: sanitised, on its own.
 *
 * @param width in pixels, at which a figure with a specification is drawn anew
 * @throws Error when it cannot be drawn
 */
export async function figureSVG({ picture, spec }: FigureBlock, width?: number): Promise<string> {
  if (picture.type === "image") throw new Error("a picture of pixels has no SVG");
  const svg = width && spec ? await draw(spec, width) : picture.type === "svg" ? picture.svg : await draw(picture.spec);
  const clean = sanitizeSVG(svg, "").trim();
  return clean.includes(' xmlns="') ? clean : clean.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
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
      const found = findPicture(decodeHTML((token as Tokens.Image).href), block.attachments, folder);
      const image = found && (await asPNG(found.base64));
      const { width = image?.width } = token as { width?: number };
      if (image) pictures.set(token, { path: files.add(`cell-${block.cell}`, "png", image.png), width: width! });
    }
  }
  return pictures;
}
