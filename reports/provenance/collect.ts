import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { cellSeconds } from "../document/build.js";
import type { ExecutionRecord } from "../execute/record.js";
import { type CodeCell, type Notebook, NotebookError } from "../notebook/types.js";
import { type FileDigest, outputSha256, sha256 } from "./digests.js";
import { erpoVersion } from "./environment.js";
import { digestFiles, inputs, type RunFiles, real } from "./run-files.js";

/** Where a report's numbers come from. */
export interface Provenance {
  format: 1;
  notebook: FileDigest;
  /** Of the run of the notebook, as its executor noted it. */
  execution?: Omit<ExecutionRecord, "runs" | "files" | "compared">;
  run?: Experiment;
  /** Files that the notebook's code has read beside the experiment's: data, modules, other experiments; `length` as in `RunFiles`. */
  read?: (FileDigest & { length?: number })[];
  /** Of a comparison: the files of all runs that it has read. */
  compared?: FileDigest[];
  /** Code cells; `outputs` are the SHA-256 of their outputs. */
  cells: { cell: number; execution_count: number | null; seconds?: number; outputs: string[] }[];
  rendered: { erpo: string; node: string };
  /** The run got to the end; where no executor has noted it: some cell was run, and none failed. */
  complete: boolean;
}

/**
 * The experiment behind a report. `file` is its run.json; `files` are those that the notebook has used, as its executor noted them at its end, or, where nobody has
 * noted that, all that were there when the report was written (data, adapters, metrics, evaluations).
 */
export interface Experiment extends FileDigest, RunFiles {
  /** All files of its folder that a report's numbers can come from, when the report was written. */
  present?: string[];
  /** What run.json says: device, seed, model, data. */
  record: Record<string, unknown>;
}

/**
 * Collects the provenance of an executed notebook.
 * @param output folder of the report: paths are relative to it
 */
export function collectProvenance(
  notebook: Notebook,
  path: string,
  bytes: Uint8Array,
  output: string,
  experiment?: Experiment,
): Provenance {
  const execution = readExecution(notebook);
  const fromOutput = (file: string) => relative(resolve(output), resolve(file));
  const code = notebook.cells.flatMap((cell, i) =>
    cell.cell_type === "code" && cell.source.trim() !== "" ? [{ cell, number: i + 1 }] : [],
  );
  return {
    format: 1,
    notebook: { file: fromOutput(path), sha256: sha256(bytes) },
    ...(execution && { execution: withoutRuns(execution) }),
    ...(experiment && { run: experiment }),
    ...(execution && readFiles(execution, path, fromOutput, experiment)),
    ...(execution?.compared && {
      compared: execution.compared.map(({ file, sha256 }) => ({ file: fromOutput(join(dirname(path), file)), sha256 })),
    }),
    cells: code.map(({ cell, number }) => ({
      cell: number,
      execution_count: cell.execution_count,
      ...cellSeconds(cell),
      outputs: cell.outputs.map(outputSha256),
    })),
    rendered: { erpo: erpoVersion(), node: process.version },
    complete: execution?.complete ?? (code.some(({ cell }) => cell.execution_count !== null) && !code.some(({ cell }) => failed(cell))),
  };
}

const failed = (cell: CodeCell) => cell.outputs.some((output) => output.output_type === "error");

/** The runs that a report shows stand in its provenance by themselves. */
function withoutRuns({ runs: _, files: __, compared: ___, ...execution }: ExecutionRecord): Provenance["execution"] {
  return execution;
}

/** Of the other experiments that the notebook has used, and of no experiment. */
function readFiles(
  { runs = [], files = [], folder = "." }: ExecutionRecord,
  path: string,
  fromOutput: (file: string) => string,
  experiment: Experiment | undefined,
): Pick<Provenance, "read"> {
  const at = (...parts: string[]) => fromOutput(join(dirname(path), folder, ...parts));
  const others = runs
    .filter((run) => run.files !== experiment?.files) // which hands on what was noted of its own
    .flatMap((run) =>
      Object.entries(run.files).map(([file, sha256]) => {
        const length = run.lengths[file];
        return { file: at(run.folder, file), sha256, ...(length !== undefined && { length }) };
      }),
    );
  const read = [...files.map(({ file, sha256 }) => ({ file: at(file), sha256 })), ...others];
  return read.length > 0 ? { read } : {};
}

/** What an executor has noted of the notebook's run; undefined where none has. */
export function readExecution(notebook: Notebook): ExecutionRecord | undefined {
  const record = notebook.metadata.erpo?.execution as Partial<ExecutionRecord> | undefined;
  return typeof record?.started === "string" && typeof record.seconds === "number" ? (record as ExecutionRecord) : undefined;
}

/**
 * The experiment that a notebook shows.
 * @param path of the notebook
 * @param output folder of the reports: paths are relative to it
 * @param folder of the experiment; the first that the notebook has used unless told, if it is still there
 * @throws NotebookError when it holds no readable run.json, or the notebook has used other runs and not this one
 */
export function experimentOf(notebook: Notebook, path: string, output: string, folder: string | undefined): Experiment | undefined {
  const { runs = [], folder: kernel = "." } = readExecution(notebook) ?? {};
  const at = runs.map((run) => resolve(dirname(path), kernel, run.folder));
  const told = folder === undefined ? 0 : at.findIndex((run) => real(run) === real(folder));
  const used = at.filter((run) => existsSync(run));
  if (told < 0 && used.length > 0)
    throw new NotebookError(
      `${path}: it has used ${used.map((run) => relative("", run)).join(" and ")}, not ${folder}: leave --run out, or execute it on that run`,
    );
  const i = Math.max(told, 0); // the first one was moved since
  const dir = folder ?? at[i];
  if (dir === undefined || (folder === undefined && !existsSync(join(dir, "run.json")))) return undefined;
  const { files, lengths } = runs[i] ?? digestFiles(dir, inputs(dir));
  return { ...readRecord(dir, output), files, lengths, present: inputs(dir) };
}

/** An experiment's run.json. @throws NotebookError when it cannot be read */
export function readRecord(folder: string, output: string): Omit<Experiment, keyof RunFiles> {
  const path = join(folder, "run.json");
  try {
    const bytes = readFileSync(path);
    return { file: relative(resolve(output), resolve(path)), sha256: sha256(bytes), record: JSON.parse(bytes.toString()) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new NotebookError(`${path}: ${code === "ENOENT" ? "no such file" : code ? `cannot be read (${code})` : "not JSON"}`);
  }
}
