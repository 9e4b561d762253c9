import type { Profile } from "../runs/profile.js";
import { inWords, notebookSeconds } from "./erpo/duration.js";
import { type PlannedWork, plan } from "./erpo/plan.js";
import type { RelatedMethod } from "./method.js";
import { plainTable } from "./plain-table.js";

/** The kinds of work, as the table calls them. */
const columns: [PlannedWork["kind"], string][] = [
  ["train", "trained"],
  ["sample", "sampled"],
  ["score", "scored"],
];

/**
 * What ERPO's main job and each related method compute, as a plain table: thousands of tokens that are trained, sampled and scored, upper bounds, and the estimated time. A
 * related method's line is beside what it shares with others.
 *
 * @param gflops what `measure` says of the device
 */
export function budgets(profile: Profile, methods: readonly RelatedMethod[], gflops: number): string {
  const lines = [
    ["erpo (main job)", plan(profile).flatMap(({ work }) => work)] as const,
    ...methods.map(({ name, needs, plan }) => [name, plan(profile, needs)] as const),
  ];
  const thousands = (work: readonly PlannedWork[], kind: PlannedWork["kind"]) =>
    String(Math.ceil(work.filter((part) => part.kind === kind).reduce((sum, { tokens }) => sum + tokens, 0) / 1000));
  return plainTable([
    [`${profile.name}, thousands of tokens`, ...columns.map(([, title]) => title), "time here, about"],
    ...lines.map(([name, work]) => [name, ...columns.map(([kind]) => thousands(work, kind)), inWords(notebookSeconds(work, gflops))]),
  ]);
}
