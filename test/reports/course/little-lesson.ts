import { code, md, type RawCell } from "../notebooks.js";

const cell = (source: string, grade_id: string, about: { solution: boolean; points?: number }): RawCell => {
  const { solution, points } = about;
  const nbgrader = { grade: !solution, grade_id, locked: !solution, schema_version: 3, solution, task: false };
  return code(source, [{ output_type: "stream", name: "stdout", text: "an earlier output\n" }], {
    nbgrader: points === undefined ? nbgrader : { ...nbgrader, points },
  });
};

/** A lesson of two exercises, of which the second takes the first's function. */
export const littleLesson: RawCell[] = [
  md("# Two squares"),
  code('import assert from "node:assert";\nlet runDir = "../../runs/quick";', [], { tags: ["parameters"] }),
  md("### Exercise 1\n\n<details><summary>Hint</summary>Times itself.</details>"),
  cell("function square(x: number): number {\n  // BEGIN SOLUTION\n  return x * x;\n  // END SOLUTION\n}", "square", { solution: true }),
  cell(
    'assert(square(2) === 4, "the square of 2 is 4");\n// BEGIN HIDDEN TESTS\nassert(square(-3) === 9, "the square of a negative number is positive");\n// END HIDDEN TESTS',
    "square-check",
    { solution: false, points: 2 },
  ),
  cell("function fourth(x: number): number {\n  // BEGIN SOLUTION\n  return square(square(x));\n  // END SOLUTION\n}", "fourth", {
    solution: true,
  }),
  cell('assert(fourth(2) === 16, "2 to the fourth is 16");', "fourth-check", { solution: false, points: 1 }),
];
