import { SourceMap, type SourceMapPayload } from "node:module";
import { sep } from "node:path";
import { pathToFileURL } from "node:url";
import { kernelRoot } from "./packages.js";

/** A compiled cell whose frames can be mapped back to the reader's lines. */
interface CellScript {
  label: string;
  source: string[];
  map: SourceMap | string;
}

const scripts = new Map<string, CellScript>();
const latest = new Map<string, CellScript>();
const kernelCode = [`${kernelRoot}${sep}dist${sep}kernel${sep}`, pathToFileURL(`${kernelRoot}${sep}dist${sep}kernel${sep}`).href];

/**
 * Registers a script.
 * @param label how a reader knows the cell, `In[3]`
 * @returns the file name to run it under
 */
export function registerScript(label: string, source: string, sourceMap: string): string {
  const file = `erpo-cell-${scripts.size}`;
  const script = { label, source: source.split("\n"), map: sourceMap };
  scripts.set(file, script);
  latest.set(label, script);
  return file;
}

/** Makes every error's stack name cells and their TypeScript lines, without the frames of the kernel and of Node's own files beneath. */
export function installStackTraces(): void {
  Error.stackTraceLimit = 50;
  Error.prepareStackTrace = (error, frames) => {
    const cells = frames.map((frame) => scripts.has(frame.getFileName() ?? ""));
    const last = cells.lastIndexOf(true);
    const kept = last < 0 ? frames : frames.slice(0, last + 1).filter((frame) => !isInternal(frame.getFileName()));
    return [heading(error), ...kept.map((frame) => `    at ${describe(frame)}`)].join("\n");
  };
}

function heading(error: unknown): string {
  try {
    return String(error);
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
  const place = `Cell ${script.label}, line ${line}, column ${column}`;
  const name = frame.getFunctionName();
  const prefix = frame.isAsync() ? "async " : frame.isConstructor() ? "new " : "";
  const type = frame.isToplevel() || frame.isConstructor() ? null : frame.getTypeName();
  return name
    ? `${prefix}${type && !name.startsWith(`${type}.`) && type !== "Object" ? `${type}.` : ""}${name} (${place})`
    : `${prefix}${place}`;
}

/** Positions count from 1. */
function original(script: CellScript, line: number, column: number): { line: number; column: number } {
  if (typeof script.map === "string") script.map = new SourceMap(JSON.parse(script.map) as SourceMapPayload);
  const entry = script.map.findEntry(line - 1, column - 1);
  if (!("originalLine" in entry)) return { line: 1, column: 1 };
  return { line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}

/** Puts under each frame that stands in a cell the line of TypeScript that it means. */
export function withSource(stack: string): string[] {
  return stack.split("\n").flatMap((line) => {
    const found = /Cell (In\[[^\]]*\]), line (\d+), column (\d+)/.exec(line);
    const source = found && latest.get(found[1]!)?.source[Number(found[2]) - 1];
    return source?.trim() ? [line, `        ${found![2]} | ${source.trim()}`] : [line];
  });
}
