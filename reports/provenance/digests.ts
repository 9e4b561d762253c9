import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import type { Notebook, Output } from "../notebook/types.js";

/** A file and its bytes. */
export interface FileDigest {
  /** Relative to the report's folder. */
  file: string;
  sha256: string;
}

/** Hexadecimal SHA-256. */
export const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

/**
 * SHA-256 of a file's bytes; undefined where there is no regular file that can be read. Does not wait for a pipe's other end.
 * @param length of so many bytes from its beginning; all unless told
 */
export function fileSha256(path: string, length = Number.POSITIVE_INFINITY): string | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch {
    return undefined;
  }
  try {
    if (!fstatSync(file).isFile()) return undefined;
    const hash = createHash("sha256");
    const buffer = Buffer.alloc(1 << 20);
    for (let left = length; left > 0; ) {
      const read = readSync(file, buffer, 0, Math.min(buffer.length, left), null);
      if (read === 0) break;
      hash.update(buffer.subarray(0, read));
      left -= read;
    }
    return hash.digest("hex");
  } finally {
    closeSync(file);
  }
}

/** SHA-256 of one output as JSON with its keys in alphabetical order: the same after a notebook was saved by another program. */
export function outputSha256(output: Output): string {
  const hash = createHash("sha256");
  for (const piece of sortedJSON(output)) hash.update(piece);
  return hash.digest("hex");
}

/** SHA-256 over the outputs of all cells. @param cells by number, with `outputSha256` of each output; those without outputs count nothing */
export const outputsSha256 = (cells: readonly { cell: number; outputs: readonly string[] }[]): string =>
  sha256(JSON.stringify(cells.flatMap(({ cell, outputs }) => (outputs.length > 0 ? [[cell, outputs]] : []))));

/** JSON without spaces, in pieces; however deep the value is. */
function* sortedJSON(whole: unknown): Generator<string> {
  const todo: ({ value: unknown } | string)[] = [{ value: whole }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    if (typeof next === "string") yield next;
    else if (typeof next.value !== "object" || next.value === null) yield JSON.stringify(next.value) ?? "null";
    else {
      const list = Array.isArray(next.value);
      const entries = Object.entries(next.value);
      if (!list) entries.sort(([a], [b]) => (a < b ? -1 : 1));
      todo.push(list ? "]" : "}");
      for (let i = entries.length - 1; i >= 0; i--) {
        const [key, value] = entries[i]!;
        todo.push({ value }, `${i ? "," : ""}${list ? "" : `${JSON.stringify(key)}:`}`);
      }
      yield list ? "[" : "{";
    }
  }
}

/** SHA-256 of the sources of a notebook's cells, in order. */
export const sourceSha256 = ({ cells }: Pick<Notebook, "cells">): string =>
  sha256(JSON.stringify(cells.map((cell) => [cell.cell_type, cell.source])));

const CODE = /\.(?:ts|mjs|js|py|c|cc|h|css|json|jsonl|yaml)$/;

/** SHA-256 over the files in `folders` below `root` that are code, by path: tells uncommitted changes too, and works without git. */
export function codeSha256(root: string, folders: readonly string[]): string {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => CODE.test(file))
      .map((file) => `${folder}/${file.replaceAll("\\", "/")}`),
  );
  return sha256(
    files
      .sort()
      .map((file) => `${fileSha256(join(root, file))} ${file}\n`)
      .join(""),
  );
}
