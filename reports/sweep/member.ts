import type { ExecuteResult } from "../execute/execute.js";
import type { Parameters } from "../execute/parameters.js";
import type { NamedValue } from "./values.js";

/** One notebook with one combination of parameters. */
export interface Member {
  /** The source notebook. */
  path: string;
  /** The values of the swept parameters. */
  swept: Parameters;
  /** The executed copy. */
  output: string;
  /** `skipped`: a notebook before it, with the same parameters, failed. */
  status: "waiting" | "done" | "failed" | "skipped" | "interrupted";
  /** Why it failed or was skipped, in one line. */
  message?: string;
  result?: ExecuteResult;
  values: ReadonlyMap<string, NamedValue>;
  /** File name of its report. */
  report?: string;
}
