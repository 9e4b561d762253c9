import { existsSync } from "node:fs";
import { join } from "node:path";
import { type KeptRecord, keptResults } from "./claim.js";
import { sharedWith } from "./sharing.js";
import { type contentSha256, contentsNow, staleReason } from "./stale.js";

/** A result that a run keeps, or is to keep. */
export interface ResultStatus {
  /** In the run's folder. */
  path: string;
  /** "stale": it is there, and no longer stands on what it was made from. "missing": it is not there, or not whole. */
  state: "current" | "stale" | "missing";
  /** Why it is stale or missing. */
  reason?: string;
  /** The run that it is shared with: by this run's branching, not computed here. */
  sharedWith?: string;
}

/**
 * Each result of a run: those that a job keeps in their order, then what else is kept in the folder.
 * @param planned results of the job, each with the kept results that it is made from, and the version of its recipe where it has one
 */
export function runStatus(dir: string, planned: readonly { path: string; from: readonly string[]; version?: number }[]): ResultStatus[] {
  const now = contentsNow();
  const kept = new Map(keptResults(dir).map(({ path, record }) => [path, record]));
  const versions = new Map(planned.map(({ path, version }) => [path, version]));
  const found = new Map<string, ResultStatus>();
  for (const [path, record] of kept) {
    const absent = absence(dir, path, record, now);
    const reason = absent ?? otherVersion(record, versions.get(path)) ?? staleReason(dir, path, now);
    const parent = sharedWith(dir, record);
    const state = reason === undefined ? "current" : absent ? "missing" : "stale";
    found.set(path, { path, state, ...(reason !== undefined && { reason }), ...(parent !== undefined && { sharedWith: parent }) });
  }
  for (const { path, from } of planned) {
    if (found.has(path)) continue;
    const before = from.map((other) => found.get(other)).find((other) => other && other.state !== "current");
    const why = before && `${before.path}, which it is made from, is ${before.state}${before.state === "missing" ? " too" : ""}`;
    found.set(path, { path, state: "missing", reason: why ?? "not computed yet" });
  }
  const order = [...new Set([...planned.map(({ path }) => path), ...kept.keys()])];
  return order.map((path) => found.get(path)!);
}

/** Why a result that is noted is not whole: its first file is written last. */
function absence(dir: string, path: string, { files: [mark] }: KeptRecord, now: typeof contentSha256): string | undefined {
  if (!existsSync(join(dir, mark!))) return "begun, and not through: the same notebook goes on with it";
  return now(dir, path) === undefined ? "its adapter is not there" : undefined;
}

/** Whether another version of erpo's recipe has made a result, which the job refuses then. */
function otherVersion({ identity }: KeptRecord, version: number | undefined): string | undefined {
  if (version === undefined || identity.version === undefined || identity.version === version) return undefined;
  return `made by version ${identity.version} of the recipe, not ${version}: a branch or another folder computes it`;
}
