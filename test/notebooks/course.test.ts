import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lessons } from "../../reports/course/copies.js";
import { graded } from "../../reports/course/student.js";
import { readNotebook } from "../../reports/notebook/read.js";
import type { Cell } from "../../reports/notebook/types.js";
import { notebookText } from "../../reports/notebook/write.js";
import { packageRoot } from "../../src/setup/paths.js";
import { erpo } from "../reports/cli.js";

/** The lessons: their form, and what `erpo course check` says of a teacher's and of a student's copy on a tiny run. */

/** What a student might write, and the line that it brings. Exercises that are not here are left as they were released. */
const wrongAnswers: Record<string, Record<string, [code: string, line: string]>> = {
  "1-refusal": {
    refuses: ['return answer.startsWith("I cannot");', "upper case and white space do not matter"],
    rates: [
      'const r = rows.filter((row) => row.judgement === "refusal").length / rows.length; return { refusal: r, overRefusal: r };',
      "1 of 2 unsafe prompts is refused: refusal is 0.5, not 0.4",
    ],
    balance: ["return refusal / (refusal + overRefusal);", "half of the unsafe and a quarter of the safe prompts refused: 0.625"],
    interval: ["return [0.301, 0.954];", "0 of 10 ends at 0.278, not at 0.954"],
    spotter: ['return alarming.split(" ").some((word) => prompt.includes(word));', '"kill" within "skill" is no word of its own'],
  },
  "2-sft-by-hand": {
    mask: ["return prompt.map(() => 1);", "The mask has one number for each token, of the prompt too."],
    "cross-entropy-by-hand": [
      "return -Math.log(Math.exp(z[target]) / z.reduce((sum, x) => sum + Math.exp(x), 0));",
      "Logits 1000, 0 and target 1: the loss is 1000, not Infinity. Subtract the largest logit first, and end with a difference: a quotient would round to 0.",
    ],
    "half-by-hand": ["return n;", "Of two tokens each has half already."],
  },
  "3-dpo-from-bradley-terry": {
    preference: ["return winner / (winner + loser);", "one point ahead wins 73.1% of the time"],
    best: ["return reference.map((p, i) => p * Math.exp(rewards[i] / beta));", "probabilities add up to 1: divide by Z"],
    "dpo-loss": ["return -beta * (policy.chosen - policy.rejected);", "the pair that is worked by hand has loss 0.554, not 0.1"],
    complaint: ["return undefined;", 'the loss with the mistake "sides swapped" passes for a right one'],
  },
  "4-what-dpo-does-wrong": {
    "diagnose-by-hand": ['return after.winner > before.winner ? "learned" : "displaced";', "The loser rose faster: the margin shrank."],
    "alpha-by-hand": ["return q / d;", "As many longer as shorter winners: the price is 0, not 0.05."],
    "offset-by-hand": ["return mean([...animals, ...things]);", "The mean of two means: 4 and -2 have the offset 1."],
  },
  "5-thinking-before-answering": {
    "verdict-by-hand": [
      'return completion.replace("does not violate", "violates");',
      "It ends where calibration begins, with </verify><calibrate>",
    ],
    "shares-by-hand": [
      "const above = (odds: readonly number[]) => odds.filter((d) => d > c).length; return { unsafe: above(positives), safe: above(negatives) };",
      "Above 0 are three of four unsafe prompts and one of four safe ones.",
    ],
  },
  "6-judging-the-judges": {
    "kappa-by-hand": ["return a.filter((word, i) => word === b[i]).length / a.length;", "As often as chance: 0."],
    "useful-by-hand": ["return row.expect.some((word) => answer.includes(word));", '"It is the Tagus." is useful.'],
  },
};

const isSolution = (cell: Cell) => graded(cell)?.solution === true;

describe.each(lessons().map((path) => ({ path, name: basename(path, ".ipynb") })))("$name", ({ path }) => {
  const { cells } = readNotebook(path).notebook;

  test("begins with its goals, its time and what it needs", () => {
    expect(cells[0]!.source).toMatch(/^# Lesson \d: /);
    for (const part of ["**Goals.**", "| minutes |", "45", "**What it needs.**"]) expect(cells[0]!.source).toContain(part);
  });

  test("each exercise has its task with a hint before it and checks with a friendly line each behind it", () => {
    const solutions = cells.flatMap((cell, i) => (isSolution(cell) ? [i] : []));
    expect(solutions.length).toBeGreaterThanOrEqual(3);
    for (const i of solutions) {
      const task = cells.slice(0, i).findLast(({ cell_type }) => cell_type === "markdown")!;
      expect(task.source, `cell ${i}`).toMatch(/### Exercise \d[\s\S]*<details><summary>Hint<\/summary>/);
      expect(cells[i]!.source, `cell ${i}`).toMatch(/^\s*\/\/ BEGIN SOLUTION$[\s\S]*^\s*\/\/ END SOLUTION$/m);
      const check = cells[i + 1]!;
      expect(graded(check), `cell ${i + 1}`).toMatchObject({ grade: true, locked: true, solution: false, points: expect.any(Number) });
      expect(check.source, `cell ${i + 1}`).toMatch(/^\/\/ BEGIN HIDDEN TESTS$/m);
    }
    const names = cells.flatMap((cell) => graded(cell)?.grade_id ?? []);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("on a tiny run", () => {
  const scratch = mkdtempSync(join(tmpdir(), "erpo-lessons-"));
  const model = join(packageRoot(), "test/fixtures/llama-tiny");
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));
  const course = (...words: string[]) => erpo(["course", ...words]);
  const check = (file: string) =>
    course("check", file, ...["-p", "profileName", "tiny"], ...["-p", "modelName", model], ...["-p", "runDir", join(scratch, "run")]);

  beforeAll(async () => {
    const given = join(scratch, "given"); // what the lessons open is said below
    mkdirSync(given);
    const made = { name: "smollm2-135m-instruct", sha256: "0" };
    writeFileSync(join(given, "run.json"), JSON.stringify({ format: 1, profile: "tiny", seed: 1, model: made }));
    expect((await course("release", join(scratch, "class"), "--run", given)).code).toBe(0);
  });

  test.each(lessons().map((path) => basename(path, ".ipynb")))(
    "%s passes with its solutions, and without them says what is missing",
    {
      timeout: 480_000,
    },
    async (name) => {
      const teacher = join(packageRoot(), "notebooks/course", `${name}.ipynb`);
      const run = join(scratch, "run");
      const begins = `erpo: there is no run in ${run}: the lesson begins one; -p runDir DIR names a finished run\n`;
      const noted = existsSync(join(run, "run.json")) ? "" : begins; // by the lesson that comes first
      const right = await check(teacher);
      expect(right.stderr).toBe(noted);
      expect(right.stdout).toMatch(/^(?:\S+ +passed\n)+(\d+) of \1 exercises passed, (\d+) of \2 points\n$/);
      expect(right.code).toBe(0);

      const wrong = wrongAnswers[name] ?? {};
      const student = join(scratch, "class", `${name}.ipynb`);
      const { notebook } = readNotebook(student);
      const answers = (cell: Cell) => wrong[graded(cell)?.grade_id ?? ""];
      const cells = notebook.cells.map((cell) => {
        const [code] = answers(cell) ?? [];
        return code === undefined ? cell : { ...cell, source: cell.source.replace(/\/\/ YOUR CODE HERE\n.*/g, () => code) };
      });
      writeFileSync(student, notebookText({ ...notebook, cells }));
      const { code, stdout, stderr } = await check(student);
      expect([code, stderr]).toEqual([1, ""]);
      const said = stdout.split("\n").map((line) => line.split(/ {2,}/));
      const expected = cells
        .filter(isSolution)
        .map((cell) => [graded(cell)!.grade_id, answers(cell) ? `not yet: ${answers(cell)![1]}` : "not done"]);
      expect(said.slice(0, expected.length)).toEqual(expected);
    },
  );
});
