import childProcess, { ChildProcess, type StdioOptions } from "node:child_process";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { currentContext } from "./context.js";

type Call = (...args: unknown[]) => unknown;
type Stdio = { stdio?: StdioOptions };
const { openSync, unlinkSync, fstatSync, readSync, closeSync, writeSync } = fs; // Node's own

/**
 * Sends to the cell what would go past it to the descriptors 1 and 2 of this process: the output of children that inherit them, and
 * `fs.writeSync(1, text)`.
 */
export function captureInherited(): void {
  const prototype = ChildProcess.prototype as unknown as { spawn(this: ChildProcess, options: Stdio): unknown };
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    const { stdio, inherited } = replaced(options.stdio, () => "pipe");
    const status = spawn.call(this, { ...options, stdio });
    for (const { at, stream } of inherited) (this.stdio?.[at] as NodeJS.ReadableStream | null)?.on("data", (chunk) => stream.write(chunk));
    return status;
  };
  const functions = childProcess as unknown as Record<string, Call>;
  for (const name of ["spawnSync", "execSync", "execFileSync"]) functions[name] = waitingFor(functions[name]!);
  fs.writeSync = ((fd: number, data: string | NodeJS.ArrayBufferView, ...rest: [number?, number?]) => {
    const stream = streamOf(fd);
    if (!stream) return writeSync(fd, data as string, ...(rest as []));
    const bytes =
      typeof data === "string" ? Buffer.from(data, rest[1] as never) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const [start = 0, length = bytes.length - start] = typeof data === "string" ? [] : rest;
    stream.write(bytes.subarray(start, start + length));
    return length;
  }) as typeof fs.writeSync;
  syncBuiltinESMExports();
}

/** Where what is written to `target`, an item of a child's `stdio`, is captured. Undefined for everything else. */
function streamOf(target: unknown): NodeJS.WriteStream | undefined {
  if (!currentContext()) return undefined;
  if (target === 1 || target === process.stdout) return process.stdout;
  return target === 2 || target === process.stderr ? process.stderr : undefined;
}

/** `stdio` with `instead()` in the places of this process's own standard output and error. */
function replaced<T>(stdio: StdioOptions | undefined, instead: () => T) {
  const items: unknown[] = Array.isArray(stdio) ? [...stdio] : [stdio, stdio, stdio];
  const inherited: { at: number; stream: NodeJS.WriteStream; instead: T }[] = [];
  for (const [at, item] of items.entries()) {
    const stream = at > 0 ? streamOf(item === "inherit" ? at : item) : undefined;
    if (!stream) continue;
    inherited.push({ at, stream, instead: instead() });
    items[at] = inherited.at(-1)!.instead;
  }
  return { stdio: (inherited.length ? items : stdio) as StdioOptions, inherited };
}

/** A function that waits for a child, which writes to files what it would have written to this process's standard output and error. */
function waitingFor(original: Call): Call {
  return (...args) => {
    const options = args.findIndex((arg) => typeof arg === "object" && arg !== null && !Array.isArray(arg));
    const { stdio, inherited } = replaced((args[options] as Stdio | undefined)?.stdio, temporaryFile);
    if (inherited.length) args[options] = { ...(args[options] as Stdio), stdio };
    try {
      return original(...args);
    } finally {
      for (const { stream, instead } of inherited) stream.write(contentOf(instead));
    }
  };
}

/** The descriptor of a file that has no name any more. */
function temporaryFile(): number {
  const path = join(tmpdir(), `erpo-${randomUUID()}`);
  const fd = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  return fd;
}

function contentOf(fd: number): Buffer {
  const content = Buffer.alloc(fstatSync(fd).size);
  readSync(fd, content, 0, content.length, 0);
  closeSync(fd);
  return content;
}
