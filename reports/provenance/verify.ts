import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { isRegular } from "../../src/setup/files.js";
import { declaredParameters, type Parameters } from "../execute/parameters.js";
import { readNotebook } from "../notebook/read.js";
import { type CodeCell, type Notebook, NotebookError } from "../notebook/types.js";
import type { Check, Kind, Status } from "./check.js";
import type { Experiment, Provenance } from "./collect.js";
import { type FileDigest, fileSha256, outputSha256, outputsSha256, sourceSha256 } from "./digests.js";
import { type Environment, environment } from "./environment.js";
import type { SealedReport } from "./read.js";
import { type KeptResults, resultChecks } from "./results.js";
import { inputs } from "./run-files.js";

/** A model's digests by its name or path, of its weights and of all that its answers depend on; undefined where it is not on this machine. */
export type ModelDigests = (model: string) => Promise<{ sha256: string; digest: string } | undefined>;

/** What a check asks the library. */
export interface Lookups extends KeptResults {
  modelDigests: ModelDigests;
}

/**
 * Compares everything that a report says of its origin with what is there now. Changes nothing.
 * @param path of the report: the files that it names are relative to its folder
 */
export async function verifyReport({ provenance, intact }: SealedReport, path: string, lookups: Lookups): Promise<Check[]> {
  const folder = dirname(resolve(path));
  const { execution } = provenance;
  const notebook = notebookNow(provenance, folder);
  const given = {
    ...(typeof notebook === "object" && declaredParameters(notebook, ["parameters", "injected-parameters"])),
    ...execution?.parameters,
  };
  return [
    { kind: "page", name: "the page around the provenance", status: intact ? "same" : "differs" },
    ...notebookChecks(provenance, folder, notebook),
    ...madeOutputs(provenance),
    ...runChecks(provenance, folder),
    ...(provenance.read ?? []).map(({ length, ...file }) => fileCheck("file", file, folder, length)),
    ...(provenance.compared ?? []).map((file) => fileCheck("run", file, folder)),
    ...resultChecks(provenance, folder, given, lookups),
    ...(await modelCheck(provenance, folder, given, lookups.modelDigests)),
    ...(execution?.environment ? machineChecks(execution.environment, environment()) : []),
  ];
}

/** @param length of a file that grows by rows: bytes that were there */
function fileCheck(kind: Kind, { file, sha256: reported }: FileDigest, folder: string, length?: number): Check {
  const found = fileSha256(join(folder, file), length);
  return { kind, name: file, ...compare(reported, found, "not found") };
}

function runChecks({ run }: Provenance, folder: string): Check[] {
  if (!run) return [];
  const files = Object.entries(run.files).map(([file, sha256]) =>
    fileCheck(file.startsWith("data/") ? "data" : "run", { file: join(dirname(run.file), file), sha256 }, folder, run.lengths[file]),
  );
  return [recordCheck(run, folder), ...files, ...newFiles(run, folder)];
}

/** Files that have come into the experiment's folder: none that the notebook has read, or it would be among those that it names. */
function newFiles(run: Experiment, folder: string): Check[] {
  const dir = join(folder, dirname(run.file));
  if (!run.present || !existsSync(dir)) return [];
  const known = new Set([...run.present, ...Object.keys(run.files)]);
  return inputs(dir)
    .filter((file) => !known.has(file))
    .map((file) => ({
      kind: "run",
      name: join(dirname(run.file), file),
      status: "new",
      note: "it was not there when the report was written",
    }));
}

/** A run's record grows too: by an environment where the run goes on in another one. */
function recordCheck(run: Experiment, folder: string): Check {
  const check = fileCheck("run", run, folder);
  if (check.status !== "differs") return check;
  try {
    const { environments: now = [], ...rest } = JSON.parse(readFileSync(join(folder, run.file), "utf8"));
    const { environments: before = [], ...reported } = run.record as { environments?: unknown[] };
    const same = isDeepStrictEqual(rest, reported) && isDeepStrictEqual(now.slice(0, before.length), before);
    return same ? { ...check, status: "same", note: "it went on in another environment" } : check;
  } catch {
    return check; // no record any more
  }
}

/** @param absent the status where nothing is found */
function compare(reported: string | undefined, found: string | undefined, absent: Status): Omit<Check, "kind" | "name"> {
  if (reported === undefined) return { status: "not checked", note: "the report does not say" };
  if (found === undefined) return { status: absent, reported };
  return { status: reported === found ? "same" : "differs", reported, found };
}

/** The report's notebook, or why it cannot be read. */
function notebookNow({ notebook }: Provenance, folder: string): Notebook | string {
  const file = join(folder, notebook.file);
  if (!isRegular(file)) return `${file}: no such file`;
  try {
    return readNotebook(file).notebook;
  } catch (error) {
    if (!(error instanceof NotebookError)) throw error;
    return error.message;
  }
}

/** The notebook's bytes, and whether it was run to its end; then, whatever else in it may have changed, its cells' sources and each output. */
function notebookChecks({ notebook: reported, cells, execution }: Provenance, folder: string, notebook: Notebook | string): Check[] {
  const bytes = fileCheck("notebook", reported, folder);
  const ended: Check[] =
    execution?.complete === false
      ? [{ kind: "notebook", name: "run to the end", status: "differs", note: "it was stopped, or a cell failed" }]
      : [];
  if (bytes.status === "not found") return [bytes, ...ended];
  if (typeof notebook === "string") return [{ ...bytes, note: notebook }, ...ended];
  const source = compare(execution?.source_sha256, sourceSha256(notebook), "not found");
  return [
    bytes,
    ...ended,
    { kind: "source", name: "the cells' sources as they were run", ...source },
    ...cells.flatMap(({ cell, outputs }) => outputChecks(cell, outputs, notebook)),
  ];
}

/** The outputs that the report was made from are those that the notebook's run has left: else cells were run again by themselves, or somebody wrote into them. */
function madeOutputs({ cells, execution }: Provenance): Check[] {
  const made = execution?.outputs_sha256;
  if (made === undefined || made === outputsSha256(cells)) return [];
  const note = "when the report was written they were not those that the notebook's run has left";
  return [{ kind: "output", name: "all of them", status: "differs", note }];
}

function outputChecks(number: number, reported: readonly string[], notebook: Notebook): Check[] {
  const cell = notebook.cells[number - 1];
  const outputs = cell?.cell_type === "code" ? cell.outputs : [];
  return Array.from({ length: Math.max(reported.length, outputs.length) }, (_, i): Check => {
    const output = outputs[i];
    const name = outputName(number, cell as CodeCell, i);
    if (reported[i] === undefined) return { kind: "output", name, status: "differs", note: "the report has no such output" };
    return { kind: "output", name, ...compare(reported[i], output && outputSha256(output), "not found") };
  });
}

/** `cell 7, fig-margins`, or `cell 7, output 2` where the output has no label. */
function outputName(number: number, cell: CodeCell | undefined, index: number): string {
  const output = cell?.outputs?.[index];
  const label = output && "metadata" in output ? output.metadata.label : undefined;
  return `cell ${number}, ${typeof label === "string" ? label : `output ${index + 1}`}`;
}

/** The experiment's model, by the name of its record, or by the notebook's parameter that is its path. */
async function modelCheck(
  { run, execution, notebook }: Provenance,
  folder: string,
  parameters: Parameters,
  modelDigests: ModelDigests,
): Promise<Check[]> {
  const { name, sha256, digest } = (run?.record.model ?? {}) as { name?: unknown; sha256?: unknown; digest?: unknown };
  const reported = digest ?? sha256; // a record without the digest says the weights alone
  if (typeof name !== "string" || typeof reported !== "string") return [];
  const kernelFolder = resolve(folder, dirname(notebook.file), execution?.folder ?? ".");
  const paths = Object.values(parameters)
    .filter((value): value is string => typeof value === "string" && fileStem(value) === name)
    .map((value) => resolve(kernelFolder, value));
  for (const model of [...paths, name]) {
    try {
      const found = await modelDigests(model);
      if (found) return [{ kind: "model", name, ...compare(reported, digest === undefined ? found.sha256 : found.digest, "not checked") }];
    } catch (error) {
      return [{ kind: "model", name, status: "differs", reported, note: (error as Error).message.split("\n")[0]! }];
    }
  }
  return [{ kind: "model", name, status: "not checked", reported, note: "it is not on this machine" }];
}

const fileStem = (path: string) => path.replace(/^.*[\\/]/, "").replace(/\.(?:gguf|safetensors)$/, "");

/** Code and packages, which make the numbers; then the environment, which may. */
function machineChecks(reported: Environment, now: Environment): Check[] {
  const lockfile = compare(reported.lockfile_sha256, now.lockfile_sha256, "not checked");
  const names = { erpo: "erpo", node: "Node", v8: "V8", platform: "platform", cpu: "processor" } as const;
  return [
    codeCheck(reported, now),
    { kind: "lockfile", name: "package-lock.json", ...lockfile },
    ...Object.entries(names).map(([key, name]) =>
      environmentCheck(name, reported[key as keyof typeof names], now[key as keyof typeof names]),
    ),
  ];
}

/** The same files are the same code, whatever the commits; in records without their hash, the same commit without changes is. */
export function codeCheck(reported: Environment, now: Environment): Check {
  const version = ({ commit, dirty }: Environment) =>
    commit ? `commit ${commit.slice(0, 12)}${dirty ? " with changes" : ""}` : "no commit";
  const words = { reported: version(reported), found: version(now) };
  if (reported.code_sha256 !== undefined) {
    const same = reported.code_sha256 === now.code_sha256;
    const moved = same && words.reported !== words.found ? { note: "another commit with the same files" } : {};
    return { kind: "code", name: version(reported), status: same ? "same" : "differs", ...words, ...moved };
  }
  const known = reported.commit !== undefined && now.commit !== undefined && !reported.dirty && !now.dirty;
  const status = !known ? "not checked" : reported.commit === now.commit ? "same" : "differs";
  return { kind: "code", name: version(reported), status, ...words };
}

/** @param found undefined where it is not known now */
export function environmentCheck(name: string, reported: string | undefined, found: string | undefined): Check {
  const { status, ...rest } = compare(reported, found, "not checked");
  return { kind: "environment", name: `${name} ${reported ?? ""}`.trim(), status: status === "differs" ? "other" : status, ...rest };
}
