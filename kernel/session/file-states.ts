import { createHash } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";

const { accessSync, closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, realpathSync, statSync } = fs; // Node's own: those of `fs` may be traced

/**
 * What a program does with a path: opens it, lists it, lists it with what each name is (`types`), asks whether and what it is, changes it;
 * asks where a link leads (`link`), what its place is without links (`place`), whether it is a link itself (`kind`), for a field of its stat,
 * such as `stat mtime` or `lstat mode`, or whether it may do something (`access 1`, with the mode of Node's `access`).
 */
export type Access =
  | "read"
  | "list"
  | "types"
  | "probe"
  | "write"
  | "link"
  | "place"
  | "kind"
  | `${"stat" | "lstat"} ${string}`
  | `access ${number}`;

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
function kindOf(path: string): string {
  return look(path, ({ size }) => `file ${size}`);
}

/** A path's state by what was done with it; of what was read, its bytes. */
export function stateOf(access: Access, path: string): string {
  if (access === "list") return namesIn(path);
  if (access === "types") return typesIn(path);
  if (access === "probe") return kindOf(path);
  if (access === "link") return known(() => readlinkSync(path));
  if (access === "place") return known(() => realpathSync(path));
  if (access === "kind") return known(() => (lstatSync(path).isSymbolicLink() ? "link" : kindOf(path)));
  if (access.startsWith("access ")) return allowed(path, Number(access.slice("access ".length)));
  const [, call, field] = /^(l?stat) (.*)$/.exec(access) ?? [];
  return field === undefined
    ? contentOf(path)
    : known(() => fieldOf((call === "stat" ? statSync : lstatSync)(path, { bigint: true }), field));
}

/** When a file was modified, in ms, without notice to a trace; 0 where it is not there. */
export const modifiedMs = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

const allowed = (path: string, mode: number) =>
  known(() => {
    accessSync(path, mode);
    return "allowed";
  });

/** A field of a stat; times in nanoseconds. */
function fieldOf(stat: fs.BigIntStats, field: string): string {
  return String(stat[(field.endsWith("time") ? `${field}Ns` : field) as keyof fs.BigIntStats]);
}

function known(look: () => string): string {
  try {
    return look();
  } catch (error) {
    return codeOf(error);
  }
}

/** SHA-256 of a folder's names. */
function namesIn(path: string): string {
  return known(() => sha256(names(path).join("\0")));
}

/** SHA-256 of a folder's names and of what each is, such as a folder or a link. */
function typesIn(path: string): string {
  return known(() => {
    const types = new Map(readdirSync(path, { withFileTypes: true }).map((entry) => [entry.name, typeOf(entry)]));
    return sha256(
      names(path)
        .flatMap((name) => [name, types.get(name)])
        .join("\0"),
    );
  });
}

const TYPES = ["isFile", "isDirectory", "isSymbolicLink", "isFIFO", "isSocket", "isBlockDevice", "isCharacterDevice"] as const;

const typeOf = (entry: fs.Dirent) => TYPES.find((type) => entry[type]());

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
  return known(() => {
    const stat = statSync(path, { bigint: true });
    if (stat.isDirectory()) return "folder";
    return stat.isFile() ? ofFile(stat) : "special";
  });
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? "unreadable";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
