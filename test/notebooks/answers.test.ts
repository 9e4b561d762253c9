import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { lessons } from "../../reports/course/copies.js";
import { graded, studentCopy } from "../../reports/course/student.js";
import { readNotebook } from "../../reports/notebook/read.js";
import { erpo, tinyModel } from "../reports/cli.js";
import { code, notebookJSON, type RawCell } from "../reports/notebooks.js";
import { answers, needed, preludes } from "./answers.js";

/** The lessons' checks on answers as students give them: right ones that look unlike the solution, and wrong ones. */

const scratch = mkdtempSync(join(tmpdir(), "erpo-answers-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const region = /\/\/ BEGIN SOLUTION[\s\S]*?\/\/ END SOLUTION/g;

test.each(lessons().map((path) => basename(path, ".ipynb")))(
  "%s: checks pass right answers and stop at wrong ones",
  {
    timeout: 240_000,
  },
  async (name) => {
    const number = name[0]!;
    const { notebook } = readNotebook(lessons().find((path) => basename(path, ".ipynb") === name)!);
    const copy = studentCopy(notebook);
    const cells: RawCell[] = [code(`const modelName = ${JSON.stringify(tinyModel)};\n${preludes[number]}`)];
    const expected: { answer: string; at: number; fails: boolean }[] = [];
    const add = (source: string) => cells.push(code(source, [], {})) - 1;
    const exercises = notebook.cells.flatMap(({ id, source }, i) => {
      if (needed.includes(id ?? "")) add(source);
      const about = graded(notebook.cells[i]!);
      if (!about?.solution) return [];
      const given = answers[number]?.[about.grade_id];
      expect(given, about.grade_id).toBeDefined();
      const [seen, full] = [copy.cells[i + 1]!.source, notebook.cells[i + 1]!.source];
      for (const kind of ["right", "wrong", "hidden"] as const)
        for (const answer of given![kind]) {
          const pieces = [answer].flat();
          add(source.replace(region, () => pieces.shift()!));
          const label = `${about.grade_id}: ${[answer].flat().join("; ")}`;
          expected.push({ answer: `${label} (a student's check)`, at: add(seen), fails: kind === "wrong" });
          expected.push({ answer: `${label} (with hidden tests)`, at: add(full), fails: kind !== "right" });
        }
      add(source); // the next exercise may need it
      return [about.grade_id];
    });
    expect(Object.keys(answers[number]!)).toEqual(exercises);

    const file = join(scratch, `${name}.ipynb`);
    writeFileSync(file, notebookJSON(cells));
    expect(await erpo(["execute", file, "--allow-errors", "--no-cache"])).toMatchObject({ code: 0 });
    const run = JSON.parse(readFileSync(file, "utf8")) as { cells: { outputs: { output_type: string; ename?: string }[] }[] };
    const errorAt = (at: number) => run.cells[at]!.outputs.find(({ output_type }) => output_type === "error");
    const checks = new Set(expected.map(({ at }) => at));
    expect(run.cells.flatMap((_, i) => (checks.has(i) ? [] : (errorAt(i) ?? [])))).toEqual([]); // answers compile
    expect(expected.map(({ answer, at }) => [answer, errorAt(at)?.ename])).toEqual(
      expected.map(({ answer, fails }) => [answer, fails ? "AssertionError" : undefined]),
    );
  },
);
