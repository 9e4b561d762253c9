import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { fileError, writeAll } from "../setup/atomic.js";
import { makeFolders } from "../setup/folders.js";
import { isRecord, parseJsonText } from "../setup/json.js";
import { readBeginning } from "./beginning.js";
import { cause, DataError } from "./errors.js";
import { assertUtf8 } from "./utf8.js";

const newline = 0x0a;

/**
 * Objects from JSON Lines text; empty lines are skipped.
 * @param name what to call the text in messages, usually its path
 * @throws DataError naming the line that is not a JSON object
 */
export function parseJsonl(text: string, name: string): { line: number; value: Record<string, unknown> }[] {
  const rows: { line: number; value: Record<string, unknown> }[] = [];
  for (const [i, content] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    if (content.trim() !== "") rows.push({ line: i + 1, value: parseObject(content, `${name}:${i + 1}`) });
  }
  return rows;
}

/** `parseJsonl` of a file. @throws DataError when the file cannot be read or a line is not a JSON object */
export function readJsonl(path: string): { line: number; value: Record<string, unknown> }[] {
  return parseJsonl(readText(path), path);
}

/**
 * The first rows of a JSON Lines file; only as much of it is read.
 * @param rows how many at most
 * @throws DataError when the file cannot be read or one of these lines is not a JSON object
 */
export function readFirstJsonl(path: string, rows: number): { line: number; value: Record<string, unknown> }[] {
  return readBeginning(path, (text, whole) => {
    const lines = text.split("\n").map((content, i) => ({ content, line: i + 1 }));
    if (!whole) lines.pop(); // may be torn
    const full = lines.filter(({ content }) => content.trim() !== "").slice(0, rows);
    if (!whole && full.length < rows) return undefined;
    return full.map(({ content, line }) => ({ line, value: parseObject(content, `${path}:${line}`) }));
  });
}

/** One JSON object a line, with a newline at the end. */
export function formatJsonl(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

/** A text file. @throws DataError `FILE: cause` where it cannot be read, or is not UTF-8 */
export function readText(path: string): string {
  try {
    const bytes = readFileSync(path);
    assertUtf8(bytes, path);
    return bytes.toString("utf8");
  } catch (error) {
    throw error instanceof DataError ? error : new DataError(`${path}: ${cause(error)}`);
  }
}

/** A JSON file that erpo wrote. @throws DataError `FILE: cause` when it cannot be read or holds no JSON object */
export function readJson<T>(path: string): T {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there && !there.isFile() && !there.isDirectory()) throw new DataError(`${path}: is no regular file`); // a pipe would not end
  return parseObject(readText(path), path) as T;
}

/** A results file that grows by whole lines and survives `kill -9`. */
export interface JsonlAppender {
  /** The rows that were there when it was opened. */
  readonly rows: Record<string, unknown>[];
  /** True when the last line was torn by an interruption and has been removed. */
  readonly repaired: boolean;
  /** Adds one line; on disk when the call returns. */
  append(row: object): void;
  close(): void;
}

/**
 * Opens a JSON Lines file to go on writing it. A last line without its newline is what an interrupted write leaves: it is kept if it
 * is a whole object (its newline is added), else cut off.
 *
 * @throws DataError when an earlier line is not a JSON object; FileError when the file cannot be written, now or later
 */
export function appendJsonl(path: string): JsonlAppender {
  const writing = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw fileError(path, error);
    }
  };
  writing(() => makeFolders(dirname(path)));
  const { rows, end, rest, whole } = appended(path);
  const file = writing(() => openSync(path, "a"));
  writing(() => {
    if (whole) writeAll(file, Buffer.from("\n"));
    else if (rest !== "") ftruncateSync(file, end);
    fsyncSync(file);
  });
  return {
    rows,
    repaired: rest !== "" && !whole,
    append(row) {
      writing(() => {
        writeAll(file, Buffer.from(`${JSON.stringify(row)}\n`));
        fsyncSync(file);
      });
    },
    close: () => closeSync(file),
  };
}

/**
 * The rows of a file that `appendJsonl` or nobody has written. A last line that an interruption has torn is left out, and stays in the file.
 * @throws DataError when an earlier line is not a JSON object
 */
export const readAppended = (path: string): Record<string, unknown>[] => appended(path).rows;

/** Rows, where the last whole line ends, and what stands behind it: a torn row, or a whole one without its newline. */
function appended(path: string): { rows: Record<string, unknown>[]; end: number; rest: string; whole: boolean } {
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  const end = bytes.lastIndexOf(newline) + 1;
  const rest = bytes.subarray(end).toString("utf8");
  const whole = rest !== "" && isObject(rest);
  const rows = parseJsonl(bytes.subarray(0, end).toString("utf8") + (whole ? rest : ""), path).map(({ value }) => value);
  return { rows, end, rest, whole };
}

function parseObject(text: string, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJsonText(text);
  } catch (error) {
    const csv = /\.csv:\d+$/i.test(where) ? ": give JSON Lines, an object per line, in the place of CSV" : "";
    throw new DataError(`${where}: not JSON (${cause(error)})${csv}`);
  }
  if (!isRecord(value)) throw new DataError(`${where}: expected a JSON object`);
  return value;
}

function isObject(text: string): boolean {
  try {
    parseObject(text, "");
    return true;
  } catch {
    return false;
  }
}
