import childProcess, { ChildProcess, type StdioOptions } from "node:child_process";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { currentContext } from "./context.js";

type Call = (...args: unknown[]) => unknown;
type Stdio = { stdio?: StdioOptions };
const { openSync, unlinkSync, fstatSync, readSync, closeSync, writeSync, writeFileSync } = fs; // Node's own

/**
 * Sends to the cell what would go past it to the descriptors 1 and 2 of this process: the output of children that inherit them, and
 * `fs.writeSync(1, text)`, `fs.writeFileSync(1, text)`.
 */
export function captureInherited(): void {
  const prototype = ChildProcess.prototype as unknown as { spawn(this: ChildProcess, options: Stdio): unknown };
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    const { stdio, inherited } = replaced(options.stdio, () => "pipe");
    const status = spawn.call(this, { ...options, stdio });
    for (const { at, stream } of inherited) {
      (this.stdio?.[at] as NodeJS.ReadableStream | null)?.setEncoding("utf8").on("data", (text: string) => stream.write(text));
      const seen = this as { stdio?: unknown[]; stdout: unknown; stderr: unknown }; // as with a child that inherits them
      if (seen.stdio) seen.stdio[at] = null;
      if (at === 1) seen.stdout = null;
      if (at === 2) seen.stderr = null;
    }
    return status;
  };
  const functions = childProcess as unknown as Record<string, Call>;
  for (const name of ["spawnSync", "execSync", "execFileSync"]) functions[name] = waitingFor(functions[name]!);
  fs.writeSync = ((fd: number, data: string | NodeJS.ArrayBufferView, ...rest: unknown[]) => {
    const stream = streamOf(fd);
    const bytes = stream && bytesToWrite(data, rest);
    if (!bytes) return writeSync(fd, data as string, ...(rest as [])); // Node also tells what is wrong with its arguments
    stream.write(bytes);
    return bytes.length;
  }) as typeof fs.writeSync;
  fs.writeFileSync = (file, data, options) => {
    const encoding = typeof options === "string" ? options : options?.encoding;
    writeFileSync(file, typeof data === "string" && streamOf(file) ? Buffer.from(data, encoding ?? "utf8") : data, options); // bytes are written by `fs.writeSync`
  };
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

/** Files that children which are waited for write to, with the stream that each stands for. */
const files = new Map<number, NodeJS.WriteStream>();

/** A function that waits for a child, which writes to files what it would have written to this process's standard output and error. */
function waitingFor(original: Call): Call {
  return (...args) => {
    const options = args.findIndex((arg) => typeof arg === "object" && arg !== null && !Array.isArray(arg));
    const { stdio, inherited } = replaced((args[options] as Stdio | undefined)?.stdio, temporaryFile);
    if (inherited.length) args[options] = { ...(args[options] as Stdio), stdio };
    for (const { stream, instead } of inherited) files.set(instead, stream);
    try {
      return original(...args);
    } finally {
      for (const { instead } of inherited) show(instead);
    }
  };
}

/** Shows what children wrote that were waited for when the cell's execution was terminated. */
export function showInherited(): void {
  for (const file of [...files.keys()]) show(file);
}

/** Sends what a file holds to the stream that it stands for, and closes it. */
function show(file: number): void {
  const stream = files.get(file);
  if (!stream) return;
  files.delete(file);
  const decoder = new StringDecoder("utf8");
  const chunk = Buffer.alloc(Math.min(fstatSync(file).size, 1 << 20));
  for (let at = 0, read = 1; chunk.length > 0 && read > 0; at += read) {
    read = readSync(file, chunk, 0, chunk.length, at);
    stream.write(decoder.write(chunk.subarray(0, read)));
  }
  stream.write(decoder.end());
  closeSync(file);
}

/** The descriptor of a file that has no name any more. */
function temporaryFile(): number {
  const path = join(tmpdir(), `erpo-${randomUUID()}`);
  const fd = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  return fd;
}

/** What `fs.writeSync(1, data, ...rest)` writes; undefined where Node refuses it. */
function bytesToWrite(data: unknown, rest: readonly unknown[]): Uint8Array | undefined {
  if (typeof data === "string") return Buffer.from(data, (rest[1] ?? "utf8") as BufferEncoding);
  if (!ArrayBuffer.isView(data)) return undefined;
  const [first, second] = rest;
  const named = (typeof first === "object" && first) || { offset: first, length: second };
  const { offset, length } = named as { offset?: number | null; length?: number | null };
  const start = offset ?? 0;
  const end = start + (length ?? data.byteLength - start);
  return start >= 0 && end >= start && end <= data.byteLength
    ? new Uint8Array(data.buffer, data.byteOffset + start, end - start)
    : undefined;
}
