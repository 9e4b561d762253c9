import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { writeAtomic } from "../../src/setup/atomic.js";
import { cacheDir } from "../../src/setup/paths.js";
import { parseNotebook } from "../notebook/read.js";
import type { Notebook } from "../notebook/types.js";
import { notebookText } from "../notebook/write.js";
import { sha256 } from "../provenance/digests.js";
import { cacheKey, type KeyParts } from "./cache-key.js";
import { type Dependency, settle, stateOf } from "./dependencies.js";
import type { ExecutionRecord } from "./record.js";

/** An executed notebook from the cache. */
export interface CacheEntry {
  notebook: Notebook;
  record: ExecutionRecord;
}

/** The cache's view of one notebook that is about to be run. */
export interface Cache {
  /** The notebook as it was executed, if all that it depends on is what it was then. */
  find(): CacheEntry | undefined;
  /**
   * Keeps an executed notebook.
   * @param trace what its kernel has told about files
   * @returns why it is not kept; undefined when it is
   */
  keep(executed: Notebook, trace: string): string | undefined;
}

interface Stored {
  files: Dependency[];
  notebook: string;
}

const KEPT_DAYS = 30;

/**
 * The cache of whole executed notebooks: a notebook is run again unless everything that it depends on is known and unchanged. As in
 * ccache, this goes in two steps:
 *
 * 1. a key of what is known before: the notebook's text with its parameters, the kernel and its code, Node, the machine, environment
 *    variables, lockfiles, the folder, and the executed notebooks that come before it in the same job;
 * 2. the files that the run has used, as its kernel has told (`kernel/session/file-notes.ts`): data, local modules, packages and the
 *    places where a file was looked for and not found must have the same bytes as then; so must all files that the run has written. Where
 *    links lead, real paths, times, modes and other fields of a stat count where they were asked for, and environment variables that the
 *    key leaves out (`TERM`, `PWD`, `npm_...`) where they were read; listing the variables reads all.
 *
 * A notebook is never kept when it has changed a file after reading it, or depends on what no file shows: a program, the network, a
 * thread, a report of the process or of a disk, native code that is not known to compute only (`kernel/session/native-modules.ts`), a kernel that tells nothing. Its author can vouch that it depends on no more than certain files or folders:
 * `"erpo": {"inputs": ["data", "config.yaml"]}` in the notebook's metadata, relative to its folder. The clock and unseeded random numbers
 * are what they were when the notebook was run. Entries are kept for 30 days.
 */
export function openCache(before: KeyParts): Cache {
  const parts = { ...before, notebook: structuredClone(before.notebook) }; // the run fills in its outputs
  const key = cacheKey(parts);
  const folder = join(cacheDir(), "notebooks", key);
  const vouched = Array.isArray(parts.notebook.metadata.erpo?.inputs);
  return {
    find() {
      for (const file of entries(folder)) {
        const stored = readStored(file);
        if (!stored?.files.every((dependency) => stateOf(dependency) === dependency.state)) continue;
        const notebook = parseNotebook(stored.notebook, basename(file));
        return { notebook, record: notebook.metadata.erpo!.execution as ExecutionRecord };
      }
      return undefined;
    },
    keep(executed, trace) {
      const settled = settle(trace, vouched);
      if ("reason" in settled) return settled.reason;
      if (cacheKey(parts) !== key) return "its inputs have changed meanwhile";
      const stored: Stored = { files: settled.files, notebook: notebookText(executed) };
      const text = JSON.stringify(stored);
      try {
        writeAtomic(join(folder, `${sha256(JSON.stringify(settled.files))}.json`), [`${sha256(text)}\n`, text]);
        removeOld(dirname(folder));
        return undefined;
      } catch (error) {
        return (error as Error).message;
      }
    },
  };
}

/** SHA-256 of a notebook's cells with their outputs, without times: what a notebook after it may build on. */
export function contentHash(notebook: Notebook): string {
  const cells = notebook.cells.map((cell) => [cell.cell_type, cell.source, cell.cell_type === "code" ? cell.outputs : []]);
  return sha256(JSON.stringify(cells));
}

/** An entry's content; undefined when it is damaged. */
function readStored(file: string): Stored | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined; // removed meanwhile, or another user's
  }
  const end = text.indexOf("\n");
  return sha256(text.slice(end + 1)) === text.slice(0, end) ? JSON.parse(text.slice(end + 1)) : undefined;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function removeOld(root: string): void {
  const limit = Date.now() - KEPT_DAYS * 86_400_000;
  for (const key of readdirSync(root)) {
    const files = entries(join(root, key));
    const old = files.filter((file) => statSync(file).mtimeMs < limit);
    for (const file of old) rmSync(file, { force: true });
    if (old.length > 0 && old.length === files.length) rmSync(join(root, key), { recursive: true, force: true });
  }
}
