import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { isRecord } from "../../src/setup/json.js";
import { type Cell, type CellMetadata, type Notebook, NotebookError, type Output } from "./types.js";
import { fromVersion3 } from "./version-3.js";

/** Bytes of a notebook file at most: what is read has to fit into one text. */
const LARGEST = 500e6;

/**
 * Reads a notebook file and checks its shape. Multi-line fields come out as single strings, the lines of sources ended by `\n`.
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
  if (bytes.length > LARGEST) throw new NotebookError(`${path}: is larger than ${LARGEST / 1e6} MB`);
  return { notebook: parseNotebook(new TextDecoder().decode(bytes), basename(path)), bytes };
}

/**
 * Parses the text of a notebook, of nbformat 3 too. Missing fields are filled in, wrong ones are errors. Halves of characters become U+FFFD.
 * @param name stands at the start of error messages
 * @throws NotebookError when it is not a notebook of nbformat 4 or 3
 */
export function parseNotebook(text: string, name: string): Notebook {
  let read: unknown;
  try {
    read = JSON.parse(text.replace(/^\uFEFF/, ""), /\\ud[89a-f]/i.test(text) ? wellFormed : undefined);
  } catch (error) {
    throw new NotebookError(`${name}: not JSON (${error instanceof Error ? error.message.replace(/\s+/g, " ") : error})`);
  }
  const fail = (cause: string): never => {
    throw new NotebookError(`${name}: ${cause}`);
  };
  if (!isRecord(read)) return fail("not a notebook: the file holds no JSON object");
  const value = read.nbformat === 3 ? fromVersion3(read) : read;
  if (value.nbformat !== 4) {
    return fail(
      typeof value.nbformat === "number"
        ? `nbformat ${value.nbformat} is not supported; convert it with \`jupyter nbconvert --to notebook ${name}\``
        : "not a notebook: nbformat is missing",
    );
  }
  if (!Array.isArray(value.cells)) return fail("not a notebook: cells is missing or no list");
  const cells = value.cells.map((cell, i) => parseCell(cell, (cause) => fail(`cell ${i + 1}: ${cause}`)));
  const { nbformat_minor = 0, metadata = {} } = value;
  if (typeof nbformat_minor !== "number") return fail("nbformat_minor must be a number");
  if (!isRecord(metadata)) return fail("metadata must be an object");
  return { ...value, nbformat: 4, nbformat_minor, metadata, cells };
}

/** For `JSON.parse`: texts without lone surrogates, which no file can hold. */
const wellFormed = (_key: string, value: unknown) => (typeof value === "string" ? value.replace(/\p{Surrogate}/gu, "\ufffd") : value);

function parseCell(value: unknown, fail: (cause: string) => never): Cell {
  if (!isRecord(value)) return fail("is no object");
  const { cell_type, metadata = {}, outputs = [], execution_count = null, attachments } = value;
  const source = joined(value.source)?.replaceAll("\r\n", "\n");
  if (source === undefined) return fail("source must be text or a list of lines");
  if (!isRecord(metadata)) return fail("metadata must be an object");
  if (value.id !== undefined && typeof value.id !== "string") return fail("id must be text");
  if (attachments !== undefined && !(isRecord(attachments) && Object.values(attachments).every(isRecord)))
    return fail("attachments must be an object of objects");
  switch (cell_type) {
    case "markdown":
    case "raw":
      return { ...value, cell_type, source, metadata } as Cell;
    case "code":
      if (!Array.isArray(outputs)) return fail("outputs must be a list");
      if (execution_count !== null && typeof execution_count !== "number") return fail("execution_count must be a number or null");
      return {
        ...value,
        cell_type,
        source,
        metadata: metadata as CellMetadata,
        execution_count,
        outputs: outputs.map((output, i) => parseOutput(output, (cause) => fail(`output ${i + 1}: ${cause}`))),
      };
    default:
      return fail(`cell_type ${shown(cell_type)} is not known`);
  }
}

function parseOutput(value: unknown, fail: (cause: string) => never): Output {
  if (!isRecord(value)) return fail("is no object");
  const { output_type, name = "stdout", metadata = {}, ename = "Error", evalue = "", traceback = [] } = value;
  switch (output_type) {
    case "stream": {
      const text = joined(value.text);
      if (text === undefined) return fail("text must be text or a list of lines");
      if (typeof name !== "string") return fail("name must be text");
      return { output_type, name: name === "stderr" ? name : "stdout", text };
    }
    case "display_data":
    case "execute_result": {
      if (!isRecord(value.data)) return fail("data must be an object");
      if (!isRecord(metadata)) return fail("metadata must be an object");
      const data = Object.entries(value.data).map(([mime, item]) => {
        if (isJSONType(mime)) return [mime, item];
        const content = joined(item);
        if (content === undefined && /^(?:text|image)\//.test(mime)) return fail(`${mime} must be text or a list of lines`);
        return [mime, content ?? item];
      });
      return { ...value, output_type, data: Object.fromEntries(data), metadata };
    }
    case "error":
      if (typeof ename !== "string" || typeof evalue !== "string") return fail("ename and evalue must be text");
      if (!isTexts(traceback)) return fail("traceback must be a list of lines");
      return { output_type, ename, evalue, traceback };
    default:
      return fail(`output_type ${shown(output_type)} is not known`);
  }
}

/** A value of the file for an error message: one short line. */
const shown = (value: unknown): string => {
  const text = typeof value === "object" && value !== null ? "(an object)" : String(JSON.stringify(value));
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

/** True for MIME types whose content is a JSON value and not text. */
export const isJSONType = (mime: string): boolean => /^application\/(?:.*\+)?json$/.test(mime);

/** nbformat's multi-line strings: a text, or a list of pieces of it. */
function joined(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return isTexts(value) ? value.join("") : undefined;
}

const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((piece) => typeof piece === "string");
