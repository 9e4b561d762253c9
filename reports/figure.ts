import { basename, resolve } from "node:path";
import type { PictureFormat } from "../src/figures/encode.js";
import { scaledTo, sizeOf } from "../src/figures/resize.js";
import { writeAtomic } from "../src/setup/atomic.js";
import { buildDocument } from "./document/build.js";
import { rowsOf } from "./document/figure-rows.js";
import { withNames } from "./document/markdown.js";
import type { FigureBlock, TableBlock } from "./document/model.js";
import type { FigureFormat } from "./formats.js";
import { draw } from "./html/draw.js";
import { escapeHTML } from "./html/escape.js";
import { sanitizeSVG } from "./html/sanitize.js";
import { readNotebook } from "./notebook/read.js";
import { NotebookError } from "./notebook/types.js";
import { csv, tableCSV, tableTeX } from "./table.js";

/** How a figure or a table is written. */
export interface FigureOptions {
  /** A figure as PDF and a table as TeX unless told. */
  to?: readonly FigureFormat[];
  /** Of the whole picture, in CSS pixels (1/96 inch); as the notebook shows it unless told. */
  width?: number;
  /** Folder of the files. */
  output: string;
}

/**
 * Writes one figure or table of an executed notebook for a paper, as `DIR/<label>.pdf` and so on. A figure is drawn anew from its Vega-Lite specification,
 * so that text keeps its size at any width; where there is none, its SVG is scaled. A table is LaTeX with the numbers as they are shown, or CSV with all their digits.
 *
 * @param place `NB.ipynb#fig-margins`
 * @returns the files
 * @throws NotebookError in one line, with the labels that there are; FileError when a file cannot be written
 */
export async function writeFigure(place: string, { to, width, output }: FigureOptions): Promise<string[]> {
  const [, path = place, label = ""] = /^(.*?)#([^#]*)$/s.exec(place) ?? [];
  const name = basename(path);
  const block = find(path, label);
  const encode = block.kind === "table" ? tableEncoders(block, name) : await figureEncoders(block, name, width);
  const formats = to ?? (block.kind === "table" ? ["tex"] : ["pdf"]);
  const unfit = formats.find((format) => !encode[format]);
  if (unfit)
    throw new NotebookError(`${name}: ${label} is a ${block.kind}, not written as ${unfit}; there is: ${Object.keys(encode).join(", ")}`);
  const unsized = width === undefined ? undefined : formats.find((format) => block.kind === "table" || format === "csv");
  if (unsized) throw new NotebookError(`${name}: ${label} as ${unsized} has no width; leave --width out`);
  const written: string[] = [];
  for (const format of formats) {
    const file = resolve(output, `${label}.${format}`);
    writeAtomic(file, [await encode[format]!()]);
    written.push(file);
  }
  return written;
}

type Encoders = Partial<Record<FigureFormat, () => Promise<string | Uint8Array>>>;

function find(path: string, label: string): FigureBlock | TableBlock {
  const { notebook } = readNotebook(path);
  const { blocks, labels: targets } = buildDocument(notebook, path);
  const labelled = blocks.filter((block) => (block.kind === "figure" || block.kind === "table") && block.label !== undefined) as (
    | FigureBlock
    | TableBlock
  )[];
  const found = labelled.find((block) => block.label === label);
  if (found?.kind === "figure" && found.alt !== undefined)
    return { ...found, alt: withNames(found.alt, (name) => targets.get(name)?.text) };
  if (found) return found;
  const name = basename(path);
  if (!labelled.length) {
    const run = notebook.cells.some((cell) => cell.cell_type === "code" && cell.outputs.length);
    throw new NotebookError(`${name}: ${run ? "no figure or table has a label" : "has not been run; run it with `erpo execute`"}`);
  }
  const labels = [...new Set(labelled.map((block) => block.label))].join(", ");
  throw new NotebookError(
    label
      ? `${name}: no figure or table ${label}; there is: ${labels}`
      : `${name}: name a figure or table, ${name}#LABEL; there is: ${labels}`,
  );
}

/** CSS pixels; a metre is 3780. */
const LARGEST = 10_000;

/** The figure as SVG that says its width in pixels. */
async function sized({ picture, spec, label, alt }: FigureBlock, name: string, width: number | undefined): Promise<string> {
  let svg: string;
  if (spec) svg = await draw(spec, width);
  else if (picture.type === "svg" && !picture.lost) svg = picture.svg;
  else if (picture.type === "svg")
    throw new NotebookError(
      `${name}: ${label} needs ${picture.lost!.join(", ")} of SVG, which it would lose; show it as plain shapes or Vega-Lite`,
    );
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

/** Pictures, and where the notebook carries a specification its rows. */
async function figureEncoders(block: FigureBlock, name: string, width: number | undefined): Promise<Encoders> {
  const svg = await sized(block, name, width);
  const pixels = Number(/<svg width="([\d.]+)"/.exec(svg)![1]);
  const { spec } = block;
  const picture = (format: PictureFormat) => async () => (await import("../src/figures/encode.js")).encodeFigure(svg, format, pixels);
  return {
    pdf: picture("pdf"),
    svg: picture("svg"),
    png: picture("png"),
    ...(spec && { csv: async () => csv(rowsOf(spec)) }),
  };
}

const tableEncoders = (block: TableBlock, name: string): Encoders => ({
  tex: async () => tableTeX(block, name),
  csv: async () => tableCSV(block),
});
