import { existsSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { writeAtomic } from "../../src/setup/atomic.js";
import { alone } from "../execute/alone.js";
import { type ExecuteOptions, executeNotebook, InterruptedError } from "../execute/execute.js";
import { findKernel } from "../execute/kernelspec.js";
import { declaredParameters, injectParameters } from "../execute/parameters.js";
import { readNotebook } from "../notebook/read.js";
import { NotebookError } from "../notebook/types.js";
import { renderReports } from "../report.js";
import { type Axis, combinationName, combinations } from "./axes.js";
import { type Branching, beginBranches, branchFolder, namedRun, runParameter } from "./branches.js";
import type { Member } from "./member.js";
import { sweepHTML } from "./page.js";
import { namedValues } from "./values.js";

/** How a sweep is run. */
export interface SweepOptions extends Omit<ExecuteOptions, "output" | "cache" | "folder"> {
  /** Folder of the executed copies, their reports, the members' runs and the page `sweep.html`. */
  output: string;
  /** Takes members from the cache where nothing has changed. */
  cache: boolean;
  /** How notebooks with a run get one for each combination. */
  branching: Branching;
  /** Parameters that stay apart where the page gives means over members; those beside the seed unless told, where the seed is swept. */
  groupBy?: readonly string[];
  /** Told of each member that has ended. */
  onMember?: (member: Member) => void;
}

/**
 * Runs notebooks with every combination of some parameters' values, each as a copy of its own with an HTML report, and writes a page that
 * shows them beside each other; the page is there from the beginning and grows. With several notebooks, each combination runs all of them
 * in order. A member that fails does not stop the others.
 *
 * Notebooks that keep a run (parameter `runDir`) get a branch of it for each combination, below `runs` in the output: see `beginBranches`. A sweep that was stopped goes
 * on where it was.
 *
 * @throws NotebookError before anything is run when a notebook lacks a parameter; InterruptedError when the caller stops the sweep
 */
export async function executeSweep(
  paths: readonly string[],
  axes: readonly Axis[],
  options: SweepOptions,
): Promise<{ page: string; members: readonly Member[] }> {
  const { output, cache, branching, groupBy, onMember, parameters = {}, ...how } = options;
  const { members, root } = plan(paths, axes, options);
  const page = resolve(output, "sweep.html");
  const own = [...axes.map(({ name }) => name), ...(root === undefined ? [] : [runParameter])]; // what each member has for itself
  const fixed = Object.fromEntries(Object.entries(parameters).filter(([name]) => !own.includes(name)));
  const save = async () => writeAtomic(page, [await sweepHTML(members, axes, { fixed, groupBy })]);
  return alone(page, async () => {
    if (root !== undefined) {
      if (!existsSync(join(root, "run.json"))) options.onWarning?.(`${root}: is no run yet: the sweep's runs share with each other only`);
      beginBranches(root, [...new Set(members.flatMap(({ run }) => run ?? []))], branching);
    }
    await save();
    let after: string[] = [];
    for (const member of members) {
      if (member.path === paths[0]) after = [];
      const failed = members.find((other) => other.swept === member.swept && other.status === "failed");
      if (failed) Object.assign(member, { status: "skipped", message: `${basename(failed.path)} failed` });
      else {
        const run = member.run && { [runParameter]: relative(dirname(resolve(member.path)), member.run) };
        const settings = { ...how, output: member.output, parameters: { ...parameters, ...member.swept, ...run } };
        try {
          member.result = await executeNotebook(member.path, { ...settings, ...(cache && { cache: { after: [...after] } }) });
          after.push(member.result.hash);
          member.status = "done";
        } catch (error) {
          if (!(error instanceof NotebookError)) throw error;
          member.status = error instanceof InterruptedError ? "interrupted" : "failed";
          member.message = error.message.replace(`${basename(member.path)}: `, "");
        }
        if (member.run !== undefined) member.sharing = branching.sharing(member.run);
        await render(member);
      }
      await save();
      if (member.status === "interrupted") throw new InterruptedError(`${basename(member.output)}: ${member.message}`);
      onMember?.(member);
    }
    return { page, members };
  });
}

/** The members in their order, and the run that they branch from; undefined where the notebooks keep none, or it is what is swept. */
function plan(
  paths: readonly string[],
  axes: readonly Axis[],
  { parameters, kernel, output }: SweepOptions,
): { members: Member[]; root: string | undefined } {
  const sets = combinations(axes);
  const notebooks = paths.map((path) => {
    const { notebook } = readNotebook(path);
    const { language } = findKernel(kernel ?? notebook.metadata.kernelspec?.name ?? "erpo");
    const { warnings } = injectParameters(notebook, { ...parameters, ...sets[0] }, language);
    if (warnings.length) throw new NotebookError(`${basename(path)}: ${warnings[0]}`);
    return { path, folder: dirname(resolve(path)), parameters: { ...declaredParameters(notebook), ...parameters } };
  });
  const root = axes.some(({ name }) => name === runParameter) ? undefined : namedRun(notebooks);
  const taken = new Set<string>();
  const free = (name: string, suffix: string): string => {
    let found = name + suffix;
    for (let n = 2; taken.has(found); n++) found = `${name}-${n}${suffix}`;
    taken.add(found);
    return found;
  };
  const members = sets.flatMap((swept) => {
    const name = combinationName(swept);
    const run = root === undefined ? undefined : branchFolder(output, free(name, ""));
    return notebooks.map(({ path, parameters }): Member => {
      const file = join(resolve(output), free(`${basename(path, ".ipynb")}.${name}`, ".ipynb"));
      const own = run !== undefined && runParameter in parameters;
      return { path, swept, output: file, status: "waiting", values: new Map(), ...(own && { run }) };
    });
  });
  return { members, root };
}

/** Reads a member's values and writes its report; what is not there or cannot be rendered is left out of the page. */
async function render(member: Member): Promise<void> {
  try {
    member.values = namedValues(readNotebook(member.output).notebook);
  } catch (error) {
    if (error instanceof NotebookError) return; // it failed before anything was written
    throw error;
  }
  const { written } = await renderReports([member.output], { output: dirname(member.output) });
  if (written[0]) member.report = basename(written[0]);
}
