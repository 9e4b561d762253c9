import { readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { expect } from "vitest";
import { erpo, tinyModel } from "../reports/cli.js";

interface Cell {
  id: string;
  cell_type: "markdown" | "code";
  source: string | string[];
  metadata: object;
  outputs?: unknown[];
  execution_count?: number | null;
}

const notebooks = resolve(import.meta.dirname, "../../notebooks");

/** The code of each folded solution, without the indent of its list item. */
const solutionsOf = ({ source }: Cell): string[] =>
  [
    ...[source]
      .flat()
      .join("")
      .matchAll(/<summary>Solution<\/summary>\s+```ts\n([^`]*(?:`[^`]+`[^`]*)*?)\s*```/g),
  ].map(([, code]) => code!.replace(/^ {3}/gm, ""));

/**
 * Writes a notebook with the solutions of its two exercises as cells behind it; each ends in the check that its hint names.
 * @param name within notebooks/, as "related/sos"
 * @returns the copy's path
 */
export function withSolutions(name: string, folder: string): string {
  const notebook = JSON.parse(readFileSync(join(notebooks, `${name}.ipynb`), "utf8")) as { cells: Cell[] };
  const solutions = solutionsOf(notebook.cells.at(-1)!);
  expect(solutions).toHaveLength(2);
  const added = solutions.map(
    (source, i): Cell => ({ id: `solution-${i + 1}`, cell_type: "code", source, metadata: {}, outputs: [], execution_count: null }),
  );
  const copy = join(folder, `${basename(name)}.ipynb`);
  writeFileSync(copy, JSON.stringify({ ...notebook, cells: [...notebook.cells, ...added] }));
  return copy;
}

/** Runs a notebook with its solutions, of which each passes its check, on the tiny model. @param folder for the copy and what it prints */
export async function passesSolutions(name: string, folder: string, given: { profileName: string; runDir: string }): Promise<void> {
  const parameters = Object.entries({ ...given, modelName: tinyModel }).flatMap(([key, value]) => ["-p", key, value]);
  const output = ["--output", join(folder, "executed")];
  const { code, stderr } = await erpo(["execute", withSolutions(name, folder), "--no-cache", ...output, ...parameters]);
  expect(code, stderr).toBe(0);
}
