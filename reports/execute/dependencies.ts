import type { TraceLine } from "../../kernel/session/file-notes.js";
import { type Access, stampOf, stateOf as stateOfPath } from "../../kernel/session/file-states.js";
import { allVariables, variableState } from "./variables.js";

/** A path or an environment variable that a run has used, and what it must be for the run's results to hold. */
export interface Dependency {
  access: Access | "variable" | "variables";
  /** Of a variable its name; "" for all that the cache's key leaves out. */
  path: string;
  /** A hash of bytes, names or values, a kind, a field of a stat, or the code of the error that looking for it gives. */
  state: string;
}

/** The state now, by what was done. */
export function stateOf({ access, path }: Pick<Dependency, "access" | "path">): string {
  if (access === "variable") return variableState(path);
  return access === "variables" ? allVariables() : stateOfPath(access, path);
}

/**
 * Makes dependencies of a trace at the end of a run: what was read, listed or looked for must still be what it was then.
 * @param vouched the notebook's author has said what it depends on, which is trusted where the trace is blind
 * @returns the dependencies, or the reason why they are not known
 */
export function settle(trace: string, vouched: boolean): { files: Dependency[] } | { reason: string } {
  const lines = trace
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as TraceLine);
  if (!lines.some((line) => "end" in line) && !vouched) return { reason: "its kernel has not told what it depends on" };
  const files: Dependency[] = [];
  for (const line of lines) {
    if ("unknown" in line) {
      if (!vouched) return { reason: line.unknown };
    } else if ("variable" in line) {
      const used = { access: line.variable === null ? ("variables" as const) : ("variable" as const), path: line.variable ?? "" };
      files.push({ ...used, state: stateOf(used) });
    } else if ("path" in line) {
      const { access, path, state } = line;
      const before = access === "read" ? stampOf(path) : access === "write" ? "" : stateOf(line);
      if (before !== state) return { reason: `it changes ${path}, on which it depends` };
      files.push({ access, path, state: stateOf(line) });
    }
  }
  return { files };
}
