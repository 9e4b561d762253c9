import { expect, test } from "vitest";
import { changedChecks, earlierFailure, exerciseResults, lessonOf, repeatedCells } from "../../../reports/course/exercises.js";
import { NOT_DONE, studentCopy } from "../../../reports/course/student.js";
import { parseNotebook } from "../../../reports/notebook/read.js";
import type { Cell, Notebook } from "../../../reports/notebook/types.js";
import { notebookJSON } from "../notebooks.js";
import { littleLesson } from "./little-lesson.js";

const lesson = parseNotebook(notebookJSON(littleLesson), "nb.ipynb");

/** The notebook as if cells of these numbers had failed. */
const failed = ({ cells, ...rest }: Notebook, errors: Record<number, [ename: string, evalue: string]>): Notebook => ({
  ...rest,
  cells: cells.map((cell, i) =>
    cell.cell_type === "code" && errors[i]
      ? { ...cell, outputs: [{ output_type: "error", ename: errors[i][0], evalue: errors[i][1], traceback: [] }] }
      : cell,
  ),
});

test("an exercise is passed, not yet or not done, each with its line and its points", () => {
  expect(exerciseResults(lesson)).toEqual([
    { name: "square", status: "passed", line: "", points: 2, of: 2 },
    { name: "fourth", status: "passed", line: "", points: 1, of: 1 },
  ]);
  const wrong = failed(lesson, { 4: ["AssertionError", "the square of 2 is 4\n\nmore"], 6: ["TypeError", "x is not a function"] });
  expect(exerciseResults(wrong)).toEqual([
    { name: "square", status: "not yet", line: "the square of 2 is 4", points: 0, of: 2 },
    { name: "fourth", status: "not yet", line: "TypeError: x is not a function", points: 0, of: 1 },
  ]);
  const untouched = failed(studentCopy(lesson), { 4: ["Error", NOT_DONE], 6: ["Error", NOT_DONE] });
  expect(exerciseResults(untouched).map(({ status, points }) => [status, points])).toEqual([["not done", 0], ["not done", 0]]); // biome-ignore format: a row
});

test("an exercise that takes another one's function says that the other is not done", () => {
  const { cells, ...rest } = studentCopy(lesson);
  const half = { ...rest, cells: cells.map((cell, i) => (i === 5 ? lesson.cells[5]! : cell)) };
  const [first, second] = exerciseResults(failed(half, { 4: ["Error", NOT_DONE], 6: ["Error", NOT_DONE] }));
  expect([first!.status, second!.line]).toEqual(["not done", "it needs an exercise before it that is not done yet"]);
});

test("an exercise that takes the function of one that does not compile says so, and names what else is missing as it is", () => {
  const notCompiled: [string, string] = ["CompileError", "Type 'string' is not assignable to type 'number'."];
  for (const missing of ["TS2304: Cannot find name 'square'.", "square is not defined"]) {
    const results = exerciseResults(failed(lesson, { 3: notCompiled, 4: ["CompileError", missing], 6: ["CompileError", missing] }));
    expect(results.map(({ line }) => line)).toEqual([`CompileError: ${notCompiled[1]}`, "it needs square, which does not run yet"]);
  }
  const other = exerciseResults(failed(lesson, { 3: notCompiled, 5: ["CompileError", "Cannot find name 'cube'."] }));
  expect(other[1]!.line).toBe("CompileError: Cannot find name 'cube'.");
  const runs = exerciseResults(failed(lesson, { 4: ["AssertionError", "no"], 6: ["CompileError", "Cannot find name 'square'."] }));
  expect(runs[1]!.line).toBe("CompileError: Cannot find name 'square'.");
});

test("an exercise that needs what the check of one before it declares says so", () => {
  const [, , , , check] = lesson.cells;
  const declares = {
    ...lesson,
    cells: lesson.cells.map((cell) => (cell === check ? { ...cell, source: `const near = 1e-6;\n${cell.source}` } : cell)),
  };
  const results = exerciseResults(failed(declares, { 4: ["CompileError", "no"], 6: ["CompileError", "Cannot find name 'near'."] }));
  expect(results[1]!.line).toBe("it needs square, which does not run yet");
});

test("an exercise whose cells are gone is missing, and counts; one that was not reached was not run", () => {
  for (const [gone, name] of [
    [3, "square"],
    [4, "square-check"],
  ] as const) {
    const copy = { ...lesson, cells: lesson.cells.filter((_, i) => i !== gone) };
    expect(exerciseResults(copy, lesson)).toEqual([
      {
        name: "square",
        status: "missing",
        line: `its cell "${name}" is not in the notebook: copy it from the lesson again`,
        points: 0,
        of: 2,
      },
      { name: "fourth", status: "passed", line: "", points: 1, of: 1 },
    ]);
  }
  const stopped = {
    ...lesson,
    cells: lesson.cells.map((cell, i) => (i > 4 ? { ...cell, execution_count: null, outputs: [] } : cell)),
  } as Notebook;
  expect(exerciseResults(stopped).map(({ status, points }) => [status, points])).toEqual([["passed", 2], ["not yet", 0]]); // biome-ignore format: a row
});

test("a check that was moved before its exercise is to go below it", () => {
  const [title, opens, task, square, check, ...more] = lesson.cells as [Cell, Cell, Cell, Cell, Cell, ...Cell[]];
  const moved = { ...lesson, cells: [title, opens, task, check, square, ...more] };
  const line = 'its check "square-check" stands before it: move the check below';
  expect(exerciseResults(moved, lesson)[0]).toEqual({ name: "square", status: "not yet", line, points: 0, of: 2 });
});

test("an answer that stands before the line of the stub is read as an answer", () => {
  const { cells, ...rest } = studentCopy(lesson);
  const answered = cells.map((cell, i) => (i === 3 ? { ...cell, source: cell.source.replace("// YOUR CODE HERE", "return x;") } : cell));
  const [square] = exerciseResults(failed({ ...rest, cells: answered }, { 4: ["AssertionError", "the square of 2 is 4"] }));
  expect(square).toMatchObject({ status: "not yet", line: "the square of 2 is 4" });
  const compiled = failed(studentCopy(lesson), { 4: ["TypeCheckError", "Cannot find name 'near'."], 6: ["Error", NOT_DONE] });
  expect(exerciseResults(compiled)[0]!.status).toBe("not done");
  const below = cells.map((cell, i) => (i === 3 ? { ...cell, source: cell.source.replace(/\n}$/, "\n  return x * x;\n}") } : cell));
  const [left] = exerciseResults(failed({ ...rest, cells: below }, { 4: ["Error", NOT_DONE] }), lesson);
  const line = 'the line that throws "not done yet" still stands in it: put your code in its place';
  expect(left).toMatchObject({ status: "not yet", line, points: 0 });
});

test("a copy's lesson is found by its cells, and checks that are not the lesson's are named", () => {
  const other = parseNotebook(notebookJSON([]), "other.ipynb");
  const cubes = { ...lesson, cells: lesson.cells.map((cell) => JSON.parse(JSON.stringify(cell).replaceAll("square", "cube")) as Cell) };
  const copy = studentCopy(lesson);
  const half = { ...copy, cells: copy.cells.slice(0, 5) };
  expect(lessonOf(half, [other, cubes, lesson])).toBe(lesson);
  expect(lessonOf({ ...copy, cells: copy.cells.slice(0, 4) }, [cubes, lesson])).toBeUndefined();
  expect([changedChecks(copy, lesson), changedChecks(lesson, lesson), changedChecks(half, lesson)]).toEqual([[], [], []]);
  const easier = copy.cells.map((cell, i) => (i === 4 ? { ...cell, source: "// nothing" } : cell));
  expect(changedChecks({ ...copy, cells: easier }, lesson)).toEqual(["square-check"]);
  expect(repeatedCells(copy)).toEqual([]);
  expect(repeatedCells({ ...copy, cells: [...copy.cells, ...copy.cells.slice(3, 4)] })).toEqual(["square"]);
});

test("a cell that fails before all exercises is named, and not one behind an exercise that failed", () => {
  expect(earlierFailure(lesson)).toBeUndefined();
  const missing = failed(lesson, { 1: ["DataError", "runs/quick: no such run\nmore"], 4: ["Error", "x"] });
  expect(earlierFailure(missing)).toBe("cell 2: DataError: runs/quick: no such run");
  const toFail = (cell: Cell, i: number): Cell => (i === 1 ? { ...cell, metadata: { tags: ["raises-exception"] } } : cell);
  expect(earlierFailure({ ...missing, cells: missing.cells.map(toFail) })).toBeUndefined();
  const longer = { ...lesson, cells: [...lesson.cells, lesson.cells[1]!] };
  expect(earlierFailure(failed(longer, { 4: ["Error", NOT_DONE], 7: ["Error", "square is not there"] }))).toBeUndefined();
});
