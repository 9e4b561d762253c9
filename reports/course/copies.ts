import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, relative, resolve, sep } from "node:path";
import { writeAtomic } from "../../src/setup/atomic.js";
import { packageRoot } from "../../src/setup/paths.js";
import { readNotebook } from "../notebook/read.js";
import { cellTags, type Notebook, NotebookError } from "../notebook/types.js";
import { notebookText } from "../notebook/write.js";

/** erpo's own lessons, in their order. */
export function lessons(): string[] {
  const folder = join(packageRoot(), "notebooks", "course");
  const names = readdirSync(folder).filter((name) => name.endsWith(".ipynb"));
  return names.sort().map((name) => join(folder, name));
}

/**
 * Writes copies of notebooks into a folder, all or none.
 *
 * @param run the folder of the run that the copies open: their parameter `runDir`, where they have one
 * @param change what is done to each
 * @returns the files
 * @throws NotebookError where a file is there already with another content: it may be somebody's work
 */
export function writeCopies(notebooks: readonly string[], folder: string, run: string, change: (notebook: Notebook) => Notebook): string[] {
  const runDir = relative(resolve(folder), resolve(run)).split(sep).join("/");
  const copies = notebooks.map((path) => {
    const file = join(folder, basename(path));
    const text = notebookText(withRun(named(path, change), runDir));
    if (existsSync(file) && readFileSync(file, "utf8") !== text)
      throw new NotebookError(`${file}: is there already, and may hold somebody's work: choose another folder`);
    return { file, text };
  });
  for (const { file, text } of copies) writeAtomic(file, [text]);
  return copies.map(({ file }) => file);
}

function named(path: string, change: (notebook: Notebook) => Notebook): Notebook {
  const { notebook } = readNotebook(path);
  try {
    return change(notebook);
  } catch (error) {
    throw error instanceof NotebookError ? new NotebookError(`${path}: ${error.message}`) : error;
  }
}

const withRun = (notebook: Notebook, runDir: string): Notebook => ({
  ...notebook,
  cells: notebook.cells.map((cell) =>
    cellTags(cell).includes("parameters")
      ? { ...cell, source: cell.source.replace(/^let runDir = "[^"\n]*"/m, () => `let runDir = ${JSON.stringify(runDir)}`) }
      : cell,
  ),
});
