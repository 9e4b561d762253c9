import { accessSync, closeSync, constants, existsSync, openSync, readlinkSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import { DataError } from "../data/errors.js";
import type { Proportion } from "../evaluation/intervals.js";
import { fileError, writeAtomic } from "../setup/atomic.js";
import { makeFolders, unwritable } from "../setup/folders.js";

/** Whether an `--output` is the command's standard output: `-`, or one of the system's names for it. */
export const isStandardOutput = (path: string): boolean => ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].includes(path);

/** Whether an `--output` keeps nothing that could be read again or replaced: standard output, a device, a pipe. */
export function isStream(path: string): boolean {
  const there = isStandardOutput(path) ? undefined : statSync(path, { throwIfNoEntry: false });
  return isStandardOutput(path) || (there !== undefined && !there.isFile() && !there.isDirectory());
}

/**
 * Writes a command's result where `--output` says. A file is written whole or not at all; a link stays, and the file that it leads to is written; a device or a pipe
 * is written to as it is.
 * @throws FileError `FILE: cannot be written (cause)`
 */
export async function writeOutput(path: string, text: string): Promise<void> {
  if (isStandardOutput(path)) return new Promise((done) => void process.stdout.write(text, () => done())); // its errors end the process (main.ts)
  if (!isStream(path)) return writeAtomic(linked(path), [text]);
  try {
    const stream = await open(path, "w"); // waits, without holding up signals, until a pipe is read
    await stream.writeFile(text).finally(() => stream.close());
  } catch (error) {
    throw fileError(path, error);
  }
}

/** The place that links lead to, where there may be nothing yet. */
function linked(path: string, links = 40): string {
  try {
    return links === 0 ? path : linked(resolve(dirname(path), readlinkSync(path)), links - 1);
  } catch {
    return path; // no link
  }
}

/** Where the lock of a file stands that grows: beside the file that links lead to. */
export function lockOf(path: string): string {
  const file = linked(resolve(path));
  return join(dirname(file), `.${basename(file)}.lock`);
}

/**
 * Makes sure that an output can be written before anything is computed for it; makes its folder.
 * @throws DataError `FILE: cannot be written (cause)`
 */
export function assertWritable(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) throw new DataError(`${path}: cannot be written (it is a folder)`);
  if (isStandardOutput(path)) return;
  const file = linked(path);
  const trial = join(dirname(file), `.${basename(file)}.${process.pid}.trial`);
  try {
    if (isStream(path)) {
      accessSync(path, constants.W_OK);
      return;
    }
    makeFolders(dirname(file));
    closeSync(openSync(trial, "w"));
    rmSync(trial);
  } catch (error) {
    throw new DataError(`${path}: ${unwritable(error) ?? error}`);
  }
}

/** A command's own line of progress on standard error; to a terminal only, rewritten in place. */
export function progressLine(total: number, what: string): (done: number) => void {
  return (done) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total} ${what}${done === total ? "\n" : ""}`);
  };
}

/** The option by which a command takes a policy. */
export const policyOption = () =>
  new Option("--policy <dir>", "a folder with policy.json: an adapter or none, how it is asked, how it decodes").conflicts("adapter");

/** Parser of an option: a whole number >= `low`. */
export const wholeNumber = (low: number) => (text: string) => {
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(Number(text)) || Number(text) < low) {
    throw new InvalidArgumentError(`It must be a whole number${low === Number.MIN_SAFE_INTEGER ? "" : ` >= ${low}`}.`);
  }
  return Number(text);
};

/** Parser of an option: one or more of `names`, with commas between; each once. */
export const someOf =
  <Name extends string>(names: readonly Name[]) =>
  (text: string): Name[] => {
    const given = [...new Set(text.split(","))];
    const unknown = given.filter((name) => !names.includes(name as Name));
    if (unknown.length) throw new InvalidArgumentError(`${unknown.join(", ")}: not known; there is: ${names.join(", ")}`);
    return given as Name[];
  };

/** Parser of an option: names with commas between; each once. */
export const names = (text: string): string[] => {
  const given = text.split(",").map((name) => name.trim());
  if (given.includes("")) throw new InvalidArgumentError("It must be one or more names, with commas between.");
  return [...new Set(given)];
};

/**
 * Rows of a table as lines with aligned columns.
 * @param left columns that stand to the left, counted from the first; the others stand to the right
 */
export function alignedLines(rows: readonly (readonly string[])[], left = Number.POSITIVE_INFINITY): string[] {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]!.length))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, i) => (i < left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
}

/** A share for a terminal: `40.0% (95%: 24.6 to 57.7; 12 of 30)`; a dash where it is of nothing. */
export function percent({ rate, low, high, k, n }: Proportion): string {
  const of = (x: number) => (100 * x).toFixed(1);
  return n === 0 ? "– (0 of 0)" : `${of(rate)}% (95%: ${of(low)} to ${of(high)}; ${k} of ${n})`;
}
