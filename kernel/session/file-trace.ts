import childProcess from "node:child_process";
import dgram from "node:dgram";
import { subscribe } from "node:diagnostics_channel";
import fs from "node:fs";
import Module, { syncBuiltinESMExports } from "node:module";
import net from "node:net";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import threads from "node:worker_threads";
import { noteLookup } from "./file-lookups.js";
import { endTrace, noteFile, noteModule, noteRemoval, noteUnknown } from "./file-notes.js";
import type { Access } from "./file-states.js";
import { watchedStats } from "./file-stats.js";
import { isPure } from "./native-modules.js";
import { traceVariables } from "./variables.js";

const { readdirSync, readlinkSync, statSync } = fs; // Node's own
let nested = 0; // Node's own functions call each other

/** Makes Node's functions note what they are called with; `loader-hooks.ts` notes modules. Call once a process. */
export function traceFiles(): void {
  traceReading();
  traceWrites();
  traceVariables();
  traceUnknown();
  syncBuiltinESMExports();
  process.on("exit", endTrace);
}

/** The same for what only reads, in a thread that is told when to end. */
export function traceReading(): void {
  traceReads();
  traceStats();
}

function traceReads(): void {
  everywhere("readFile", noting("read"));
  everywhere("readdir", (path, options) => {
    const name = pathOf(path);
    if (name === undefined) return;
    const { recursive, withFileTypes } = (typeof options === "object" && options ? options : {}) as {
      recursive?: boolean;
      withFileTypes?: boolean;
    };
    const access = withFileTypes ? "types" : "list";
    noteFile(access, name);
    if (recursive) for (const { path: folder } of entriesBelow(name)) noteFile(access, folder);
  });
  everywhere("opendir", (path) => {
    noting("list")(path);
    noting("types")(path);
  });
  for (const name of ["stat", "exists"]) everywhere(name, noting("probe"));
  everywhere("access", (path, mode) => noting(typeof mode === "number" && mode !== fs.constants.F_OK ? `access ${mode}` : "probe")(path));
  everywhere("lstat", noting("kind"));
  everywhere("readlink", noting("link"));
  everywhere("realpath", noting("place"));
  for (const home of [fs.realpath, fs.realpathSync]) before(home, "native", noting("place"));
  everywhere("openAsBlob", noting("read"));
  everywhere("open", (path, flags) => {
    const { reads, writes } = opening(flags);
    if (reads) noting("read")(path);
    if (writes) noting("write")(path);
  });
  before(process, "loadEnvFile", (path) => noting("read")(path ?? ".env"));
  before(Module, "_findPath", (request, folders) => {
    if (typeof request === "string" && Array.isArray(folders)) noteLookup(request, folders);
  });
}

/**
 * Of what a stat gives, the fields count that are looked at. A file that is open is known by its path where the system tells it. The class of
 * the files that `fs.promises.open` gives is met with the first of them.
 */
function traceStats(): void {
  for (const call of ["stat", "lstat"] as const) {
    const watch = (path: unknown, stats: unknown) => {
      const name = pathOf(path);
      return name === undefined || !(stats instanceof fs.Stats || isBigStats(stats))
        ? stats
        : watchedStats(stats, (field) => noteFile(`${call} ${field}`, name));
    };
    results(fs, `${call}Sync`, watch);
    results(fs, call, watch);
    results(fs.promises, call, watch);
  }
  const watchOpen = (file: unknown, stats: unknown) => {
    const name = openPath(file);
    return name === undefined || !(stats instanceof fs.Stats || isBigStats(stats))
      ? stats
      : watchedStats(stats, (field) => noteFile(`stat ${field}`, name));
  };
  for (const name of ["fstat", "fstatSync"]) results(fs, name, watchOpen);
  let met = false;
  results(fs.promises, "open", (_path, file) => {
    if (!met)
      results(Object.getPrototypeOf(file), "stat", (_options, stats, handle) => watchOpen((handle as fs.promises.FileHandle).fd, stats));
    met = true;
    return file;
  });
}

const isBigStats = (value: unknown): value is fs.BigIntStats =>
  typeof value === "object" && value !== null && typeof (value as fs.BigIntStats).mtimeNs === "bigint";

/** The path of an open file on Linux. */
function openPath(file: unknown): string | undefined {
  try {
    const path = readlinkSync(`/proc/self/fd/${file}`);
    return path.startsWith("/") ? path : undefined;
  } catch {
    return undefined;
  }
}

function traceWrites(): void {
  for (const name of ["writeFile", "appendFile"]) {
    everywhere(name, (path, _data, options) => {
      const flag = typeof options === "object" ? (options as { flag?: unknown } | null)?.flag : undefined;
      if (opening(flag ?? (name === "appendFile" ? "a" : "w")).reads) noting("read")(path);
      noting("write")(path);
    });
  }
  everywhere("truncate", (path) => {
    noting("read")(path);
    noting("write")(path);
  });
  everywhere("mkdir", noting("write"));
  everywhere("unlink", noting("write"));
  for (const name of ["rm", "rmdir"]) {
    everywhere(name, (path) => {
      const name = pathOf(path);
      if (name !== undefined) noteRemoval(name);
    });
  }
  everywhere("copyFile", (from, to) => {
    noting("read")(from);
    noting("write")(to);
  });
  for (const name of ["link", "symlink"]) everywhere(name, (_target, path) => noting("write")(path));
  everywhere("rename", (from, to) => {
    const [source, target] = [pathOf(from), pathOf(to)];
    if (source === undefined || target === undefined) return;
    noteFile("read", source);
    for (const { path, folder } of entriesBelow(source)) if (!folder) noteFile("write", join(target, path.slice(source.length)));
    noteFile("write", source);
    noteFile("write", target);
  });
}

function traceUnknown(): void {
  for (const name of ["glob", "cp", "statfs", "watch", "watchFile"]) everywhere(name, () => noteUnknown(`it calls fs.${name}`));
  for (const name of ["getReport", "writeReport"]) before(process.report, name, () => noteUnknown(`it calls process.report.${name}`));
  before(process, "binding", (name) => {
    if (name === "fs") noteUnknown("it calls process.binding for files"); // packages ask for others, such as util
  });
  before(process, "getBuiltinModule", (name) => {
    if (typeof name === "string") noteModule(name);
  });
  subscribe("child_process", () => noteUnknown("it starts a program"));
  for (const name of ["spawnSync", "execSync", "execFileSync"]) before(childProcess, name, () => noteUnknown("it starts a program"));
  Object.defineProperty(threads, "Worker", {
    value: class Worker extends threads.Worker {
      constructor(...args: ConstructorParameters<typeof threads.Worker>) {
        noteUnknown("it starts a thread");
        super(...args);
      }
    },
  });
  const network = () => noteUnknown("it uses the network");
  before(net.Socket.prototype, "connect", network);
  before(net.Server.prototype, "listen", network);
  for (const name of ["bind", "send", "connect"]) before(dgram.Socket.prototype, name, network);
  before(process, "dlopen", (_module, path) => {
    const name = pathOf(path);
    if (name === undefined || !isPure(name)) noteUnknown(`it loads native code, which may reach files and the network: ${name}`);
  });
  before(Module, "_load", (name) => {
    if (typeof name === "string") noteModule(name);
  });
}

/** How a path is opened: `r`, `w+`, `a`, or Node's numbers. */
function opening(flags: unknown): { reads: boolean; writes: boolean } {
  if (typeof flags === "number") {
    const writes = (flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR)) !== 0;
    return { reads: (flags & fs.constants.O_TRUNC) === 0, writes };
  }
  const mode = typeof flags === "string" ? flags : "r";
  return { reads: !mode.startsWith("w"), writes: /[wa+]/.test(mode) };
}

const noting = (access: Access) => (path: unknown) => {
  const name = pathOf(path);
  if (name !== undefined) noteFile(access, name);
};

/** The absolute path; undefined for what was opened before. */
function pathOf(value: unknown): string | undefined {
  if (typeof value === "string") return resolve(value);
  if (value instanceof URL) return value.protocol === "file:" ? resolve(fileURLToPath(value)) : undefined;
  if (value instanceof Uint8Array) return resolve(Buffer.from(value).toString());
  return undefined;
}

function entriesBelow(folder: string): { path: string; folder: boolean }[] {
  try {
    if (!statSync(folder).isDirectory()) return [];
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.flatMap((entry) => {
      const path = join(folder, entry.name);
      return [{ path, folder: entry.isDirectory() }, ...(entry.isDirectory() ? entriesBelow(path) : [])];
    });
  } catch {
    return [];
  }
}

type Notice = (...args: unknown[]) => void;

/** The function in its three forms: with a callback, synchronous, with a promise. */
function everywhere(name: string, notice: Notice): void {
  before(fs, name, notice);
  before(fs, `${name}Sync`, notice);
  before(fs.promises, name, notice);
}

/** Lets `watch` give another result for what a function gives, by return, promise or callback; it is told the function's first argument and its `this`. */
function results(object: object, name: string, watch: (argument: unknown, result: unknown, self: unknown) => unknown): void {
  const original = Reflect.get(object, name) as Call & object;
  const watched = function (this: unknown, ...args: unknown[]): unknown {
    const isOwn = nested > 0;
    const callback = args.at(-1);
    if (!isOwn && typeof callback === "function")
      args[args.length - 1] = (error: unknown, result: unknown) => callback(error, error ? result : watch(args[0], result, this));
    const result = Reflect.apply(original, this, args);
    if (isOwn) return result;
    return result instanceof Promise ? result.then((stats) => watch(args[0], stats, this)) : watch(args[0], result, this);
  };
  Object.defineProperty(object, name, {
    ...Object.getOwnPropertyDescriptor(object, name),
    value: Object.defineProperties(watched, Object.getOwnPropertyDescriptors(original)),
  });
}

/** Calls `notice` with the arguments before each call of a function. */
function before(object: object, name: string, notice: Notice): void {
  const original: unknown = Reflect.get(object, name);
  if (typeof original !== "function") return;
  const value = tracing(original, name.endsWith("Sync"), notice);
  Object.defineProperty(object, name, { configurable: true, writable: true, ...Object.getOwnPropertyDescriptor(object, name), value });
}

/** The function with a notice before each call, and none for what it calls itself. */
function tracing(original: object, sync: boolean, notice: Notice): object {
  const traced = function (this: unknown, ...args: unknown[]): unknown {
    if (nested === 0) notice(...args);
    if (!sync) return Reflect.apply(original as Call, this, args);
    nested++;
    try {
      return Reflect.apply(original as Call, this, args);
    } finally {
      nested--;
    }
  };
  const own: Record<symbol, PropertyDescriptor> = Object.getOwnPropertyDescriptors(original);
  const promised = own[promisify.custom];
  if (promised && promised.value !== original) promised.value = tracing(promised.value, false, notice);
  return Object.defineProperties(traced, own);
}

type Call = (...args: unknown[]) => unknown;
