import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeCopies } from "../../../reports/course/copies.js";
import { readNotebook } from "../../../reports/notebook/read.js";
import { cellTags } from "../../../reports/notebook/types.js";
import { changedProfile, profile } from "../../../src/runs/profile.js";
import { erpo } from "../cli.js";
import { code as cell, notebookJSON } from "../notebooks.js";
import { littleLesson } from "./little-lesson.js";

const root = resolve(import.meta.dirname, "../../..");
const scratch = mkdtempSync(join(tmpdir(), "erpo-course-"));
const teacher = join(scratch, "squares.ipynb");
writeFileSync(teacher, notebookJSON(littleLesson));
const own = join(scratch, "runs/own");
const record = { format: 1, profile: "demo", seed: 7, model: { name: "smollm2-135m-instruct", sha256: "0" } };

/** A run's folder with its record. */
function writeRun(dir: string, more: object = {}): string {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "run.json"), JSON.stringify({ ...record, ...more }));
  return dir;
}

writeRun(own);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const course = (...words: string[]) => erpo(["course", ...words]);
const released = join(scratch, "class", "squares.ipynb");

test("a copy is released without answers and for the run that is named, the answers are kept apart, and nobody's work is written over", {
  timeout: 360_000,
}, async () => {
  expect(await course("release", join(scratch, "class"), teacher, "--run", own)).toMatchObject({
    code: 0,
    stdout: `${released}\n`,
  });
  const text = readFileSync(released, "utf8");
  expect(text).not.toMatch(/x \* x|negative number/);
  expect(text).toContain('let runDir = \\"../runs/own\\"');
  const answers = await course("solutions", join(scratch, "class"), teacher, "--run", own);
  expect(answers.code).toBe(1);
  expect(answers.stderr).toBe(`erpo: ${released}: is there already, and may hold somebody's work: choose another folder\n`);
  expect((await course("solutions", join(scratch, "answers"), teacher, "--run", own)).code).toBe(0);
  expect(readFileSync(join(scratch, "answers", "squares.ipynb"), "utf8")).toMatch(/x \* x[\s\S]*negative number/);
});

test("two notebooks of one name, of which a folder holds one, are refused", () => {
  const paths = ["a", "b"].map((name) => join(mkdtempSync(join(scratch, name)), "l.ipynb"));
  for (const [i, path] of paths.entries()) writeFileSync(path, notebookJSON([cell(`${i}`)]));
  const copy = () =>
    writeCopies(paths, join(scratch, "both"), { parameters: { runDir: "r", profileName: "tiny", seed: 1, modelName: "m" } }, (it) => it);
  expect(copy).toThrow("another file of that name is copied already");
  expect(existsSync(join(scratch, "both"))).toBe(false);
});

test("erpo's lessons open the run with its seed, profile and model, and bring the glossary that they link to", {
  timeout: 60_000,
}, async () => {
  const lesson = join(root, "notebooks/course/3-dpo-from-bradley-terry.ipynb");
  const dir = join(scratch, "lessons");
  expect(await course("release", dir, lesson, "--run", own)).toMatchObject({ code: 0, stderr: "" });
  const { cells } = readNotebook(join(dir, basename(lesson))).notebook;
  const parameters = cells.find((cell) => cellTags(cell).includes("parameters"))!.source;
  for (const line of ['profileName = "demo";', "seed = 7;", 'modelName = "smollm2-135m-instruct";', 'runDir = "../runs/own";'])
    expect(parameters).toContain(`let ${line}`);
  const links = cells.flatMap(({ source }) => [...source.matchAll(/\]\(([^)#]*glossary\.md)#/g)].map(([, link]) => link!));
  expect(links.length).toBeGreaterThan(0);
  expect(links.filter((link) => !existsSync(join(dir, link)))).toEqual([]);

  const changed = changedProfile(profile("demo"), { name: "mine", answerTokens: 40 });
  const mine = writeRun(join(scratch, "runs/mine"), { profile: "mine", settings: changed });
  await course("release", join(scratch, "mine"), lesson, "--run", mine);
  expect(readFileSync(join(scratch, "mine", basename(lesson)), "utf8")).toContain('let profileName = \\"mine.json\\"');
  expect(profile(join(scratch, "mine/mine.json"))).toEqual(changed);
});

test("a run that is not there, and one whose model has no name elsewhere, are refused", { timeout: 60_000 }, async () => {
  const release = async (...more: string[]) => (await course("release", join(scratch, "none"), teacher, "--run", ...more)).stderr;
  expect(await release("runs/nix")).toBe(
    "erpo: runs/nix: holds no run.json: name a run's folder, such as runs/quick, which `npm start` makes\n",
  );
  const nameless = writeRun(join(scratch, "runs/nameless"), { model: { name: "llama-tiny", sha256: "0" } });
  expect(await release(nameless)).toContain("its model llama-tiny is a file or folder of that name: say where it is (--model)");
  expect(existsSync(join(scratch, "none"))).toBe(false);
  expect(await release(nameless, "--model", join(root, "test/fixtures/llama-tiny"))).toBe("");
});

test("check says passed, not yet with the friendly line, or not done, and leaves the notebook alone", { timeout: 360_000 }, async () => {
  const untouched = await course("check", released);
  expect(untouched).toMatchObject({
    code: 1,
    stdout: "square  not done\nfourth  not done\n0 of 2 exercises passed, 0 of 3 points, without the teacher's hidden tests\n",
  });
  const stub = /\/\/ YOUR CODE HERE[^}]*;/;
  const { cells, ...rest } = JSON.parse(readFileSync(released, "utf8"));
  cells[3].source = cells[3].source.join("").replace(stub, "return 2 * x + 1;");
  const text = JSON.stringify({ ...rest, cells });
  writeFileSync(released, text);
  const wrong = await course("check", released);
  expect(wrong.stdout).toBe(
    "square  not yet: the square of 2 is 4\nfourth  not done\n0 of 2 exercises passed, 0 of 3 points, without the teacher's hidden tests\n",
  );
  expect(readFileSync(released, "utf8")).toBe(text);
  expect(wrong.stderr).not.toContain("there is no run");
  const away = await course("check", released, "-p", "runDir", "away");
  expect(away.stderr).toContain(`erpo: there is no run in ${join(scratch, "class", "away")}: the lesson begins one; -p runDir DIR names`);
  const misspelt = await course("check", released, "-p", "runDri", "away");
  expect(misspelt).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("-p runDri: no notebook here has such a parameter; there is: "),
  });
  const right = await course("check", join(scratch, "answers", "squares.ipynb"));
  expect(right).toMatchObject({ code: 0, stdout: "square  passed\nfourth  passed\n2 of 2 exercises passed, 3 of 3 points\n" });
});

test("a notebook without exercises, and a cell that fails before them, are said", { timeout: 360_000 }, async () => {
  writeFileSync(join(scratch, "none.ipynb"), notebookJSON([]));
  expect((await course("check", join(scratch, "none.ipynb"))).stderr).toContain("none.ipynb: has no exercise");
  const broken = littleLesson.map((cell, i) => (i === 1 ? { ...cell, source: "throw new Error('no such run')" } : cell));
  writeFileSync(join(scratch, "broken.ipynb"), notebookJSON(broken));
  const { code, stderr } = await course("check", join(scratch, "broken.ipynb"));
  expect([code, stderr]).toEqual([1, "erpo: broken.ipynb: the lesson did not run through: cell 2: Error: no such run\n"]);
  const opens = cell("throw new Error('no such run')");
  writeFileSync(join(scratch, "half.ipynb"), notebookJSON([littleLesson[0]!, littleLesson[1]!, opens, ...littleLesson.slice(2)]));
  const half = await course("check", join(scratch, "half.ipynb"));
  expect(half.stdout).toContain("2 of 2 exercises passed");
  const noRun = `erpo: there is no run in ${resolve(scratch, "../../runs/quick")}: the lesson begins one; -p runDir DIR names a finished run\n`;
  expect([half.code, half.stderr]).toEqual([1, `${noRun}erpo: half.ipynb: the lesson did not run through: cell 3: Error: no such run\n`]);
});
