import { basename, resolve } from "node:path";
import { scaledTo, sizeOf } from "../src/figures/resize.js";
import { writeAtomic } from "../src/setup/atomic.js";
import { buildDocument } from "./document/build.js";
import { withNames } from "./document/markdown.js";
import type { FigureBlock } from "./document/model.js";
import type { FigureFormat } from "./formats.js";
import { draw } from "./html/draw.js";
import { escapeHTML } from "./html/escape.js";
import { sanitizeSVG } from "./html/sanitize.js";
import { readNotebook } from "./notebook/read.js";
import { NotebookError } from "./notebook/types.js";

/** How a figure is written. */
export interface FigureOptions {
  to: readonly FigureFormat[];
  /** Of the whole picture, in CSS pixels (1/96 inch); as the notebook shows it unless told. */
  width?: number;
  /** Folder of the files. */
  output: string;
}

/**
 * Writes one figure of an executed notebook for a paper, as `DIR/<label>.pdf` and so on. It is drawn anew from its Vega-Lite specification,
 * so that text keeps its size at any width; where there is none, its SVG is scaled.
 *
 * @param place `NB.ipynb#fig-margins`
 * @returns the files
 * @throws NotebookError in one line, with the labels that there are; FileError when a file cannot be written
 */
export async function writeFigure(place: string, { to, width, output }: FigureOptions): Promise<string[]> {
  const [, path = place, label = ""] = /^(.*?)#([^#]*)$/s.exec(place) ?? [];
  const figure = findFigure(path, label);
  const svg = await sized(figure, basename(path), width);
  const written: string[] = [];
  for (const format of to) {
    const file = resolve(output, `${label}.${format}`);
    writeAtomic(file, [await ENCODERS[format](svg)]);
    written.push(file);
  }
  return written;
}

function findFigure(path: string, label: string): FigureBlock {
  const { notebook } = readNotebook(path);
  const { blocks, labels: targets } = buildDocument(notebook, path);
  const figures = blocks.filter((block) => block.kind === "figure" && block.label !== undefined) as FigureBlock[];
  const found = figures.find((figure) => figure.label === label);
  if (found) return found.alt === undefined ? found : { ...found, alt: withNames(found.alt, (name) => targets.get(name)?.text) };
  const name = basename(path);
  if (!figures.length) {
    const run = notebook.cells.some((cell) => cell.cell_type === "code" && cell.outputs.length);
    throw new NotebookError(`${name}: ${run ? "no figure has a label" : "has not been run; run it with `erpo execute`"}`);
  }
  const labels = [...new Set(figures.map((figure) => figure.label))].join(", ");
  throw new NotebookError(
    label ? `${name}: no figure ${label}; there is: ${labels}` : `${name}: name a figure, ${name}#LABEL; there is: ${labels}`,
  );
}

/** CSS pixels; a metre is 3780. */
const LARGEST = 10_000;

/** The figure as SVG that says its width in pixels. */
async function sized({ picture, spec, label, alt }: FigureBlock, name: string, width: number | undefined): Promise<string> {
  let svg: string;
  if (spec) svg = await draw(spec, width);
  else if (picture.type === "svg") svg = picture.svg;
  else throw new NotebookError(`${name}: ${label} is a bitmap, which cannot be redrawn; show it as SVG or Vega-Lite`);
  const clean = sanitizeSVG(svg, "").trim();
  const size = sizeOf(clean);
  if (!(size.width > 0 && size.width <= LARGEST && size.height > 0 && size.height / size.width < 20)) {
    throw new NotebookError(`${name}: ${label} is no SVG of a usual size`);
  }
  const named = alt === undefined ? "" : ` role="img" aria-label="${escapeHTML(alt)}"`;
  return scaledTo(
    clean.replace("<svg", () => `<svg${named}`),
    width ?? size.width,
  );
}

const widthOf = (svg: string) => Number(/<svg width="([\d.]+)"/.exec(svg)![1]);

const ENCODERS: Record<FigureFormat, (svg: string) => Promise<string | Uint8Array>> = {
  svg: async (svg) => `${svg}\n`,
  png: async (svg) => (await import("../src/figures/png.js")).toPNG(svg, widthOf(svg)),
  pdf: async (svg) => (await import("../src/figures/pdf.js")).toPDF(svg, { width: widthOf(svg) * 0.75 }),
};
