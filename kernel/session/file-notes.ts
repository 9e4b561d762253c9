import fs from "node:fs";
import { dirname, join, sep } from "node:path";
import { isMainThread } from "node:worker_threads";
import { cacheDir, packageRoot } from "../../src/setup/paths.js";
import { type Access, stampOf, stateOf } from "./file-states.js";

/**
 * What a notebook depends on, told to an executor that wants to know (`ERPO_FILE_TRACE` names the file, a JSON line each): every path that
 * its code, its modules and the compiler have read, listed, looked for or written, with its state at that moment, the names of environment
 * variables that were read (null: all were listed), and whatever brings in what no file shows: a program, the network, a thread, foreign
 * native code.
 *
 * Left out: erpo's own packages and compiled code, which the lockfile and their own hash stand for; /proc, /sys and /dev.
 */
export type TraceLine = { access: Access; path: string; state: string } | { variable: string | null } | { unknown: string } | { end: true };

const { appendFileSync } = fs; // Node's own: `file-trace.ts` replaces it
const file = process.env.ERPO_FILE_TRACE;
const lines: string[] = [];
const noted = new Set<string>();
/** Paths that the notebook itself has made what they are; what it finds there is no input. */
const written = new Set<string>();
const removed = new Set<string>();

const root = packageRoot();
const leftOut = [
  ...["/proc", "/sys", "/dev"],
  ...["node_modules", "dist", "package.json"].map((name) => join(root, name)),
  join(cacheDir(), "code"),
];

/** Modules by which a program reads past `node:fs`. */
const UNSEEN = new Set(["sqlite", "wasi", "cluster", "dns", "dns/promises", "inspector", "inspector/promises"]);

/** Whether an executor wants to know. */
export const isTraced = file !== undefined && file !== "";

/** Whether a path is one of the folders or below one. */
const isIn = (path: string, folders: readonly string[]) => folders.some((folder) => path === folder || path.startsWith(folder + sep));

/** Notes what is done with a path, once for each kind of access. Does nothing where nobody has asked. */
export function noteFile(access: Access, path: string): void {
  if (isTraced && /^\/proc\/[^/]+\/environ$/.test(path)) noteAllVariables();
  if (!isTraced || isIn(path, leftOut) || (access !== "write" && isOwn(path))) return;
  if (access === "write") written.add(path);
  if (!isNew(`${access} ${path}`)) return;
  const state = access === "read" ? stampOf(path) : access === "write" ? "" : stateOf(access, path);
  if (access === "read" && state === "special") noteUnknown(`it reads ${path}`);
  else note({ access, path, state });
}

/** Notes that a path is removed with everything below it. */
export function noteRemoval(path: string): void {
  noteFile("write", path);
  removed.add(path);
}

/** Notes that a module is loaded by its name. */
export function noteModule(name: string): void {
  const builtin = name.replace(/^node:/, "");
  if (UNSEEN.has(builtin)) noteUnknown(`it uses ${builtin}`);
}

/** Names that an executor itself gives a kernel, another value each time. */
const EXECUTORS = ["ERPO_FILE_TRACE", "JPY_PARENT_PID"];

/** Notes that an environment variable is read; one of a list that was noted is not noted again. */
export function noteVariable(variable: string): void {
  if (noted.has("variables")) return;
  if (EXECUTORS.includes(variable)) noteUnknown(`it reads the environment variable ${variable}`);
  else if (isTraced && isNew(`variable ${variable}`)) note({ variable });
}

/** Notes that the environment variables are listed. */
export function noteAllVariables(): void {
  if (isTraced && isNew("variables")) note({ variable: null });
}

/** Notes that something comes in which no file shows. */
export function noteUnknown(unknown: string): void {
  if (isTraced && isNew(unknown)) note({ unknown });
}

/** Hands over what the main thread has noted: the trace is whole. */
export function endTrace(): void {
  appendFileSync(file!, `${lines.join("")}${JSON.stringify({ end: true } satisfies TraceLine)}\n`);
}

function note(line: TraceLine): void {
  const text = `${JSON.stringify(line)}\n`;
  if (isMainThread) lines.push(text);
  else appendFileSync(file!, text); // the module loader's thread, of which nobody hears when it ends
}

function isNew(key: string): boolean {
  if (noted.has(key)) return false;
  noted.add(key);
  return true;
}

function isOwn(path: string): boolean {
  if (written.has(path)) return true;
  if (removed.size === 0) return false;
  for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) if (removed.has(folder)) return true;
  return false;
}
