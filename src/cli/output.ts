import { closeSync, existsSync, openSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { InvalidArgumentError } from "commander";
import { DataError } from "../data/errors.js";
import { makeFolders, unwritable } from "../setup/folders.js";

/**
 * Makes sure that a file can be written before anything is computed for it; makes its folder.
 * @throws DataError `FILE: cannot be written (cause)`
 */
export function assertWritable(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) throw new DataError(`${path}: cannot be written (it is a folder)`);
  const trial = join(dirname(path), `.${basename(path)}.${process.pid}.trial`);
  try {
    makeFolders(dirname(path));
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
