import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
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
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .filter(isInput)
    .sort();

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
