import { createHash } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";

const { closeSync, openSync, readdirSync, readSync, statSync } = fs; // Node's own: those of `fs` may be traced

/** What a program does with a path: opens it, lists it, asks whether and what it is, changes it. */
export type Access = "read" | "list" | "probe" | "write";

const SMALL = 1 << 20;

/**
 * What tells two states of a file apart, at little cost: the bytes of a small one, place and times of a large one. A folder is `folder`;
 * what is not there, the error's code.
 */
export function stampOf(path: string): string {
  const large = ({ dev, ino, size, mtimeNs, ctimeNs }: fs.BigIntStats) => [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  return look(path, (stat) => (stat.size > SMALL ? large(stat) : contentOf(path)));
}

/** What a program can tell by looking: `file 120`, with its bytes, `folder` or the error's code. */
export function kindOf(path: string): string {
  return look(path, ({ size }) => `file ${size}`);
}

/** SHA-256 of a folder's names. */
export function namesIn(path: string): string {
  try {
    return sha256(names(path).join("\0"));
  } catch (error) {
    return codeOf(error);
  }
}

/** SHA-256 of a file's bytes; `folder`, `special` (what cannot be read twice: a pipe, a socket) or the error's code where it is no file. */
export function contentOf(path: string): string {
  return look(path, () => {
    const hash = createHash("sha256");
    const file = openSync(path, "r");
    try {
      const chunk = Buffer.alloc(1 << 18);
      for (let n = readSync(file, chunk); n > 0; n = readSync(file, chunk)) hash.update(chunk.subarray(0, n));
    } finally {
      closeSync(file);
    }
    return hash.digest("hex");
  });
}

/** SHA-256 of a file, or of all names and bytes below a folder. */
export function treeOf(path: string): string {
  const content = contentOf(path);
  if (content !== "folder") return content;
  return sha256(
    names(path)
      .map((name) => `${name}\0${treeOf(join(path, name))}\n`)
      .join(""),
  );
}

/** Without locks and files that `writeAtomic` has not renamed yet. */
const names = (folder: string) =>
  readdirSync(folder)
    .filter((name) => !/^\..+\.(lock|\d+\.tmp)$/.test(name))
    .sort();

function look(path: string, ofFile: (stat: fs.BigIntStats) => string): string {
  try {
    const stat = statSync(path, { bigint: true });
    if (stat.isDirectory()) return "folder";
    return stat.isFile() ? ofFile(stat) : "special";
  } catch (error) {
    return codeOf(error);
  }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? "unreadable";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
