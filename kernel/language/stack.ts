import { SourceMap, type SourceMapPayload } from "node:module";
import { relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { LoadedFile } from "./loader-hooks.js";
import { kernelRoot } from "./packages.js";

/** A compiled cell or local file whose frames can be mapped back to the reader's lines. */
interface Script {
  /** `Cell In[3]`, `File helper.ts` */
  label: string;
  source: string[];
  map: SourceMap | string;
}

/** A cell that has been run. */
export interface CellSource {
  /** The name that its script has in V8. */
  file: string;
  /** `Cell In[3]` */
  label: string;
  source: string;
  /** JSON. */
  sourceMap: string;
}

const scripts = new Map<string, Script>();
const CELL = "erpo-cell-";
const latest = new Map<string, Script>();
const kernelCode = [`${kernelRoot}${sep}dist${sep}kernel${sep}`, pathToFileURL(`${kernelRoot}${sep}dist${sep}kernel${sep}`).href];

/**
 * Registers a script.
 * @param label how a reader knows the cell, `In[3]`
 * @returns the file name to run it under
 */
export function registerScript(label: string, source: string, sourceMap: string): string {
  const file = `${CELL}${scripts.size}`;
  add(file, `Cell ${label}`, source, sourceMap);
  return file;
}

/** The cells that have been run. */
export const cellSources = (): CellSource[] =>
  [...scripts].flatMap(([file, { label, source, map }]) =>
    file.startsWith(CELL)
      ? [{ file, label, source: source.join("\n"), sourceMap: typeof map === "string" ? map : JSON.stringify(map.payload) }]
      : [],
  );

function add(file: string, label: string, source: string, map: string): void {
  const script = { label, source: source.split("\n"), map };
  scripts.set(file, script);
  latest.set(label, script);
}

/** Registers a local file that runs under its own path. @param folder the notebook's folder, from which it is named */
export function registerFile(file: string, folder: string, source: string, sourceMap: string): void {
  add(file, `File ${relative(folder, file)}`, source, sourceMap);
}

let takeFiles = () => {};

/**
 * Frames of local TypeScript files are mapped, too.
 * @param port the loader's thread sends each `LoadedFile` on it; it is read when a stack is asked for
 * @param folder the notebook's folder, from which the files are named
 */
export function readFilesFrom(port: MessagePort, folder: string): void {
  takeFiles = () => {
    for (let received = receiveMessageOnPort(port); received; received = receiveMessageOnPort(port)) {
      const { url, source, sourceMap } = received.message as LoadedFile;
      add(url, `File ${relative(folder, fileURLToPath(url))}`, source, sourceMap);
    }
  };
}

/** Makes every error's stack name cells and their TypeScript lines, without the frames of the kernel and of Node's own files beneath. */
export function installStackTraces(): void {
  Error.stackTraceLimit = 50;
  Error.prepareStackTrace = (error, frames) => {
    takeFiles();
    const cells = frames.map((frame) => scripts.has(frame.getFileName() ?? ""));
    const last = cells.lastIndexOf(true);
    const kept = last < 0 ? frames : frames.slice(0, last + 1).filter((frame) => !isInternal(frame.getFileName()));
    return [heading(error), ...kept.map((frame) => `    at ${describe(frame)}`)].join("\n");
  };
}

/** As V8 does it, also for what is no Error: `console.trace` asks for the stack of a plain object. */
function heading(error: unknown): string {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return "Error";
  }
}

const isInternal = (file: string | null | undefined) =>
  !!file && (file.startsWith("node:") || kernelCode.some((prefix) => file.startsWith(prefix)));

function describe(frame: NodeJS.CallSite): string {
  const script = scripts.get(frame.getFileName() ?? "");
  if (!script) return String(frame);
  const { line, column } = original(script, frame.getLineNumber() ?? 1, frame.getColumnNumber() ?? 1);
  const place = `${script.label}, line ${line}, column ${column}`;
  const name = frame.getFunctionName();
  const prefix = frame.isAsync() ? "async " : frame.isConstructor() ? "new " : "";
  const type = frame.isToplevel() || frame.isConstructor() ? null : frame.getTypeName();
  return name
    ? `${prefix}${type && !name.startsWith(`${type}.`) && type !== "Object" ? `${type}.` : ""}${name} (${place})`
    : `${prefix}${place}`;
}

/** Positions count from 1. */
function original(script: Script, line: number, column: number): { line: number; column: number } {
  if (typeof script.map === "string") script.map = new SourceMap(JSON.parse(script.map) as SourceMapPayload);
  const entry = script.map.findEntry(line - 1, column - 1);
  if (!("originalLine" in entry)) return { line: 1, column: 1 };
  return { line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}

/**
 * The lines of a stack as the reader wants them: under each frame that stands in a cell or in a local file the line of TypeScript that it
 * means, and no frames of the kernel and of Node, which are all that an error from the loader or from a timer may have.
 */
export function withSource(stack: string): string[] {
  const lines: string[] = [];
  for (const line of stack.split("\n")) {
    const found = /(Cell In\[[^\]]*\]|File .+), line (\d+), column (\d+)/.exec(line);
    const source = found && latest.get(found[1]!)?.source[Number(found[2]) - 1];
    const foreign = /^\s+at (?:.* \()?((?:node:|file:|\/|[A-Z]:).*:\d+:\d+)\)?( \{|,)?$/.exec(line);
    if (!foreign || !isInternal(foreign[1])) lines.push(line);
    else if (foreign[2] && lines.length) lines[lines.length - 1] += foreign[2]; // what `inspect` sets behind the last frame
    if (source?.trim()) lines.push(`        ${found![2]} | ${source.trim()}`);
  }
  return lines;
}
