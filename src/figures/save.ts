import { extname } from "node:path";
import { writeAtomicFrom } from "../setup/atomic.js";
import { encodeFigure, type PictureFormat } from "./encode.js";
import { render } from "./render.js";
import { FigureError, type VegaLiteSpec } from "./spec.js";

const FORMATS: readonly string[] = ["pdf", "svg", "png"] satisfies PictureFormat[];

/**
 * Writes a figure as the ending of the file says.
 * @param spec with its theme; its description is for readers who do not see the figure
 * @throws FigureError when the ending is not `.pdf`, `.svg` or `.png`, or it cannot be drawn; FileError
 */
export async function saveFigure(spec: VegaLiteSpec, path: string): Promise<void> {
  const format = extname(path).slice(1).toLowerCase();
  if (!FORMATS.includes(format)) throw new FigureError(`figure: cannot be saved as ${path}; it is written as .pdf, .svg, .png`);
  const { svg } = await render(spec, { ...(spec.description && { alt: spec.description }) });
  await writeAtomicFrom(path, [await encodeFigure(svg, format as PictureFormat)]);
}
