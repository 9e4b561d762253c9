import { readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { expect } from "vitest";
import { erpo, tinyModel } from "../reports/cli.js";
import { mistakes } from "./mistakes.js";

interface Cell {
  id: string;
  cell_type: "markdown" | "code";
  source: string | string[];
  metadata: object;
  outputs?: { output_type: string; evalue?: string }[];
  execution_count?: number | null;
}

const notebooks = resolve(import.meta.dirname, "../../notebooks");

/** The code of each folded solution, without the indent of its list item. */
export const solutionsOf = ({ source }: Pick<Cell, "source">): string[] =>
  [
    ...[source]
      .flat()
      .join("")
      .matchAll(/<summary>Solution<\/summary>\s+```ts\n([^`]*(?:`[^`]+`[^`]*)*?)\s*```/g),
  ].map(([, code]) => code!.replace(/^ {3}/gm, "").trimEnd());

const cell = (id: string, source: string, tags: string[] = []): Cell => {
  return { id, cell_type: "code", source, metadata: { tags }, outputs: [], execution_count: null };
};

/**
 * Writes a notebook with the solutions of its two exercises as cells behind it; each ends in the check that its hint names. Behind a solution stand its mistakes.
 * @param name within notebooks/, as "related/sos"
 * @returns the copy's path
 */
export function withSolutions(name: string, folder: string): string {
  const notebook = JSON.parse(readFileSync(join(notebooks, `${name}.ipynb`), "utf8")) as { cells: Cell[] };
  const solutions = solutionsOf(notebook.cells.at(-1)!);
  expect(solutions).toHaveLength(2);
  const added = solutions.map((source, i) => cell(`solution-${i + 1}`, source));
  const given = (mistakes[name] ?? []).map(({ exercise, wrong }, i) => {
    const source = Object.entries(wrong).reduce(
      (solution, [piece, other]) => {
        expect(solution.split(piece), `${name}, exercise ${exercise}: ${piece}`).toHaveLength(2);
        return solution.replace(piece, () => other);
      },
      solutions[exercise - 1]!,
    );
    return cell(`mistake-${exercise}-${i}`, source, ["raises-exception"]);
  });
  const of = (exercise: number) => given.filter(({ id }) => id.startsWith(`mistake-${exercise}-`));
  const copy = join(folder, `${basename(name)}.ipynb`);
  const cells = [...notebook.cells, added[0]!, ...of(1), added[1]!, ...of(2)];
  writeFileSync(copy, JSON.stringify({ ...notebook, cells }));
  return copy;
}

/** Holds each mistake's check to what it says. @param executed the copy that `withSolutions` has written, when it has run */
export function tellsMistakes(name: string, executed: string): void {
  const { cells } = JSON.parse(readFileSync(executed, "utf8")) as { cells: Cell[] };
  for (const [i, { exercise, wrong, says }] of (mistakes[name] ?? []).entries()) {
    const { outputs } = cells.find(({ id }) => id === `mistake-${exercise}-${i}`)!;
    const error = outputs!.find(({ output_type }) => output_type === "error");
    expect(error?.evalue, `${name}, exercise ${exercise}: ${Object.values(wrong)}`).toMatch(says);
  }
}

/** Runs a notebook with its solutions, of which each passes its check, on the tiny model. @param folder for the copy and what it prints */
export async function passesSolutions(name: string, folder: string, given: { profileName: string; runDir: string }): Promise<void> {
  const parameters = Object.entries({ ...given, modelName: tinyModel }).flatMap(([key, value]) => ["-p", key, value]);
  const output = join(folder, "executed");
  const { code, stderr } = await erpo(["execute", withSolutions(name, folder), "--no-cache", "--output", output, ...parameters]);
  expect(code, stderr).toBe(0);
  tellsMistakes(name, join(output, `${basename(name)}.ipynb`));
}
