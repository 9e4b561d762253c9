import { join, relative, resolve } from "node:path";
import { writeAtomic } from "../../src/setup/atomic.js";
import type { ExecutionRecord } from "../execute/record.js";
import type { Format } from "../formats.js";
import type { Cell, Notebook } from "../notebook/types.js";
import { notebookText } from "../notebook/write.js";
import { sourceSha256 } from "../provenance/digests.js";
import { environment } from "../provenance/environment.js";
import { renderReports } from "../report.js";
import { compareRuns, comparisonJSON } from "./comparison.js";
import { comparisonCells, comparisonTitle } from "./document.js";
import { readRuns } from "./run-folder.js";

/** What was written, and formats that could not be. */
export interface CompareResult {
  written: string[];
  /** One line each. */
  failures: string[];
}

export interface CompareOptions {
  to?: readonly Format[];
  /** Parameters by which runs are grouped, for means over each group. */
  groupBy?: readonly string[];
}

/**
 * Compares runs with the first of them and writes `compare.ipynb`, a notebook without code, the reports of it, and `compare.json` for programs. A
 * run that is not whole is compared as far as it goes; what is missing is listed.
 *
 * @param dirs folders of runs, two at least
 * @param output folder of what is written
 * @throws CompareError when a folder holds nothing of a run, or is named twice, or no run has a parameter of groupBy; FileError when the output folder cannot be written
 */
export async function writeComparison(
  dirs: readonly string[],
  output: string,
  { to = ["html"], groupBy }: CompareOptions = {},
): Promise<CompareResult> {
  const started = new Date();
  const folders = readRuns(dirs);
  const comparison = compareRuns(folders, groupBy);
  const cells = await comparisonCells(comparison);
  const seconds = (Date.now() - started.getTime()) / 1000;
  const fromOutput = (path: string) => relative(resolve(output), resolve(path));
  const notebook = notebookOf(comparisonTitle(comparison), cells, {
    started: started.toISOString(),
    seconds,
    parameters: { runs: dirs.map(fromOutput) },
    compared: folders.flatMap(({ files }) => files).map(({ file, sha256 }) => ({ file: fromOutput(file), sha256 })),
  });
  const file = resolve(output, "compare.ipynb");
  const json = resolve(output, "compare.json");
  writeAtomic(file, [notebookText(notebook)]);
  writeAtomic(json, [`${JSON.stringify(comparisonJSON(comparison), null, 1)}\n`]);
  const { written, failures } = await renderReports([join(output, "compare.ipynb")], { output, to });
  return { written: [...written, file, json], failures };
}

type Made = Pick<ExecutionRecord, "started" | "seconds" | "parameters" | "compared">;

function notebookOf(title: string, cells: Cell[], made: Made): Notebook {
  const execution: ExecutionRecord = {
    ...made,
    source_sha256: sourceSha256({ cells }),
    kernel: "none, by erpo compare",
    environment: environment(),
    complete: true,
  };
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {
      title,
      kernelspec: { name: "erpo", display_name: "TypeScript (ERPO)", language: "typescript" },
      language_info: { name: "typescript" },
      erpo: { execution },
    },
    cells: cells.map((cell, i) => ({ ...cell, id: `compare-${i + 1}` })),
  };
}
