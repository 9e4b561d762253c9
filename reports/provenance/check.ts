/**
 * - `same`
 * - `differs`: the thing is there and is another one
 * - `not found`: a file that the report names is gone
 * - `not checked`: the report, or this machine, has not what it takes
 * - `other`: another environment, which need not change a number
 * - `new`: a file of the run's folder that was not there when the report was written
 */
export type Status = "same" | "differs" | "not found" | "not checked" | "other" | "new";

export type Kind =
  | "page"
  | "notebook"
  | "source"
  | "output"
  | "run"
  | "data"
  | "file"
  | "result"
  | "parameter"
  | "model"
  | "code"
  | "lockfile"
  | "environment"
  | "rerun";

/** One thing that a report says, and what is found now. */
export interface Check {
  kind: Kind;
  /** Which one: a file relative to the report, a cell and its output, a version's name. */
  name: string;
  status: Status;
  /** What the report says, where there is something to compare. */
  reported?: string;
  found?: string;
  note?: string;
}

/** Whether a report may be relied on: nothing differs and nothing that it names is gone. */
export const holds = (checks: readonly Check[]): boolean => !checks.some(({ status }) => status === "differs" || status === "not found");
