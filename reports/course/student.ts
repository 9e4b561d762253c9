import { type Cell, type CellMetadata, type Notebook, NotebookError, withoutOutputs } from "../notebook/types.js";

/** nbgrader's metadata of a cell, schema 3 (https://nbgrader.readthedocs.io/en/stable/contributor_guide/metadata.html). */
export interface GradedCell {
  /** The cell's name within the notebook. */
  grade_id: string;
  /** Whether it gives points. */
  grade: boolean;
  /** Whether a student writes in it. */
  solution: boolean;
  locked: boolean;
  points?: number;
}

/** What nbgrader knows of a cell; undefined for cells that are no part of an exercise. */
export function graded({ metadata }: Cell): GradedCell | undefined {
  const { nbgrader } = metadata as CellMetadata & { nbgrader?: Partial<GradedCell> };
  if (typeof nbgrader !== "object" || nbgrader === null || typeof nbgrader.grade_id !== "string") return undefined;
  const { grade_id, grade = false, solution = false, locked = false, points } = nbgrader;
  return { grade_id, grade, solution, locked, ...(typeof points === "number" && { points }) };
}

/** What the error of an exercise says that nobody has worked on. */
export const NOT_DONE = "not done yet: put your code in the place of this line";

/** What stands where a solution was. nbgrader writes the same with `c.ClearSolutions.code_stub = {"typescript": STUB}`. */
export const STUB = `// YOUR CODE HERE\nthrow new Error("${NOT_DONE}");`;

const SOLUTION = { begin: "BEGIN SOLUTION", end: "END SOLUTION" };
/** What stands on the lines around a hidden test. */
export const HIDDEN = { begin: "BEGIN HIDDEN TESTS", end: "END HIDDEN TESTS" };

/**
 * A student's copy of a teacher's notebook, as nbgrader would generate it: each solution (what stands between lines with `BEGIN SOLUTION` and `END SOLUTION`; else all of a
 * solution cell) is `STUB`, hidden tests and outputs are gone, and frontends keep a student from editing a locked cell and from deleting one that is graded.
 *
 * @throws NotebookError `cell 7: ...` for a region that is nested or has only one end, and for a solution outside of the cells that students write in
 */
export const studentCopy = (notebook: Notebook): Notebook => ({
  ...notebook,
  cells: notebook.cells.map((cell, i) => {
    try {
      return withoutOutputs(studentCell(cell));
    } catch (error) {
      throw new NotebookError(`cell ${i + 1}: ${(error as Error).message}`);
    }
  }),
});

function studentCell(cell: Cell): Cell {
  const about = graded(cell);
  const source = replaced(replaced(cell.source, SOLUTION, STUB), HIDDEN, "");
  if (!about) {
    if (cell.cell_type === "code" && source !== cell.source)
      throw new Error("has a solution or hidden tests, and no nbgrader metadata: students would lose it");
    return cell;
  }
  const whole = about.solution && cell.cell_type === "code" && source === cell.source;
  const metadata = { ...cell.metadata, deletable: false, ...(about.locked && { editable: false }) };
  return { ...cell, source: whole ? STUB : source, metadata };
}

/** A text in which another one, indented as the region was, stands for each region with its two lines. */
function replaced(source: string, { begin, end }: typeof SOLUTION, by: string): string {
  const lines: string[] = [];
  let inside = false;
  for (const line of source.split("\n")) {
    if (line.includes(begin)) {
      if (inside) throw new Error(`a second ${begin} before ${end}`);
      inside = true;
      const indent = /^\s*/.exec(line)![0];
      if (by !== "") lines.push(...by.split("\n").map((text) => indent + text));
    } else if (line.includes(end)) {
      if (!inside) throw new Error(`${end} without ${begin}`);
      inside = false;
    } else if (!inside) lines.push(line);
  }
  if (inside) throw new Error(`${begin} without ${end}`);
  return lines.join("\n");
}
