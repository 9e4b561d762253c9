import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { cellSeconds } from "../document/build.js";
import type { ExecutionRecord } from "../execute/record.js";
import { type CodeCell, type Notebook, NotebookError } from "../notebook/types.js";
import { fileSha256, outputSha256, sha256 } from "./digests.js";
import { erpoVersion } from "./environment.js";

/** A file and its bytes. */
export interface FileDigest {
  /** Relative to the report's folder. */
  file: string;
  sha256: string;
}

/** Where a report's numbers come from. */
export interface Provenance {
  format: 1;
  notebook: FileDigest;
  /** Of the run of the notebook, as its executor noted it. */
  execution?: ExecutionRecord;
  run?: Experiment;
  /** Code cells; `outputs` are the SHA-256 of their outputs. */
  cells: { cell: number; execution_count: number | null; seconds?: number; outputs: string[] }[];
  rendered: { erpo: string; node: string };
  /** The run got to the end; where no executor has noted it: some cell was run, and none failed. */
  complete: boolean;
}

/** The folder of an experiment as it is when a report is written. `file` is its run.json. */
export interface Experiment extends FileDigest {
  /** What run.json says: device, seed, model, data. */
  record: Record<string, unknown>;
  /** SHA-256 of its other files (data, adapters, metrics, evaluations) by path in the folder. */
  files: Record<string, string>;
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
  const code = notebook.cells.flatMap((cell, i) =>
    cell.cell_type === "code" && cell.source.trim() !== "" ? [{ cell, number: i + 1 }] : [],
  );
  return {
    format: 1,
    notebook: { file: relative(resolve(output), resolve(path)), sha256: sha256(bytes) },
    ...(execution && { execution }),
    ...(experiment && { run: experiment }),
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

function readExecution(notebook: Notebook): ExecutionRecord | undefined {
  const record = notebook.metadata.erpo?.execution as Partial<ExecutionRecord> | undefined;
  return typeof record?.started === "string" && typeof record.seconds === "number" ? (record as ExecutionRecord) : undefined;
}

/**
 * Reads the folder of an experiment.
 * @param output folder of the reports: paths are relative to it
 * @throws NotebookError when it holds no readable run.json
 */
export function readExperiment(folder: string, output: string): Experiment {
  const path = join(folder, "run.json");
  try {
    const bytes = readFileSync(path);
    const digests = inputs(folder).map((file) => [file, fileSha256(join(folder, file))] as const);
    return {
      file: relative(resolve(output), resolve(path)),
      sha256: sha256(bytes),
      record: JSON.parse(bytes.toString()),
      files: Object.fromEntries(digests.filter((entry): entry is [string, string] => entry[1] !== undefined)),
    };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new NotebookError(`${path}: ${code === "ENOENT" ? "no such file" : code ? `cannot be read (${code})` : "not JSON"}`);
  }
}

/** What is made from an experiment, or is dropped when a stage is through. */
const NOT_INPUT = /^(?:run\.json$|notebooks\/|reports\/)|(?:^|\/)(?:\.|checkpoint-\d+\/)/;

const inputs = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => !NOT_INPUT.test(file))
    .sort();
