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
  /** Folder of the run that the combination keeps; absent where the notebook keeps none. */
  run?: string;
  /** Kept results of that run when the member had ended, and how many of them it shares with runs that it branches from. */
  sharing?: { results: number; shared: number };
  /** `skipped`: a notebook before it, with the same parameters, failed. */
  status: "waiting" | "done" | "failed" | "skipped" | "interrupted";
  /** Why it failed or was skipped, in one line. */
  message?: string;
  result?: ExecuteResult;
  values: ReadonlyMap<string, NamedValue>;
  /** File name of its report. */
  report?: string;
}
