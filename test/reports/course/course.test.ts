import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { erpo } from "../cli.js";
import { notebookJSON } from "../notebooks.js";
import { littleLesson } from "./little-lesson.js";

const scratch = mkdtempSync(join(tmpdir(), "erpo-course-"));
const teacher = join(scratch, "squares.ipynb");
writeFileSync(teacher, notebookJSON(littleLesson));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const course = (...words: string[]) => erpo(["course", ...words]);
const released = join(scratch, "class", "squares.ipynb");

test("a copy is released without answers and for the run that is named, the answers are kept apart, and nobody's work is written over", {
  timeout: 360_000,
}, async () => {
  expect(await course("release", join(scratch, "class"), teacher, "--run", join(scratch, "runs/own"))).toMatchObject({
    code: 0,
    stdout: `${released}\n`,
  });
  const text = readFileSync(released, "utf8");
  expect(text).not.toMatch(/x \* x|negative number/);
  expect(text).toContain('let runDir = \\"../runs/own\\"');
  const answers = await course("solutions", join(scratch, "class"), teacher);
  expect(answers.code).toBe(1);
  expect(answers.stderr).toBe(`erpo: ${released}: is there already, and may hold somebody's work: choose another folder\n`);
  expect((await course("solutions", join(scratch, "answers"), teacher)).code).toBe(0);
  expect(readFileSync(join(scratch, "answers", "squares.ipynb"), "utf8")).toMatch(/x \* x[\s\S]*negative number/);
});

test("check says passed, not yet with the friendly line, or not done, and leaves the notebook alone", { timeout: 360_000 }, async () => {
  const untouched = await course("check", released);
  expect(untouched).toMatchObject({ code: 1, stdout: "square  not done\nfourth  not done\n0 of 2 exercises passed, 0 of 3 points\n" });
  const stub = /\/\/ YOUR CODE HERE[^}]*;/;
  const { cells, ...rest } = JSON.parse(readFileSync(released, "utf8"));
  cells[3].source = cells[3].source.join("").replace(stub, "return 2 * x + 1;");
  const text = JSON.stringify({ ...rest, cells });
  writeFileSync(released, text);
  const wrong = await course("check", released);
  expect(wrong.stdout).toBe("square  not yet: the square of 2 is 4\nfourth  not done\n0 of 2 exercises passed, 0 of 3 points\n");
  expect(readFileSync(released, "utf8")).toBe(text);
  const right = await course("check", join(scratch, "answers", "squares.ipynb"));
  expect(right).toMatchObject({ code: 0, stdout: "square  passed\nfourth  passed\n2 of 2 exercises passed, 3 of 3 points\n" });
});

test("a notebook without exercises, and a cell that fails before them, are said", { timeout: 360_000 }, async () => {
  writeFileSync(join(scratch, "none.ipynb"), notebookJSON([]));
  expect((await course("check", join(scratch, "none.ipynb"))).stderr).toContain("none.ipynb: has no exercise");
  const broken = littleLesson.map((cell, i) => (i === 1 ? { ...cell, source: "throw new Error('no such run')" } : cell));
  writeFileSync(join(scratch, "broken.ipynb"), notebookJSON(broken));
  const { code, stderr } = await course("check", join(scratch, "broken.ipynb"));
  expect([code, stderr]).toEqual([1, "erpo: broken.ipynb: cell 2: Error: no such run\n"]);
});
