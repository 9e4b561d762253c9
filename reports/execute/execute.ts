import { existsSync, lstatSync, realpathSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { writeAtomic } from "../../src/setup/atomic.js";
import { readNotebook } from "../notebook/read.js";
import { type Notebook, NotebookError, withoutOutputs } from "../notebook/types.js";
import { notebookText } from "../notebook/write.js";
import { alone } from "./alone.js";
import { type CacheEntry, contentHash, openCache } from "./cache.js";
import { DeadKernelError } from "./kernel-process.js";
import { findKernel } from "./kernelspec.js";
import { injectParameters, type Parameters } from "./parameters.js";
import { fromFile, isRun, type Progress, Run } from "./run.js";

export { InterruptedError } from "./limits.js";
export type { Progress } from "./run.js";

/** How a notebook is run. */
export interface ExecuteOptions {
  /** The file to write; the notebook itself unless told. */
  output?: string;
  parameters?: Parameters;
  /** The kernel's working directory; the notebook's own folder unless told. */
  folder?: string;
  /** A kernel's name; the one that the notebook names unless told, `erpo` where it names none. */
  kernel?: string;
  /** Goes on after a cell's error, as if every cell were tagged `raises-exception`. */
  allowErrors?: boolean;
  /** Seconds a cell may take. No limit unless told. */
  timeout?: number;
  /**
   * Takes the executed notebook from the cache where nothing that it depends on has changed, and keeps it there (see `openCache`). Needs
   * to know the notebooks that were run before it in the same job, by their `hash`. Always run unless told.
   */
  cache?: { after: readonly string[] };
  /** What the error advises when another process is writing the file, in the words of the caller's own options. */
  whenBusy?: string;
  /** Interrupts the running cell and ends. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  onWarning?: (text: string) => void;
}

/** What came of a notebook. */
export interface ExecuteResult {
  /** The file written. */
  output: string;
  seconds: number;
  /** Of its cells and outputs, without times. */
  hash: string;
  /** When it was run, ISO 8601, if it comes from the cache. */
  cached?: string;
  /** Why it cannot be kept in the cache. */
  uncached?: string;
}

/**
 * Runs a notebook from top to bottom in a fresh kernel, and writes it after every cell, whole or not at all.
 *
 * Tags mean what they mean to nbclient: `raises-exception` lets a cell fail, `skip-execution` leaves it alone. Outputs of an earlier run
 * are removed first. A cell that is stopped, or whose kernel dies, keeps its outputs and says so in the last one.
 *
 * @throws NotebookError `NB.ipynb: cell 7: TypeError: ...` at the first error, with what was computed until then written; or when another
 * process is writing the same file
 */
export async function executeNotebook(path: string, options: ExecuteOptions = {}): Promise<ExecuteResult> {
  const name = basename(path);
  const output = behindLink(resolve(options.output ?? path));
  const { parameters = {}, allowErrors = false, timeout, signal, onProgress } = options;
  const original = readNotebook(path).notebook;
  try {
    const spec = findKernel(options.kernel ?? original.metadata.kernelspec?.name ?? "erpo");
    const { notebook, warnings } = injectParameters(clean(original), parameters, spec.language);
    for (const warning of warnings) options.onWarning?.(`${name}: ${warning}`);
    const folder = resolve(options.folder ?? dirname(path));
    const work = async () => {
      const cache = options.cache && openCache({ notebook, folder, spec, allowErrors, after: options.cache.after });
      const known = cache?.find();
      if (known) return fromCache(known, output, folder);
      const run = new Run(notebook, name, output, folder, { parameters, allowErrors, timeout, signal, onProgress });
      const trace = await run.start(spec);
      const result = run.current();
      const uncached = cache?.keep(result, trace);
      return { output, seconds: run.seconds(), hash: contentHash(result), ...(uncached !== undefined && { uncached }) };
    };
    return await alone(output, work, options.whenBusy);
  } catch (error) {
    if (error instanceof RangeError && /call stack/.test(error.message))
      throw new NotebookError(`${name}: a value in it is nested too deeply`);
    if (error instanceof DeadKernelError) throw new NotebookError(`${name}: ${error.message}`);
    if (error instanceof NotebookError && !error.message.startsWith(`${name}: `) && !error.message.startsWith(output)) {
      throw new (error.constructor as typeof NotebookError)(`${name}: ${error.message}`);
    }
    throw error;
  }
}

function fromCache({ notebook, record }: CacheEntry, output: string, folder: string): ExecuteResult {
  const began = performance.now();
  const execution = { ...record, folder: fromFile(output, folder), cached: new Date().toISOString() };
  const taken = { ...notebook, metadata: { ...notebook.metadata, erpo: { ...notebook.metadata.erpo, execution } } };
  writeAtomic(output, [notebookText(taken)]);
  return { output, seconds: (performance.now() - began) / 1000, hash: contentHash(taken), cached: record.started };
}

/** A copy without the outputs and times of an earlier run. */
function clean(notebook: Notebook): Notebook {
  const cells = notebook.cells.map((cell) => (isRun(cell) ? withoutOutputs(cell) : cell));
  const { execution: _, ...erpo } = notebook.metadata.erpo ?? {};
  return { ...notebook, metadata: { ...notebook.metadata, erpo }, cells };
}

/** The file that a link leads to: it is written, and the link stays. */
const behindLink = (file: string): string => (existsSync(file) && lstatSync(file).isSymbolicLink() ? realpathSync(file) : file);

/** The file that a notebook is written to when several go to one folder. */
export function outputFile(path: string, folder: string | undefined): string {
  if (folder === undefined) return path;
  if (existsSync(folder) && resolve(folder, basename(path)) === resolve(path)) return path;
  return resolve(folder, basename(path));
}
