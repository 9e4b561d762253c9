import type { Profile } from "../runs/profile.js";
import { inWords, notebookSeconds } from "./erpo/duration.js";
import { type PlannedSteps, type PlannedWork, plan } from "./erpo/plan.js";
import type { RelatedMethod } from "./method.js";
import { plainTable } from "./plain-table.js";

type Planned = PlannedWork | PlannedSteps;

/** The kinds of work, as the table calls them. */
const columns: [Planned["kind"], string][] = [
  ["train", "trained"],
  ["sample", "sampled"],
  ["score", "scored"],
  ["act", "steps"],
];

/**
 * What ERPO's main job and each related method compute, as a plain table: thousands of tokens that are trained, sampled and scored and of steps of environments, upper bounds, and the estimated time. A
 * related method's line is beside what it shares with others.
 *
 * @param gflops what `measure` says of the device
 */
export function budgets(profile: Profile, methods: readonly RelatedMethod[], gflops: number): string {
  const lines = [
    ["erpo (main job)", plan(profile).flatMap(({ work }) => work)] as const,
    ...methods.map(({ name, needs, plan }) => [name, plan(profile, needs)] as const),
  ];
  const amount = (part: Planned) => (part.kind === "act" ? part.steps : part.tokens);
  const thousands = (work: readonly Planned[], kind: Planned["kind"]) =>
    String(Math.ceil(work.filter((part) => part.kind === kind).reduce((sum, part) => sum + amount(part), 0) / 1000));
  return plainTable([
    [`${profile.name}, thousands of tokens`, ...columns.map(([, title]) => title), "time here, about"],
    ...lines.map(([name, work]) => [name, ...columns.map(([kind]) => thousands(work, kind)), inWords(notebookSeconds(work, gflops))]),
  ]);
}
