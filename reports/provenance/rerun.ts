import { constants, cpSync, existsSync, rmSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { isRegular, temporaryFolder } from "../../src/setup/files.js";
import { grouped } from "../../src/setup/lists.js";
import { type ExecuteOptions, executeNotebook, InterruptedError } from "../execute/execute.js";
import { declaredParameters, type Parameters } from "../execute/parameters.js";
import { readNotebook } from "../notebook/read.js";
import { type Notebook, NotebookError } from "../notebook/types.js";
import type { Check } from "./check.js";
import type { Provenance } from "./collect.js";
import { type Difference, differences } from "./differences.js";
import { real } from "./run-files.js";
import { environmentCheck } from "./verify.js";

export interface RerunOptions extends Pick<ExecuteOptions, "signal" | "onProgress"> {
  /** See `agree`. */
  tolerance: number;
}

/**
 * Runs a report's notebook again, with the same parameters, kernel and working directory, and compares the outputs. The notebook and the
 * folders of experiments (a `run.json` in them) that its parameters name are copied to a temporary place before, so that neither is touched; what an
 * experiment keeps there, such as a trained stage, is read and not computed again. Errors of cells are outputs like others.
 *
 * @param path of the report
 * @throws NotebookError when there is no such notebook, or the report compares runs; InterruptedError
 */
export async function rerunChecks({ notebook, execution, compared }: Provenance, path: string, options: RerunOptions): Promise<Check[]> {
  if (compared) throw new NotebookError(`${path}: a comparison is not run again: \`erpo compare\` makes it anew from the runs' files`);
  const { tolerance, ...others } = options;
  const file = resolve(dirname(path), notebook.file);
  if (!isRegular(file)) throw new NotebookError(`${file}: no such file`);
  const reported = readNotebook(file).notebook;
  const folder = real(resolve(dirname(file), execution?.folder ?? ".")); // as the kernel sees it
  if (!existsSync(folder)) throw new NotebookError(`${path}: the folder that its notebook was run in is gone: ${folder}`);
  const place = temporaryFolder("erpo-verify-");
  const output = join(place, basename(file));
  let failure: string | undefined;
  try {
    const given: Parameters = { ...declaredParameters(reported, ["injected-parameters"]), ...execution?.parameters };
    const { parameters, moved } = copyExperiments({ ...declaredParameters(reported), ...given }, folder, place);
    const kernel = execution?.kernel ? { kernel: execution.kernel } : {};
    try {
      await executeNotebook(file, { ...others, ...kernel, output, folder, allowErrors: true, parameters: { ...given, ...parameters } });
    } catch (error) {
      if (!(error instanceof NotebookError) || error instanceof InterruptedError || !existsSync(output)) throw error;
      failure = error.message;
    }
    const found = restorePaths(readNotebook(output).notebook, moved);
    const compared = outcome(reported, differences(reported, found, tolerance), tolerance);
    if (failure) return [{ kind: "rerun", name: failure, status: "differs" }, ...compared.filter(({ status }) => status === "differs")];
    return [...compared, ...device(execution, found)];
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Copies each experiment that a parameter names. @returns the parameters that name one, with the copy; and where the copies come from */
function copyExperiments(
  parameters: Parameters,
  folder: string,
  place: string,
): { parameters: Parameters; moved: [from: string, to: string][] } {
  const named = Object.entries(parameters).filter((entry): entry is [string, string] => {
    const [, value] = entry;
    return typeof value === "string" && value !== "" && existsSync(join(resolve(folder, value), "run.json"));
  });
  const moved = named.map(([, value], i): [string, string] => {
    const copy = join(place, `run-${i + 1}`);
    cpSync(resolve(folder, value), copy, { recursive: true, dereference: true, mode: constants.COPYFILE_FICLONE, filter: isNeeded });
    return [value, copy];
  });
  return { parameters: Object.fromEntries(named.map(([name], i) => [name, moved[i]![1]])), moved };
}

/** Not the experiment's documents, nor the checkpoints of a stage that is through. */
function isNeeded(path: string): boolean {
  let there: Stats;
  try {
    there = statSync(path);
  } catch {
    return false; // a link to nowhere or to itself
  }
  if (!there.isFile() && !there.isDirectory()) return false; // a pipe
  const [name, parent] = [basename(path), dirname(path)];
  if ((name === "notebooks" || name === "reports") && existsSync(join(parent, "run.json"))) return false;
  return !(/^checkpoint-\d+$/.test(name) && existsSync(join(parent, "stage.json")) && there.isDirectory());
}

/** Puts the paths that a reader knows in the place of the copies', the longest first: `run-1` begins `run-10`. */
export function restorePaths(notebook: Notebook, moved: readonly [from: string, to: string][]): Notebook {
  const json = JSON.stringify(notebook);
  const inJSON = (text: string) => JSON.stringify(text).slice(1, -1);
  const longestFirst = moved.toSorted(([, a], [, b]) => b.length - a.length);
  return JSON.parse(longestFirst.reduce((text, [from, to]) => text.replaceAll(inJSON(to), () => inJSON(from)), json));
}

/** One check for each output that differs, with the first difference in it; one for all if none does. */
function outcome(reported: Notebook, found: readonly Difference[], tolerance: number): Check[] {
  const outputs = reported.cells.flatMap((cell) => (cell.cell_type === "code" ? cell.outputs : []));
  if (!found.length) {
    const what = `${outputs.length} output${outputs.length === 1 ? "" : "s"} within a tolerance of ${tolerance}`;
    return [{ kind: "rerun", name: what, status: "same" }];
  }
  return [...grouped(found, ({ cell, output }) => `cell ${cell}, ${output}`)].map(([output, [first, ...more]]) => {
    const { place, reported, found } = first!;
    const name = place ? `${output}: ${place}` : output;
    return { kind: "rerun", name, status: "differs", reported, found, ...(more.length && { note: `and ${more.length} more in it` }) };
  });
}

function device(execution: Provenance["execution"], found: Notebook): Check[] {
  const now = (found.metadata.erpo?.execution as Provenance["execution"])?.device;
  const words = (it: typeof now) => it && `${it.name}, ${it.library}, ${it.precision}`;
  return execution?.device || now ? [environmentCheck("computed on", words(execution?.device), words(now))] : [];
}
