import { basename, join } from "node:path";
import { isSpecial } from "../../src/setup/files.js";
import type { Check } from "./check.js";

/** Modules, and what decides where modules are found. */
const CODE = /\.(?:[cm]?[jt]sx?|node|wasm|py)$|^(?:package|tsconfig)\.json$/;

/** A file whose code a re-run runs. */
export interface RunCode {
  /** Relative to the report. */
  file: string;
  /** SHA-256 that the report says; undefined where it says none. */
  reported?: string;
  /** Now; undefined where there is no such file. */
  found?: string;
  /** It is not the code that the report was made by. */
  changed: boolean;
}

/**
 * The code that a re-run of a report's notebook runs, as a check has found it: the notebook, by its cells' sources, and the local modules that they have loaded.
 * @param checks of `verifyReport`
 */
export function codeToRun(checks: readonly Check[]): RunCode[] {
  const sameSource = checks.some(({ kind, status }) => kind === "source" && status === "same");
  const notebook = checks.find(({ kind }) => kind === "notebook"); // the first is of its bytes
  const modules = checks.filter(
    ({ kind, name, status }) => (kind === "file" || kind === "run" || kind === "data") && status !== "new" && CODE.test(basename(name)),
  );
  const code = ({ name, reported, found }: Check, changed: boolean): RunCode => ({
    file: name,
    ...(reported !== undefined && { reported }),
    ...(found !== undefined && { found }),
    changed,
  });
  return [
    ...(notebook ? [code(notebook, notebook.status !== "same" && !sameSource)] : []),
    ...modules.map((check) => code(check, check.status !== "same")),
  ];
}

/**
 * What lies in the place of files that a report names and is a pipe or a device: code that reads it again may wait for ever.
 * @param folder of the report
 */
export const pipesToRead = (checks: readonly Check[], folder: string): string[] =>
  checks.flatMap(({ name, status }) => (status === "not found" && isSpecial(join(folder, name)) ? [name] : []));
