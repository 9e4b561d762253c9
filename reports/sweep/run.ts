import { basename, dirname, join, resolve } from "node:path";
import { writeAtomic } from "../../src/setup/atomic.js";
import { alone } from "../execute/alone.js";
import { type ExecuteOptions, executeNotebook, InterruptedError } from "../execute/execute.js";
import { findKernel } from "../execute/kernelspec.js";
import { injectParameters } from "../execute/parameters.js";
import { readNotebook } from "../notebook/read.js";
import { NotebookError } from "../notebook/types.js";
import { renderReports } from "../report.js";
import { type Axis, combinations, memberName } from "./axes.js";
import type { Member } from "./member.js";
import { sweepHTML } from "./page.js";
import { namedValues } from "./values.js";

/** How a sweep is run. */
export interface SweepOptions extends Omit<ExecuteOptions, "output" | "cache"> {
  /** Folder of the executed copies, their reports and the page `sweep.html`. */
  output: string;
  /** Takes members from the cache where nothing has changed. */
  cache: boolean;
  /** Told of each member that has ended. */
  onMember?: (member: Member) => void;
}

/**
 * Runs notebooks with every combination of some parameters' values, each as a copy of its own with an HTML report, and writes a page that
 * shows them beside each other; the page is there from the beginning and grows. With several notebooks, each combination runs all of them
 * in order. A member that fails does not stop the others.
 *
 * @throws NotebookError before anything is run when a notebook lacks a parameter; InterruptedError when the caller stops the sweep
 */
export async function executeSweep(
  paths: readonly string[],
  axes: readonly Axis[],
  options: SweepOptions,
): Promise<{ page: string; members: readonly Member[] }> {
  const { output, cache, onMember, parameters = {}, ...how } = options;
  const members = plan(paths, axes, options);
  const page = resolve(output, "sweep.html");
  const save = async () => writeAtomic(page, [await sweepHTML(members, axes, parameters)]);
  return alone(page, async () => {
    await save();
    let after: string[] = [];
    for (const member of members) {
      if (member.path === paths[0]) after = [];
      const failed = members.find((other) => other.swept === member.swept && other.status === "failed");
      if (failed) Object.assign(member, { status: "skipped", message: `${basename(failed.path)} failed` });
      else {
        const settings = { ...how, output: member.output, parameters: { ...parameters, ...member.swept } };
        try {
          member.result = await executeNotebook(member.path, { ...settings, ...(cache && { cache: { after: [...after] } }) });
          after.push(member.result.hash);
          member.status = "done";
        } catch (error) {
          if (!(error instanceof NotebookError)) throw error;
          member.status = error instanceof InterruptedError ? "interrupted" : "failed";
          member.message = error.message.replace(`${basename(member.path)}: `, "");
        }
        await render(member);
      }
      await save();
      if (member.status === "interrupted") throw new InterruptedError(`${basename(member.output)}: ${member.message}`);
      onMember?.(member);
    }
    return { page, members };
  });
}

function plan(paths: readonly string[], axes: readonly Axis[], { parameters, kernel, output }: SweepOptions): Member[] {
  const sets = combinations(axes);
  for (const path of paths) {
    const { notebook } = readNotebook(path);
    const { language } = findKernel(kernel ?? notebook.metadata.kernelspec?.name ?? "erpo");
    const { warnings } = injectParameters(notebook, { ...parameters, ...sets[0] }, language);
    if (warnings.length) throw new NotebookError(`${basename(path)}: ${warnings[0]}`);
  }
  const taken = new Set<string>();
  const free = (name: string): string => {
    let found = name;
    for (let n = 2; taken.has(found); n++) found = name.replace(/\.ipynb$/, `-${n}.ipynb`);
    taken.add(found);
    return found;
  };
  return sets.flatMap((swept) =>
    paths.map((path): Member => {
      const file = join(resolve(output), free(memberName(path, swept)));
      return { path, swept, output: file, status: "waiting", values: new Map() };
    }),
  );
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
