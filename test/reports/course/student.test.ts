import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { STUB, studentCopy } from "../../../reports/course/student.js";
import { parseNotebook } from "../../../reports/notebook/read.js";
import { code, notebookJSON, type RawCell } from "../notebooks.js";
import { littleLesson } from "./little-lesson.js";

const notebook = (cells: RawCell[]) => parseNotebook(notebookJSON(cells), "nb.ipynb");
const solution = { nbgrader: { grade_id: "a", solution: true, grade: false, locked: false, schema_version: 3, task: false } };
const student = (source: string, metadata: Record<string, unknown> = solution) =>
  studentCopy(notebook([code(source, [], metadata)])).cells[0]!;

test("a solution gives way to the stub at its own indent, hidden tests and outputs are gone, the rest stays", () => {
  const { cells } = studentCopy(notebook(littleLesson));
  expect(cells[3]!.source).toBe(
    'function square(x: number): number {\n  // YOUR CODE HERE\n  throw new Error("not done yet: put your code in the place of this line");\n}',
  );
  expect(cells[4]!.source).toBe('assert(square(2) === 4, "the square of 2 is 4");');
  expect(cells[2]!.source).toBe(littleLesson[2]!.source);
  expect(cells.flatMap((cell) => (cell.cell_type === "code" ? cell.outputs : []))).toEqual([]);
  expect(cells.map((cell) => (cell.cell_type === "code" ? cell.execution_count : null))).toEqual(cells.map(() => null));
  expect([cells[3]!.metadata.editable, cells[4]!.metadata.editable]).toEqual([undefined, false]);
  expect([cells[1]!.metadata.deletable, cells[3]!.metadata.deletable]).toEqual([undefined, false]);
});

test("the course's page tells nbgrader the same stub", () => {
  const page = readFileSync(new URL("../../../notebooks/course/README.md", import.meta.url), "utf8");
  expect(page).toContain(`c.ClearSolutions.code_stub = {"typescript": '${STUB.replace("\n", "\\n")}'}`);
});

test("a solution cell without a region is all solution", () => {
  expect(student("const answer = 42;").source).toBe(STUB);
});

test("a region that is nested, has one end only or stands where nobody writes is named with its cell", () => {
  const says = (source: string, metadata?: Record<string, unknown>) => () => student(source, metadata);
  expect(says("// BEGIN SOLUTION\n1")).toThrow("cell 1: BEGIN SOLUTION without END SOLUTION");
  expect(says("1\n// END SOLUTION")).toThrow("cell 1: END SOLUTION without BEGIN SOLUTION");
  expect(says("// BEGIN SOLUTION\n// BEGIN SOLUTION\n// END SOLUTION")).toThrow("a second BEGIN SOLUTION before END SOLUTION");
  expect(says("// BEGIN SOLUTION\n1\n// END SOLUTION", {})).toThrow("cell 1: has a solution or hidden tests, and no nbgrader metadata");
});

/** A cell as pieces of plain lines and regions; no line has a marker's words. */
const line = fc.stringMatching(/^[ a-z(){};]{0,12}$/);
const region = fc.record({
  indent: fc.nat(4),
  hidden: fc.boolean(),
  lines: fc.array(
    line.map((text) => `SECRET ${text}`),
    { maxLength: 4 },
  ),
});
const pieces = fc.array(fc.oneof(line, region), { minLength: 1, maxLength: 8 });
type Piece = typeof pieces extends fc.Arbitrary<(infer P)[]> ? P : never;

const asTeacher = (piece: Piece): string[] => {
  if (typeof piece === "string") return [piece];
  const indent = " ".repeat(piece.indent);
  const name = piece.hidden ? "HIDDEN TESTS" : "SOLUTION";
  return [`${indent}// BEGIN ${name}`, ...piece.lines, `${indent}// END ${name}`];
};
const asStudent = (piece: Piece): string[] => {
  if (typeof piece === "string") return [piece];
  return piece.hidden ? [] : STUB.split("\n").map((text) => " ".repeat(piece.indent) + text);
};

test("nothing of a region is left, everything else is, and a copy of a copy is the copy", () => {
  fc.assert(
    fc.property(pieces, (own) => {
      fc.pre(own.some((piece) => typeof piece !== "string" && !(piece.hidden && own.length === 1)));
      const copy = student(own.flatMap(asTeacher).join("\n"));
      expect(copy.source).not.toContain("SECRET");
      expect(copy.source).toBe(own.flatMap(asStudent).join("\n"));
    }),
  );
  const once = studentCopy(notebook(littleLesson));
  const checks = ({ cells }: typeof once) => cells.filter(({ metadata }) => metadata.editable === false);
  expect(checks(studentCopy(once))).toEqual(checks(once));
});
