import { existsSync, realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathsBelow } from "../../src/setup/folders.js";
import { fileSha256 } from "./digests.js";

/** Files of an experiment's folder, by path in it. */
export interface RunFiles {
  /** SHA-256 of each. */
  files: Record<string, string>;
  /** Bytes of the files that grow by rows: of so many is the SHA-256, and what comes later is no change. */
  lengths: Record<string, number>;
}

/** What is made from an experiment, is dropped when a stage is through, or is not whole yet. */
const NOT_INPUT = /^(?:run\.json$|notebooks\/|reports\/)|(?:^|\/)(?:\.|checkpoint-\d+\/)|\.partial$/;

/** Whether a file of an experiment's folder is something that a report's numbers can come from. */
export const isInput = (path: string): boolean => !NOT_INPUT.test(path);

/** Metrics and completions, to which a run that goes on adds rows. Prompt files stay as they are. */
const grows = (path: string): boolean => path.endsWith(".jsonl") && !path.startsWith("data/");

/** All files of an experiment's folder that are inputs, in order. */
export const inputs = (folder: string): string[] =>
  pathsBelow(folder)
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => isInput(path) && !isFolder(join(folder, path)))
    .sort();

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // a link that leads nowhere
  }
}

/** A path without links, where it is there. */
export const real = (path: string): string => (existsSync(path) ? realpathSync(path) : resolve(path));

/** Digests of files as they are now; what is no file is left out. */
export function digestFiles(folder: string, paths: readonly string[]): RunFiles {
  const found: RunFiles = { files: {}, lengths: {} };
  for (const path of paths) {
    const file = join(folder, path);
    const length = grows(path) ? statSync(file, { throwIfNoEntry: false })?.size : undefined;
    const sha256 = fileSha256(file, length);
    if (sha256 === undefined) continue;
    found.files[path] = sha256;
    if (length !== undefined) found.lengths[path] = length;
  }
  return found;
}
