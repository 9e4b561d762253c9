import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { writeAtomic } from "../../src/setup/atomic.js";
import { packageRoot } from "../../src/setup/paths.js";
import { readNotebook } from "../notebook/read.js";
import { cellTags, type Notebook, NotebookError } from "../notebook/types.js";
import { notebookText } from "../notebook/write.js";

/** What lessons are told to open a run with. */
export interface LessonRun {
  /** Their parameters, as `openRun` takes them. */
  parameters: { runDir: string; profileName: string; seed: number; modelName: string };
  /** The file of the run's profile where it is no built-in one; it stands beside the lessons. */
  profileFile?: { name: string; text: string };
}

/** erpo's own lessons, in their order. */
export function lessons(): string[] {
  const folder = join(packageRoot(), "notebooks", "course");
  const names = readdirSync(folder).filter((name) => name.endsWith(".ipynb"));
  return names.sort().map((name) => join(folder, name));
}

/** A link to a term: `[policy](../glossary.md#policy)`. */
const GLOSSARY = /\]\(((?:\.\.?\/)*glossary\.md)#/g;

/**
 * Writes copies of notebooks into a folder, all or none, with the glossary that they link to and the run's profile where it has a file.
 *
 * @param run the run that the copies open, in those of its parameters that they have
 * @param change what is done to each
 * @returns the files
 * @throws NotebookError where a file is there already with another content: it may be somebody's work
 */
export function writeCopies(
  notebooks: readonly string[],
  folder: string,
  run: LessonRun,
  change: (notebook: Notebook) => Notebook,
): string[] {
  const texts = new Map<string, string>();
  const copied = (name: string, text: string, path: string) => {
    if ((texts.get(name) ?? text) !== text)
      throw new NotebookError(`${path}: another file of that name is copied already: copy one of them by itself`);
    texts.set(name, text);
  };
  for (const path of notebooks) {
    const { notebook } = readNotebook(path);
    const glossary = glossaryOf(path, notebook);
    const copy = withRun(
      named(path, () => change(notebook)),
      run,
    );
    copied(basename(path), notebookText(glossary === undefined ? copy : withGlossary(copy)), path);
    if (glossary !== undefined) copied("glossary.md", readFileSync(glossary, "utf8"), glossary);
  }
  if (run.profileFile) texts.set(run.profileFile.name, run.profileFile.text);
  const copies = [...texts].map(([name, text]) => ({ file: join(folder, name), text }));
  for (const { file, text } of copies)
    if (existsSync(file) && readFileSync(file, "utf8") !== text)
      throw new NotebookError(`${file}: is there already, and may hold somebody's work: choose another folder`);
  for (const { file, text } of copies) writeAtomic(file, [text]);
  return copies.map(({ file }) => file);
}

/** What is done to a notebook, whose errors name it. */
function named(path: string, change: () => Notebook): Notebook {
  try {
    return change();
  } catch (error) {
    throw error instanceof NotebookError ? new NotebookError(`${path}: ${error.message}`) : error;
  }
}

/** The glossary that a notebook links to; undefined where it links to none that is there. */
function glossaryOf(path: string, notebook: Notebook): string | undefined {
  const sources = notebook.cells.filter(({ cell_type }) => cell_type === "markdown");
  const links = sources.flatMap(({ source }) => [...source.matchAll(GLOSSARY)]);
  return links.map(([, link]) => resolve(dirname(path), link!)).find((file) => existsSync(file));
}

/** A copy whose glossary stands beside it. */
const withGlossary = (notebook: Notebook): Notebook => ({
  ...notebook,
  cells: notebook.cells.map((cell) =>
    cell.cell_type === "markdown" ? { ...cell, source: cell.source.replace(GLOSSARY, "](glossary.md#") } : cell,
  ),
});

const withRun = (notebook: Notebook, { parameters }: LessonRun): Notebook => ({
  ...notebook,
  cells: notebook.cells.map((cell) =>
    cellTags(cell).includes("parameters") ? { ...cell, source: Object.entries(parameters).reduce(setTo, cell.source) } : cell,
  ),
});

/** A parameters cell in which a parameter that it declares has another value. */
const setTo = (source: string, [name, value]: [string, string | number]): string =>
  source.replace(new RegExp(`^let ${name} = (?:"[^"\\n]*"|\\d+)`, "m"), () => `let ${name} = ${JSON.stringify(value)}`);
