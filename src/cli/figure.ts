import { type Command, InvalidArgumentError } from "commander";
import { type FigureFormat, figureFormats } from "../../reports/formats.js";
import { folder, someOf } from "./output.js";

interface Options {
  to?: FigureFormat[];
  width?: number;
  output: string;
}

/** `erpo figure NB.ipynb#fig-margins`: one figure or table of an executed notebook, for a paper. */
export function register(program: Command): void {
  program
    .command("figure")
    .description(
      "write one figure or table of an executed notebook for a paper: vectors with fonts, or 300 dpi; LaTeX, or CSV with all digits",
    )
    .argument("<place>", "the notebook and the label: NB.ipynb#fig-margins, NB.ipynb#tbl-pairs")
    .option(
      "--to <formats>",
      "a figure: pdf (unless told), svg, png, csv; a table: tex (unless told), csv; with commas between",
      someOf(figureFormats),
    )
    .option("--width <length>", "of the whole figure, such as 3.25in (in, cm, mm, pt or px); text keeps its size", pixels)
    .option("--output <dir>", "folder of the files", folder, ".")
    .action(async (place: string, options: Options) => {
      const { writeFigure } = await import("../../reports/figure.js");
      for (const file of await writeFigure(place, options)) process.stdout.write(`${file}\n`);
    });
}

/** CSS pixels a unit. */
const UNITS: Record<string, number> = { in: 96, cm: 96 / 2.54, mm: 96 / 25.4, pt: 96 / 72, px: 1 };

function pixels(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?|\.\d+)\s*(in|cm|mm|pt|px)$/.exec(text) ?? [];
  const width = Number(digits) * (UNITS[unit!] ?? Number.NaN);
  if (!(width >= UNITS.cm! && width <= 100 * UNITS.cm!)) {
    throw new InvalidArgumentError("It must be a length between 1cm and 100cm with its unit, such as 3.25in, 8.3cm or 234pt.");
  }
  return width;
}
