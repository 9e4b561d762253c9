import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type Cell, type CellMetadata, type Notebook, NotebookError, type Output } from "./types.js";

/**
 * Reads a notebook file and checks its shape. Multi-line fields come out as single strings.
 * @throws NotebookError `NB.ipynb: cause`, with the number of the cell where there is one
 */
export function readNotebook(path: string): { notebook: Notebook; bytes: Uint8Array } {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "no such file" : code === "EISDIR" ? "is a folder, not a notebook" : `cannot be read (${code})`;
    throw new NotebookError(`${path}: ${reason}`);
  }
  return { notebook: parseNotebook(new TextDecoder().decode(bytes), basename(path)), bytes };
}

/**
 * Parses the text of a notebook.
 * @param name stands at the start of error messages
 * @throws NotebookError when it is not a notebook of nbformat 4
 */
export function parseNotebook(text: string, name: string): Notebook {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new NotebookError(`${name}: not JSON (${error instanceof Error ? error.message.replace(/\s+/g, " ") : error})`);
  }
  const fail = (cause: string): never => {
    throw new NotebookError(`${name}: ${cause}`);
  };
  if (!isRecord(value)) return fail("not a notebook: the file holds no JSON object");
  if (value.nbformat !== 4) {
    return fail(
      typeof value.nbformat === "number"
        ? `nbformat ${value.nbformat} is not supported; convert it with \`jupyter nbconvert --to notebook\``
        : "not a notebook: nbformat is missing",
    );
  }
  if (!Array.isArray(value.cells)) return fail("not a notebook: cells is missing or no list");
  const cells = value.cells.map((cell, i) => parseCell(cell, (cause) => fail(`cell ${i + 1}: ${cause}`)));
  return {
    ...value,
    nbformat: 4,
    nbformat_minor: typeof value.nbformat_minor === "number" ? value.nbformat_minor : 0,
    metadata: isRecord(value.metadata) ? value.metadata : {},
    cells,
  };
}

function parseCell(value: unknown, fail: (cause: string) => never): Cell {
  if (!isRecord(value)) return fail("is no object");
  const source = joined(value.source);
  if (source === undefined) return fail("source must be text or a list of lines");
  const metadata = (isRecord(value.metadata) ? value.metadata : {}) as CellMetadata;
  switch (value.cell_type) {
    case "markdown":
    case "raw":
      return { ...value, cell_type: value.cell_type, source, metadata } as Cell;
    case "code": {
      const outputs = value.outputs ?? [];
      if (!Array.isArray(outputs)) return fail("outputs must be a list");
      const count = typeof value.execution_count === "number" ? value.execution_count : null;
      return {
        ...value,
        cell_type: "code",
        source,
        metadata,
        execution_count: count,
        outputs: outputs.map((output, i) => parseOutput(output, (cause) => fail(`output ${i + 1}: ${cause}`))),
      } as Cell;
    }
    default:
      return fail(`cell_type ${JSON.stringify(value.cell_type)} is not known`);
  }
}

function parseOutput(value: unknown, fail: (cause: string) => never): Output {
  if (!isRecord(value)) return fail("is no object");
  switch (value.output_type) {
    case "stream": {
      const text = joined(value.text);
      if (text === undefined) return fail("text must be text or a list of lines");
      return { output_type: "stream", name: value.name === "stderr" ? "stderr" : "stdout", text };
    }
    case "display_data":
    case "execute_result": {
      if (!isRecord(value.data)) return fail("data must be an object");
      const data = Object.fromEntries(
        Object.entries(value.data).map(([mime, item]) => [mime, isJSONType(mime) ? item : (joined(item) ?? item)]),
      );
      return { ...value, output_type: value.output_type, data, metadata: isRecord(value.metadata) ? value.metadata : {} };
    }
    case "error": {
      const traceback = Array.isArray(value.traceback) ? value.traceback.map(String) : [];
      return { output_type: "error", ename: String(value.ename ?? "Error"), evalue: String(value.evalue ?? ""), traceback };
    }
    default:
      return fail(`output_type ${JSON.stringify(value.output_type)} is not known`);
  }
}

/** True for MIME types whose content is a JSON value and not text. */
export const isJSONType = (mime: string): boolean => /^application\/(?:.*\+)?json$/.test(mime);

/** nbformat's multi-line strings: a text, or a list of pieces of it. */
function joined(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((piece) => typeof piece === "string")) return value.join("");
  return undefined;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
