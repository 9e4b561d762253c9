import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { makeFolders } from "../../src/setup/folders.js";
import { isJSONType } from "./read.js";
import { type Cell, type Notebook, NotebookError, type Output } from "./types.js";

/** The file's text as Jupyter writes it: one space of indent, texts as lists of lines. */
export function notebookText(notebook: Notebook): string {
  return `${JSON.stringify({ ...notebook, cells: notebook.cells.map(cellJSON) }, null, 1)}\n`;
}

function cellJSON(cell: Cell): unknown {
  const source = lines(cell.source);
  return cell.cell_type === "code" ? { ...cell, source, outputs: cell.outputs.map(outputJSON) } : { ...cell, source };
}

function outputJSON(output: Output): unknown {
  if (output.output_type === "stream") return { ...output, text: lines(output.text) };
  if (output.output_type === "error") return output;
  const data = Object.entries(output.data).map(([mime, value]) => [
    mime,
    typeof value === "string" && !isJSONType(mime) ? textField(mime, value) : value,
  ]);
  return { ...output, data: Object.fromEntries(data) };
}

const textField = (mime: string, value: string) => (/^text\/|\+xml$|javascript$/.test(mime) ? lines(value) : value);

const lines = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/**
 * Writes a file whole or not at all: beside its place, synced, renamed. Folders are made.
 * @throws NotebookError in one line when the place cannot be written
 */
export function writeWhole(path: string, content: string | Uint8Array): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  let file: number | undefined;
  try {
    makeFolders(dirname(path));
    file = openSync(temporary, "w");
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
    closeSync(file);
    file = undefined;
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    if (file !== undefined) closeSync(file);
    if (existsSync(temporary)) rmSync(temporary);
    throw new NotebookError(`${path}: cannot be written (${reason(error)})`);
  }
}

/** A renamed file survives a power cut only once its folder is synced, where the system allows that. */
function syncFolder(folder: string): void {
  try {
    const handle = openSync(folder, "r");
    fsyncSync(handle);
    closeSync(handle);
  } catch {}
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const words: Record<string, string> = {
    ENOSPC: "the disk is full",
    EACCES: "permission denied",
    EROFS: "read-only",
    ENOTDIR: "a part of the path is no folder",
    EEXIST: "a part of the path is no folder",
    EISDIR: "is a folder",
  };
  return words[code ?? ""] ?? code ?? message;
}
