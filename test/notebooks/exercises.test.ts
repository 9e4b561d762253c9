import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { relatedMethods } from "../../src/methods/related.js";
import { erpo } from "../reports/cli.js";

/** The notebooks of the related methods on a tiny model, with the solutions of their exercises as cells behind them: each ends in the check that its hint names. */

interface Cell {
  id: string;
  cell_type: "markdown" | "code";
  source: string | string[];
  metadata: object;
  outputs?: unknown[];
  execution_count?: number | null;
}

const root = resolve(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "erpo-exercises-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const parameters = { profileName: "tiny", modelName: join(root, "test/fixtures/llama-tiny"), runDir: join(scratch, "run") };
/** What stands in for data that is not in the repository. */
const data: Record<string, object> = { reason4rec: { dataDir: join(root, "test/fixtures/ratings-synthetic") } };

/** The code of each folded solution, without the indent of its list item. */
const solutionsOf = ({ source }: Cell): string[] =>
  [
    ...[source]
      .flat()
      .join("")
      .matchAll(/<summary>Solution<\/summary>\s+```ts\n([^`]*(?:`[^`]+`[^`]*)*?)\s*```/g),
  ].map(([, code]) => code!.replace(/^ {3}/gm, ""));

test.each(relatedMethods.map(({ name }) => name))(
  "%s: the notebook runs, and both solutions pass their checks",
  async (name) => {
    const notebook = JSON.parse(readFileSync(join(root, `notebooks/related/${name}.ipynb`), "utf8")) as { cells: Cell[] };
    const solutions = solutionsOf(notebook.cells.at(-1)!);
    expect(solutions).toHaveLength(2);
    const added = solutions.map(
      (source, i): Cell => ({ id: `solution-${i + 1}`, cell_type: "code", source, metadata: {}, outputs: [], execution_count: null }),
    );
    const copy = join(scratch, `${name}.ipynb`);
    writeFileSync(copy, JSON.stringify({ ...notebook, cells: [...notebook.cells, ...added] }));
    const given = Object.entries({ ...parameters, ...data[name] }).flatMap(([key, value]) => ["-p", key, String(value)]);
    const { code, stderr } = await erpo(["execute", copy, "--no-cache", "--output", join(scratch, "out"), ...given]);
    expect(code, stderr).toBe(0);
  },
  400_000,
);
