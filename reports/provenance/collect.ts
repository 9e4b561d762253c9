import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cellSeconds } from "../document/build.js";
import type { ExecutionRecord } from "../execute/record.js";
import { type CodeCell, type Notebook, NotebookError } from "../notebook/types.js";
import { environment, sha256 } from "./environment.js";

/** Where a report's numbers come from. */
export interface Provenance {
  notebook: { file: string; sha256: string };
  /** Of the run of the notebook, as its executor noted it. */
  execution?: ExecutionRecord;
  /** What `run.json` of the experiment says: device, seed, model, data. */
  run?: { file: string; sha256: string; record: Record<string, unknown> };
  /** Data manifests of the experiment. */
  manifests: { file: string; sha256: string }[];
  cells: { cell: number; execution_count: number | null; seconds?: number }[];
  rendered: { erpo: string; node: string };
  /** The run got to the end; where no executor has noted it: some cell was run, and none failed. */
  complete: boolean;
}

/**
 * Collects the provenance of an executed notebook.
 * @param run folder of the experiment, with `run.json`; none unless told
 * @throws NotebookError when the folder holds no readable run.json
 */
export function collectProvenance(notebook: Notebook, path: string, bytes: Uint8Array, run?: string): Provenance {
  const execution = readExecution(notebook);
  const code = notebook.cells.flatMap((cell, i) =>
    cell.cell_type === "code" && cell.source.trim() !== "" ? [{ cell, number: i + 1 }] : [],
  );
  const { erpo, node } = environment();
  return {
    notebook: { file: basename(path), sha256: sha256(bytes) },
    ...(execution && { execution }),
    ...(run !== undefined && { run: readRun(run) }),
    manifests: run === undefined ? [] : manifests(run),
    cells: code.map(({ cell, number }) => ({ cell: number, execution_count: cell.execution_count, ...cellSeconds(cell) })),
    rendered: { erpo, node },
    complete: execution?.complete ?? (code.some(({ cell }) => cell.execution_count !== null) && !code.some(({ cell }) => failed(cell))),
  };
}

const failed = (cell: CodeCell) => cell.outputs.some((output) => output.output_type === "error");

function readExecution(notebook: Notebook): ExecutionRecord | undefined {
  const record = notebook.metadata.erpo?.execution as Partial<ExecutionRecord> | undefined;
  return typeof record?.started === "string" && typeof record.seconds === "number" ? (record as ExecutionRecord) : undefined;
}

function readRun(folder: string): NonNullable<Provenance["run"]> {
  const file = join(folder, "run.json");
  try {
    const bytes = readFileSync(file);
    return { file, sha256: sha256(bytes), record: JSON.parse(bytes.toString()) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new NotebookError(`${file}: ${code === "ENOENT" ? "no such file" : code ? `cannot be read (${code})` : "not JSON"}`);
  }
}

const manifests = (folder: string) =>
  [join(folder, "data", "manifest.json")].filter((file) => existsSync(file)).map((file) => ({ file, sha256: sha256(readFileSync(file)) }));
