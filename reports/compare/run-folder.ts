import { existsSync, statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { isRecord } from "../../src/setup/json.js";
import { declaredParameters } from "../execute/parameters.js";
import type { ExecutionRecord } from "../execute/record.js";
import { parseNotebook } from "../notebook/read.js";
import { cellTags, type Notebook } from "../notebook/types.js";
import { type Evaluation, type Perplexity, readEvaluations } from "./evaluations.js";
import { RunFiles } from "./files.js";
import { readStages, type Stage } from "./stages.js";

/** A run that cannot be compared at all. The message is one line that begins with the folder. */
export class CompareError extends Error {
  override name = "CompareError";
}

/** A run's folder as far as it can be read. */
export interface RunFolder {
  /** Unique in the comparison: the folder's name, with as much of its path as tells it from the others. */
  name: string;
  dir: string;
  /** run.json: profile, seed, model, data, devices. */
  record: Record<string, unknown>;
  /** SHA-256 of each prompt file, by its name. */
  data: Record<string, unknown>;
  stages: Stage[];
  notebooks: ExecutedNotebook[];
  evaluations: Evaluation[];
  perplexities: Map<string, Perplexity>;
  /** Texts of the run's prompts by id. */
  prompts: Map<string, string>;
  /** Files that were read, with their SHA-256. */
  files: { file: string; sha256: string }[];
  /** What is missing or broken: one line each, beginning with the file or folder. */
  faults: string[];
}

/** What an executed notebook says of its run. */
export interface ExecutedNotebook {
  /** File name without `.ipynb`. */
  stem: string;
  /** Values of its parameters: those that were set, else those that its parameters cell has. */
  parameters: Record<string, unknown>;
  /** Source of its code cells, parameters left out. */
  code: string;
  execution?: ExecutionRecord;
}

/**
 * Reads the folders of runs such as `runs/quick`. What is missing or torn in one is noted in its `faults`.
 * @throws CompareError when a folder holds nothing of a run, or is named twice
 */
export function readRuns(dirs: readonly string[]): RunFolder[] {
  const full = dirs.map((dir) => resolve(dir));
  const twice = full.findIndex((dir, i) => full.indexOf(dir) !== i);
  if (twice >= 0) throw new CompareError(`${dirs[twice]}: is named twice`);
  const names = distinctNames(full);
  return full.map((dir, i) => readRun(dir, names[i]!));
}

/** Of each path, the shortest end that no other path has. */
export function distinctNames(dirs: readonly string[]): string[] {
  const parts = dirs.map((dir) => dir.split(/[\\/]/).filter(Boolean));
  const end = (path: readonly string[], count: number) => path.slice(-count).join("/");
  return parts.map((path) => {
    let count = 1;
    while (count < path.length && parts.some((other) => other !== path && end(other, count) === end(path, count))) count++;
    return end(path, count);
  });
}

function readRun(dir: string, name: string): RunFolder {
  if (!existsSync(dir)) throw new CompareError(`${dir}: no such folder`);
  if (!statSync(dir).isDirectory()) throw new CompareError(`${dir}: is no folder: name a run's, such as runs/quick`);
  const files = new RunFiles(dir);
  const found = files.json("run.json");
  const record = found && isRunRecord(found) ? found : undefined;
  if (found && !record) files.faults.push("run.json: is not the record of a run");
  const stages = readStages(files);
  const { evaluations, perplexities } = readEvaluations(files);
  if (!record && stages.length === 0 && evaluations.length === 0) {
    const problem = files.has("run.json") ? "its run.json is not the record of a run, and it holds" : "holds no run.json,";
    throw new CompareError(`${dir}: ${problem} no metrics.jsonl and no evaluation: name a run's folder, such as runs/quick`);
  }
  const inRun = stages.every((stage) => stage.name !== ".");
  if (inRun && !files.has("run.json")) files.faults.unshift("run.json: is missing");
  return {
    name,
    dir,
    record: record ?? {},
    data: promptFiles(files.json("data/manifest.json")),
    stages,
    notebooks: files
      .list("notebooks")
      .filter((path) => path.endsWith(".ipynb"))
      .flatMap((path) => readExecuted(files, path)),
    evaluations,
    perplexities,
    prompts: readPrompts(files),
    files: [...files.read].map(([path, sha256]) => ({ file: `${dir}/${path}`, sha256 })),
    faults: files.faults,
  };
}

/** Tells a run's record from other files of its name, such as a training's RUN.json. */
const isRunRecord = ({ profile, model }: Record<string, unknown>): boolean => typeof profile === "string" && isRecord(model);

function promptFiles(manifest: Record<string, unknown> | undefined): Record<string, unknown> {
  const listed = Array.isArray(manifest?.files) ? manifest.files.filter(isRecord) : [];
  return Object.fromEntries(listed.map(({ file, sha256 }) => [String(file), sha256]));
}

function readPrompts(files: RunFiles): Map<string, string> {
  const rows = files
    .list("data")
    .filter((path) => /(?:dev|test)\.jsonl$/.test(path))
    .flatMap((path) => files.lines(path));
  return new Map(rows.map(({ id, prompt }) => [String(id), String(prompt)]));
}

function readExecuted(files: RunFiles, path: string): ExecutedNotebook[] {
  const stem = basename(path, ".ipynb");
  const text = files.text(path);
  if (text === undefined) return [];
  let notebook: Notebook;
  try {
    notebook = parseNotebook(text, path);
  } catch (error) {
    files.faults.push(error instanceof Error ? error.message : String(error));
    return [];
  }
  const record = notebook.metadata.erpo?.execution;
  const execution = isRecord(record) ? (record as unknown as ExecutionRecord) : undefined;
  if (execution && !execution.complete) files.faults.push(`${path}: was not run to the end`);
  const code = notebook.cells.filter((cell) => cell.cell_type === "code");
  const has = (tag: string) => (cell: (typeof code)[number]) => cellTags(cell).includes(tag);
  const isParameters = (cell: (typeof code)[number]) => has("parameters")(cell) || has("injected-parameters")(cell);
  return [
    {
      stem,
      parameters: { ...declaredParameters(notebook), ...execution?.parameters },
      code: code
        .filter((cell) => !isParameters(cell))
        .map((cell) => cell.source)
        .join("\n\n"),
      ...(execution && { execution }),
    },
  ];
}
