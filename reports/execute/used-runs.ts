import { existsSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import type { TraceLine } from "../../kernel/session/file-notes.js";
import { cacheDir, packageRoot } from "../../src/setup/paths.js";
import { type FileDigest, fileSha256 } from "../provenance/digests.js";
import { digestFiles, isInput, type RunFiles, real } from "../provenance/run-files.js";
import type { Parameters } from "./parameters.js";

const END = JSON.stringify({ end: true } satisfies TraceLine);

/** An experiment that a notebook has used: the files there that it has read or written, as they were at its end. */
export interface UsedRun extends RunFiles {
  /** The experiment's folder, relative to the kernel's. */
  folder: string;
}

/**
 * The experiments (a `run.json` in their folder) that a notebook's parameters name, with what it has used of each.
 * @param trace what its kernel has told about files; nothing is known of one that is not whole
 * @param parameters given and declared ones
 * @param folder the kernel's working directory
 */
export function usedRuns(trace: string, parameters: Parameters, folder: string): UsedRun[] {
  const lines = trace.split("\n").filter(Boolean);
  if (!lines.includes(END)) return []; // it did not come to its end, so it is not known what is missing
  const used = lines
    .map((line) => JSON.parse(line) as TraceLine)
    .flatMap((line) => ("path" in line && (line.access === "read" || line.access === "write") ? [line.path] : []));
  const named = Object.values(parameters)
    .filter((value): value is string => typeof value === "string" && value !== "")
    .map((value) => resolve(real(folder), value));
  return [...new Set(named)]
    .filter((dir) => existsSync(join(dir, "run.json")))
    .map((dir) => {
      const inside = namesOf(dir).flatMap((name) => used.filter((path) => path.startsWith(name + sep)).map((path) => relative(name, path)));
      const paths = [...new Set(inside)].map((path) => path.replaceAll("\\", "/"));
      return { folder: fromFolder(folder, dir), ...digestFiles(dir, paths.filter(isInput).sort()) };
    })
    .filter(({ files }) => Object.keys(files).length > 0);
}

/** What a folder is called where it is named, and without links. */
const namesOf = (dir: string): string[] => [...new Set([dir, real(dir)])];

/** A path relative to the kernel's folder. The kernel knows its folder without links, and paths from there lead to the same places unless they go up through one. */
function fromFolder(folder: string, path: string): string {
  const told = relative(real(folder), path);
  const isSame = real(resolve(folder, told)) === real(path);
  return (isSame ? told : relative(folder, path)).replaceAll("\\", "/") || ".";
}

/** Erpo's own code and what set-up keeps, for which other digests stand, and the system's files, which another machine has elsewhere. */
const OWN = [
  ...["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"],
  cacheDir(),
  ...["dist", "src", "kernel", "reports"].map((name) => join(packageRoot(), name)),
];

/**
 * The files that a notebook has read beside those of its experiments, and has not written: data and modules, without packages.
 * @param trace what its kernel has told about files; nothing is known of one that is not whole
 * @param folder the kernel's working directory, to which paths are relative
 */
export function readFiles(trace: string, runs: readonly UsedRun[], folder: string): FileDigest[] {
  const lines = trace.split("\n").filter(Boolean);
  if (!lines.includes(END)) return [];
  const used = lines.map((line) => JSON.parse(line) as TraceLine).flatMap((line) => ("path" in line ? [line] : []));
  const written = new Set(used.filter(({ access }) => access === "write").map(({ path }) => path));
  const elsewhere = [...OWN, ...runs.flatMap((run) => [resolve(real(folder), run.folder), ...namesOf(resolve(folder, run.folder))])];
  const paths = used
    .filter(({ access, path }) => access === "read" && !written.has(path) && !path.split(sep).includes("node_modules"))
    .map(({ path }) => path)
    .filter((path) => !elsewhere.some((own) => path.startsWith(own + sep)));
  return [...new Set(paths)].sort().flatMap((path) => {
    const sha256 = fileSha256(path);
    return sha256 === undefined ? [] : [{ file: fromFolder(folder, path), sha256 }];
  });
}
