import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { install } from "../../../kernel/install.js";
import { lessons } from "../../../reports/course/copies.js";
import { graded, STUB, studentCopy } from "../../../reports/course/student.js";
import { parseNotebook, readNotebook } from "../../../reports/notebook/read.js";
import type { Notebook } from "../../../reports/notebook/types.js";
import { notebookText } from "../../../reports/notebook/write.js";
import { clientsLack, testPython } from "../../kernel/python-env.js";
import { skipped } from "../../programs.js";
import { notebookJSON } from "../notebooks.js";
import { littleLesson } from "./little-lesson.js";

/** nbgrader itself beside our own copies: it makes the same ones, and grades what is handed in of ours. */

const python = testPython();
const withIds = littleLesson.map((cell, i) => ({ ...cell, id: `cell-${i}` }));
const metadata = { kernelspec: { name: "erpo", display_name: "TypeScript (ERPO)", language: "typescript" } };
const squares: Notebook = { ...parseNotebook(notebookJSON(withIds, metadata), "squares.ipynb"), nbformat_minor: 5 };

/** A student's copy with this in the place of the first exercise's stub; the second one is done. */
function handedIn(square: string): Notebook {
  const copy = studentCopy(squares);
  const stub = /\/\/ YOUR CODE HERE\n.*/;
  const answers: Record<string, string> = { square, fourth: "return square(square(x));" };
  return {
    ...copy,
    cells: copy.cells.map((cell) => ({ ...cell, source: cell.source.replace(stub, answers[graded(cell)?.grade_id ?? ""] ?? "") })),
  };
}

test.skipIf(!python)(
  `nbgrader makes the same copies of all lessons, and grades ours by its hidden tests${skipped(clientsLack())}`,
  { timeout: 360_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "erpo-nbgrader-"));
    install({ prefix: join(folder, "prefix") });
    const write = (path: string, text: string) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    };
    const teachers = new Map(lessons().map((path) => [basename(path, ".ipynb"), readNotebook(path).notebook]));
    teachers.set("squares", squares);
    for (const [name, notebook] of teachers) write(`source/course/${name}.ipynb`, notebookText(notebook));
    write("stub.txt", STUB);
    write("submitted/right/course/squares.ipynb", notebookText(handedIn("return x ** 2;")));
    write("submitted/wrong/course/squares.ipynb", notebookText(handedIn("return x > 0 ? x * x : x;"))); // passes what students see

    const env = { ...process.env, PATH: `${dirname(python!)}:${process.env.PATH}`, JUPYTER_PATH: join(folder, "prefix/share/jupyter") };
    const script = fileURLToPath(new URL("nbgrader_course.py", import.meta.url));
    const { stdout } = await promisify(execFile)(python!, [script], { cwd: folder, env });
    const { released, points } = JSON.parse(stdout.trim().split("\n").at(-1)!);
    for (const [name, notebook] of teachers) {
      const own = studentCopy(notebook).cells.flatMap((cell) => (graded(cell) ? [[graded(cell)!.grade_id, cell.source]] : []));
      expect(released[name], name).toEqual(Object.fromEntries(own));
    }
    expect(points).toEqual({ right: 3, wrong: 1 });
  },
);
