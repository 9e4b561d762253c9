import { existsSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import type { ExerciseResult } from "../../reports/course/exercises.js";
import type { Notebook } from "../../reports/notebook/types.js";
import { temporaryFolder } from "../setup/files.js";
import { addParameter, assertDeclared, takesPairs } from "./notebook-parameters.js";
import { alignedLines, folder, say, wholeNumber } from "./output.js";

interface CopyOptions {
  run: string;
  model?: string;
}

interface CheckOptions {
  param: Record<string, unknown>;
  timeout: number;
}

/** `erpo course release | check | solutions`: lessons with exercises for a class. */
export function register(program: Command): void {
  const course = program.command("course").description("lessons with exercises: students' copies, offline checks, the teacher's answers");
  const copies = (name: string, description: string) =>
    course
      .command(name)
      .description(description)
      .argument("<dir>", "folder of the copies; files that are there already stay", folder)
      .argument("[notebooks...]", "the teacher's notebooks; erpo's own lessons unless given")
      .option("--run <dir>", "folder of the finished run that the lessons open, with its profile, seed and model", "runs/quick")
      .option("--model <path>", "the run's model, where it is a file or a folder");
  copies("release", "write students' copies: without solutions, hidden tests and outputs").action(release);
  copies("solutions", "write the teacher's notebooks, with solutions and hidden tests, as nbgrader wants its source").action(solutions);
  takesPairs(
    course
      .command("check")
      .description(
        "run a copy of a student's notebook and say how far each exercise is; exits with 1 unless all are passed and the lesson runs through",
      )
      .argument("<notebook>", "a student's notebook; its code runs as yours")
      .option("-p, --param <name value>", "a parameter and its value; may be repeated", addParameter, {})
      .option("--timeout <seconds>", "limit for each cell", wholeNumber(1), 600)
      .action(check),
  );
}

async function release(dir: string, notebooks: string[], options: CopyOptions): Promise<void> {
  const { studentCopy } = await import("../../reports/course/student.js");
  await write(dir, notebooks, options, studentCopy);
}

const solutions = (dir: string, notebooks: string[], options: CopyOptions): Promise<void> =>
  write(dir, notebooks, options, (notebook) => notebook);

async function write(
  dir: string,
  notebooks: string[],
  { run, model }: CopyOptions,
  change: (notebook: Notebook) => Notebook,
): Promise<void> {
  const [{ lessons, writeCopies }, { lessonRun }] = await Promise.all([
    import("../../reports/course/copies.js"),
    import("./lesson-run.js"),
  ]);
  const written = writeCopies(notebooks.length > 0 ? notebooks : lessons(), dir, lessonRun(run, dir, model), change);
  for (const file of written) process.stdout.write(`${file}\n`);
}

async function check(notebook: string, { param: parameters, timeout }: CheckOptions): Promise<void> {
  const [
    { executeNotebook },
    { declaredParameters },
    { lessons },
    { changedChecks, earlierFailure, exerciseResults, hasHiddenTests, lessonOf, repeatedCells },
    { progressLine },
    { readNotebook },
  ] = await Promise.all([
    import("../../reports/execute/execute.js"),
    import("../../reports/execute/parameters.js"),
    import("../../reports/course/copies.js"),
    import("../../reports/course/exercises.js"),
    import("../../reports/execute/progress.js"),
    import("../../reports/notebook/read.js"),
  ]);
  await assertDeclared([notebook], parameters);
  noteMissingRun(dirname(notebook), { ...declaredParameters(readNotebook(notebook).notebook), ...parameters });
  const scratch = temporaryFolder("erpo-check-");
  const output = join(scratch, basename(notebook));
  const line = progressLine(process.stderr);
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.on("SIGINT", interrupt);
  try {
    const stopped = await executeNotebook(notebook, {
      output,
      folder: dirname(notebook),
      parameters,
      timeout,
      allowErrors: true,
      signal: stop.signal,
      onProgress: line.show,
    }).then(
      () => undefined,
      (error: Error) => error, // a cell that takes too long: what came before it counts
    );
    line.clear();
    if (stopped && (stop.signal.aborted || !existsSync(output))) throw stopped;
    if (stopped) say(stopped.message);
    const executed = readNotebook(output).notebook;
    const own = lessons().map((file) => readNotebook(file).notebook);
    const lesson = lessonOf(executed, own);
    const results = exerciseResults(executed, lesson);
    if (results.length === 0) throw new Error(`${notebook}: has no exercise (a cell with nbgrader's metadata, and a check behind it)`);
    const failure = earlierFailure(executed);
    const note = (text: string) => say(`${basename(notebook)}: ${text}`);
    if (failure) note(`the lesson did not run through: ${failure}`);
    for (const name of repeatedCells(executed)) note(`its cell "${name}" is there more than once: keep one, and delete the other`);
    for (const name of lesson ? changedChecks(executed, lesson) : [])
      note(`its check "${name}" is not the lesson's: copy it from the lesson again`);
    process.stdout.write(`${resultLines(results).join("\n")}${hasHiddenTests(executed) ? "" : ", without the teacher's hidden tests"}\n`);
    if (stopped || failure || results.some(({ status }) => status !== "passed")) process.exitCode = 1;
  } finally {
    line.clear();
    process.off("SIGINT", interrupt);
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A lesson makes the run that it does not find, which takes minutes where it trains. */
function noteMissingRun(folder: string, { runDir }: Record<string, unknown>): void {
  if (typeof runDir !== "string" || existsSync(join(resolve(folder, runDir), "run.json"))) return;
  say(`there is no run in ${resolve(folder, runDir)}: the lesson begins one; -p runDir DIR names a finished run`);
}

function resultLines(results: readonly ExerciseResult[]): string[] {
  const sum = (of: (result: ExerciseResult) => number) => results.reduce((total, result) => total + of(result), 0);
  const passed = sum(({ status }) => (status === "passed" ? 1 : 0));
  const rows = results.map(({ name, status, line }) => [name, line ? `${status}: ${line}` : status]);
  const total = `${passed} of ${results.length} exercises passed, ${sum(({ points }) => points)} of ${sum(({ of }) => of)} points`;
  return [...alignedLines(rows), total];
}
