import { accessSync, closeSync, constants, existsSync, openSync, readdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import { DataError } from "../data/errors.js";
import type { Proportion } from "../evaluation/intervals.js";
import { writeAtomicFrom } from "../setup/atomic.js";
import { makeFolders, unwritable } from "../setup/folders.js";
import { behindLinks, isStandardOutput as isSystemsOutput, isStream as isSystemsStream } from "../setup/streams.js";

/** Whether an `--output` is the command's standard output: `-`, or one of the system's names for it. */
export const isStandardOutput = (path: string): boolean => path === "-" || isSystemsOutput(path);

/** Whether an `--output` keeps nothing that could be read again or replaced: standard output, a device, a pipe. */
export const isStream = (path: string): boolean => path === "-" || isSystemsStream(path);

/** The file that an `--output` means: what `-` is called by the system, or the path itself. */
export const outputFile = (path: string): string => (path === "-" ? "/dev/stdout" : path);

/**
 * Writes a command's result where `--output` says: a file whole or not at all, what links lead to, or a device or pipe as it is (`writeAtomic`).
 * @throws FileError `FILE: cannot be written (cause)`
 */
export const writeOutput = (path: string, text: string): Promise<void> => writeAtomicFrom(outputFile(path), [text]);

/** Parser of an option: a folder for several files, which standard output cannot take. */
export function folder(text: string): string {
  if (text === "-")
    throw new InvalidArgumentError("It must be a folder: several files cannot go to standard output (./- is a folder of that name).");
  return text;
}

/** Where the lock of a file stands that grows: beside the file that links lead to. */
export function lockOf(path: string): string {
  const file = behindLinks(resolve(path));
  return join(dirname(file), `.${basename(file)}.lock`);
}

/**
 * Makes sure that an output can be written before anything is computed for it, and leaves nothing behind.
 * @throws DataError `FILE: cannot be written (cause)`
 */
export function assertWritable(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) throw new DataError(`${path}: cannot be written (it is a folder)`);
  if (isStandardOutput(path)) return;
  try {
    if (isStream(path)) {
      accessSync(path, constants.W_OK);
      return;
    }
    const file = behindLinks(path);
    const trial = join(dirname(file), `.${basename(file)}.${process.pid}.trial`);
    const made = makeFolders(dirname(file));
    try {
      closeSync(openSync(trial, "w"));
      rmSync(trial);
    } finally {
      for (const folder of made) if (readdirSync(folder).length === 0) rmdirSync(folder);
    }
  } catch (error) {
    throw new DataError(`${path}: ${unwritable(error) ?? error}`);
  }
}

/** One line of what a command does, on standard error. */
export const say = (line: string): void => void process.stderr.write(`erpo: ${line}\n`);

/** A command's own line of progress on standard error; to a terminal only, rewritten in place. */
export function progressLine(total: number, what: string): (done: number) => void {
  return (done) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total} ${what}${done === total ? "\n" : ""}`);
  };
}

/** The model of a command that is told no other. */
export const defaultModel = "smollm2-135m-instruct";

/** Parser of an option that may be repeated. */
export const repeated = (text: string, texts: readonly string[]): string[] => [...texts, text];

/** The options of a command that takes a model, with an adapter, or a policy. */
export const modelOption = () =>
  new Option(
    "--model <M>",
    "a built-in name, a .gguf file, or a Hugging Face style directory (required, but with --policy: the one that its folder names)",
  );
export const adapterOption = () => new Option("--adapter <dir>", "a PEFT folder");
export const precisionOption = () => new Option("--precision <p>", "of matrix products").choices(["f32", "bf16"]).default("f32");

/** The option by which a command takes a policy. */
export const policyOption = () =>
  new Option("--policy <dir>", "a folder with policy.json: an adapter or none, how it is asked, how it decodes").conflicts("adapter");

/** What a command says that is told neither a model nor a policy. */
export const modelMissing = "required option '--model <M>' not specified (or --policy <dir>, whose folder names its model)";

/** The option by which a command reads special strings in its prompts as text. */
export const literalOption = () =>
  new Option("--literal", "special strings in prompts, such as <|im_end|>, are text; without it they are tokens, as servers read them");

/** Parser of an option: a whole number >= `low`. */
export const wholeNumber = (low: number) => (text: string) => {
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(Number(text)) || Number(text) < low) {
    throw new InvalidArgumentError(`It must be a whole number${low === Number.MIN_SAFE_INTEGER ? "" : ` >= ${low}`}.`);
  }
  return Number(text);
};

/** Parser of an option: a sampling temperature. */
export function temperature(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value < Number.POSITIVE_INFINITY)) throw new InvalidArgumentError("It must be a number >= 0.");
  return value;
}

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
