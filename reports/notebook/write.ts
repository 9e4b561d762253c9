import { isJSONType } from "./read.js";
import type { Cell, Notebook, Output } from "./types.js";

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
