import { DataError } from "../data/errors.js";
import { type AttackName, builtInAttack } from "../evaluation/attacks.js";
import { type SuiteName, suiteRows, take } from "../evaluation/suites.js";
import type { Trial } from "../evaluation/trial.js";
import type { Run } from "./run.js";

const suite = (run: Run, name: SuiteName) => take(suiteRows(run.data, name), run.profile.evaluation.prompts);

/** A suite under an attack, or the attack's own prompts. */
async function attacked(run: Run, name: AttackName, suite: SuiteName = "harmful"): Promise<Pick<Trial, "rows" | "attack">> {
  const { attack, rows = suiteRows(run.data, suite) } = await builtInAttack(name);
  return { attack, rows: take(rows, run.profile.evaluation.attackPrompts) };
}

/** The names of the built-in trials. */
export type TrialName =
  | "harmful"
  | "harmbench"
  | "look-alike-unsafe"
  | "look-alike-safe"
  | "general"
  | "prefill"
  | "prefill-control"
  | "forced-decision"
  | "role-play"
  | "tense"
  | "dan";

/** The built-in suites and attacks by name. */
const trials: Record<TrialName, (run: Run) => Omit<Trial, "name"> | Promise<Omit<Trial, "name">>> = {
  harmful: (run) => ({ title: "AdvBench, held out", rows: suite(run, "harmful") }),
  harmbench: (run) => ({ title: "HarmBench", rows: suite(run, "harmbench") }),
  "look-alike-unsafe": (run) => ({ title: "own contrasts, unsafe", rows: suite(run, "look-alike-unsafe") }),
  "look-alike-safe": (run) => ({ title: "own look-alikes, safe", rows: suite(run, "look-alike-safe") }),
  general: (run) => ({ title: "general, safe", rows: suite(run, "general"), answerTokens: 48 }),
  prefill: async (run) => ({ title: "prefill attack", ...(await attacked(run, "prefill")) }),
  "prefill-control": async (run) => ({ title: "prefill on safe look-alikes", ...(await attacked(run, "prefill", "look-alike-safe")) }),
  "forced-decision": async (run) => ({ title: "forced decision", ...(await attacked(run, "forced-decision")) }),
  "role-play": async (run) => ({ title: "role-play attack", ...(await attacked(run, "role-play")) }),
  tense: async (run) => ({ title: "past-tense attack", ...(await attacked(run, "past-tense")) }),
  dan: async (run) => ({ title: "DAN attack", ...(await attacked(run, "dan")) }),
};

/** The built-in trials of prompts as they are. */
export const suiteTrials: readonly TrialName[] = ["harmful", "look-alike-unsafe", "look-alike-safe", "general"];
/** The built-in trials with an attack. */
export const attackTrials: readonly TrialName[] = ["prefill", "prefill-control", "forced-decision", "role-play", "tense", "dan"];

/** A built-in trial at the size of the run's profile. @throws DataError for another name */
export async function builtInTrial(run: Run, name: TrialName): Promise<Trial> {
  if (!Object.hasOwn(trials, name)) throw new DataError(`no trial has the name "${name}": there are ${Object.keys(trials).join(", ")}`);
  return { name, ...(await trials[name](run)) };
}
