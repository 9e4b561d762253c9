import { grouped } from "../../src/setup/lists.js";
import { type Cell, type CodeCell, cellTags, type ErrorOutput, type Notebook } from "../notebook/types.js";
import { graded, HIDDEN, NOT_DONE, studentCopy } from "./student.js";

/** How far a student is with an exercise. */
export type Status = "passed" | "not yet" | "not done" | "missing";

/** An exercise of an executed notebook. */
export interface ExerciseResult {
  /** nbgrader's name of the cell that the student writes in. */
  name: string;
  status: Status;
  /** One line for the student where it is not passed. */
  line: string;
  /** What its checks give, and what they would give. */
  points: number;
  of: number;
}

const STUB_LEFT = 'the line that throws "not done yet" still stands in it: put your code in its place';

/** A cell that a student writes in, and the cells that check it. */
interface Exercise {
  solution: CodeCell;
  checks: CodeCell[];
}

/**
 * The lesson that a notebook is a copy of, whatever its file is called: that of whose exercises' cells it has the largest share, by their names.
 * @returns undefined where no lesson has half of its cells in it
 */
export function lessonOf(copy: Notebook, lessons: readonly Notebook[]): Notebook | undefined {
  const has = new Set(gradedNames(copy));
  const shares = lessons.map((lesson) => {
    const asked = gradedNames(lesson);
    return { lesson, share: asked.filter((name) => has.has(name)).length / asked.length };
  });
  return shares.sort((a, b) => b.share - a.share).find(({ share }) => share >= 0.5)?.lesson;
}

const gradedNames = ({ cells }: Notebook): string[] => cells.flatMap((cell) => graded(cell)?.grade_id ?? []);

/** Names of an exercise's cells that a notebook has more than once, as after copying a cell; the last one counts here, and nbgrader stops at them. */
export const repeatedCells = (copy: Notebook): string[] => [
  ...new Set(gradedNames(copy).filter((name, i, names) => names.indexOf(name) < i)),
];

/** Names of the checks of a copy that are neither the lesson's nor those of its students' copies: what passes them need not be right. */
export function changedChecks(copy: Notebook, lesson: Notebook): string[] {
  const nameOf = (cell: Cell) => graded(cell)!.grade_id;
  const known = grouped([...lesson.cells, ...studentCopy(lesson).cells].filter(isCheck), nameOf);
  const isChanged = (cell: Cell) => known.get(nameOf(cell))?.every(({ source }) => source.trim() !== cell.source.trim()) ?? false;
  return copy.cells.filter(isCheck).filter(isChanged).map(nameOf);
}

/**
 * What came of the exercises of a notebook that was run (`allowErrors`). An exercise is a cell that a student writes in, with the graded cells behind it until the next such one.
 * It is passed where none of them failed; each check that did not fail gives its points.
 * @param lesson the notebook that the student's is a copy of, whose exercises may be missing in it; itself unless given
 */
export function exerciseResults(executed: Notebook, lesson: Notebook = executed): ExerciseResult[] {
  const byName = new Map(executed.cells.map((cell) => [graded(cell)?.grade_id, cell as CodeCell]));
  const stubs =
    lesson === executed ? undefined : new Map(studentCopy(lesson).cells.map((cell) => [graded(cell)?.grade_id, cell.source.trim()]));
  const found: Exercise[] = [];
  return exercisesOf(lesson).map((asked) => {
    const names = [asked.solution, ...asked.checks].map((cell) => graded(cell)!.grade_id);
    const lost = names.find((name) => !byName.has(name));
    if (lost !== undefined) {
      const line = `its cell "${lost}" is not in the notebook: copy it from the lesson again`;
      return { name: names[0]!, status: "missing", line, points: 0, of: pointsOf(asked.checks) };
    }
    const [solution, ...checks] = names.map((name) => byName.get(name)!);
    const exercise = { solution: solution!, checks };
    const place = (cell: CodeCell) => executed.cells.indexOf(cell);
    const early = checks.find((check) => place(check) < place(solution!));
    if (early) {
      const line = `its check "${graded(early)!.grade_id}" stands before it: move the check below`;
      return { name: names[0]!, status: "not yet", line, points: 0, of: pointsOf(asked.checks) };
    }
    const result = resultOf(exercise, found);
    found.push(exercise);
    const untouched = !stubs || stubs.get(names[0]!) === solution!.source.trim();
    return result.status === "not done" && !untouched ? { ...result, status: "not yet", line: STUB_LEFT } : result;
  });
}

function exercisesOf({ cells }: Notebook): Exercise[] {
  const starts = cells.flatMap((cell, i) => (isSolution(cell) ? [i] : []));
  return starts
    .map((start, k) => ({ solution: cells[start] as CodeCell, checks: cells.slice(start + 1, starts[k + 1]).filter(isCheck) }))
    .filter(({ checks }) => checks.length > 0);
}

const pointsOf = (some: readonly CodeCell[]): number => some.reduce((sum, cell) => sum + (graded(cell)!.points ?? 0), 0);

/**
 * A failure before any in an exercise, such as of the cell that opens the run: `cell 3: DataError: ...`. Later cells may only need what an exercise makes; cells that are tagged
 * `raises-exception` are to fail.
 */
export function earlierFailure({ cells }: Notebook): string | undefined {
  const at = cells.findIndex((cell) => errorOf(cell) && !cellTags(cell).includes("raises-exception"));
  return at < 0 || graded(cells[at]!) ? undefined : `cell ${at + 1}: ${firstLine(errorOf(cells[at]!)!, true)}`;
}

/** Whether a notebook has tests that students are not to see; a student's copy has none. */
export const hasHiddenTests = ({ cells }: Notebook): boolean => cells.some((cell) => isCheck(cell) && cell.source.includes(HIDDEN.begin));

/** @param before the exercises before it */
function resultOf({ solution, checks }: Exercise, before: readonly Exercise[]): ExerciseResult {
  const error = [solution, ...checks].map(errorOf).find((found) => found !== undefined);
  const wrong = errorOf(solution) !== undefined;
  const points = { points: wrong ? 0 : pointsOf(checks.filter((cell) => !errorOf(cell))), of: pointsOf(checks) };
  const name = graded(solution)!.grade_id;
  if (!error && checks.some((cell) => cell.execution_count === null))
    return { name, status: "not yet", line: "it was not run, since a cell before it took too long", points: 0, of: points.of };
  if (!error) return { name, status: "passed", line: "", ...points };
  const stubFailed = error.evalue.includes(NOT_DONE) || missingName(error) !== ""; // and no answer that stands before it
  if (stubFailed && solution.source.includes(NOT_DONE)) return { name, status: "not done", line: "", ...points };
  if (error.evalue.includes(NOT_DONE))
    return { name, status: "not yet", line: "it needs an exercise before it that is not done yet", ...points };
  const lacks = (cell: CodeCell) => errorOf(cell) && declared(cell).includes(missingName(error));
  const needed = before.find((earlier) => [earlier.solution, ...earlier.checks].some(lacks));
  if (needed) return { name, status: "not yet", line: `it needs ${graded(needed.solution)!.grade_id}, which does not run yet`, ...points };
  return { name, status: "not yet", line: firstLine(error, error.ename !== "AssertionError"), ...points };
}

/** Names that a cell declares. */
const declared = ({ source }: CodeCell): string[] =>
  [...source.matchAll(/\b(?:const|let|function|class)\s+([\w$]+)/g)].map(([, name]) => name!);

/** The name that an error says is not there, as the type checker and the running code put it. */
const missingName = ({ evalue }: ErrorOutput): string =>
  /Cannot find name '([\w$]+)'|^([\w$]+) is not defined/.exec(evalue)?.slice(1).find(Boolean) ?? "";

const isSolution = (cell: Cell): boolean => cell.cell_type === "code" && graded(cell)?.solution === true;

const isCheck = (cell: Cell): cell is CodeCell => {
  const about = graded(cell);
  return cell.cell_type === "code" && about?.grade === true && !about.solution;
};

const errorOf = (cell: Cell): ErrorOutput | undefined =>
  cell.cell_type === "code" ? cell.outputs.find((output) => output.output_type === "error") : undefined;

const firstLine = ({ ename, evalue }: ErrorOutput, named: boolean): string =>
  (named ? `${ename}: ${evalue}` : evalue).split("\n")[0]!.trim();
