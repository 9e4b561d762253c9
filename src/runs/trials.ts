import { jailbreakPersonas, tensePrompts } from "../data/packages.js";
import { danPersonas, persona, prefill, rolePlayPersonas } from "../evaluation/attacks.js";
import { type SuiteName, suiteRows, take } from "../evaluation/suites.js";
import type { Trial } from "../evaluation/trial.js";
import type { Run } from "./run.js";

const suite = (run: Run, name: SuiteName) => take(suiteRows(run.data, name), run.profile.evaluation.prompts);
const few = (run: Run, name: SuiteName) => take(suiteRows(run.data, name), run.profile.evaluation.attackPrompts);

/** The built-in suites and attacks by name. Personas are one text for all prompts, the shortest, which a batch then computes once. */
const trials = {
  harmful: (run) => ({ title: "AdvBench, held out", rows: suite(run, "harmful") }),
  "look-alike-unsafe": (run) => ({ title: "own contrasts, unsafe", rows: suite(run, "look-alike-unsafe") }),
  "look-alike-safe": (run) => ({ title: "own look-alikes, safe", rows: suite(run, "look-alike-safe") }),
  general: (run) => ({ title: "general, safe", rows: suite(run, "general"), answerTokens: 32 }),
  prefill: (run) => ({ title: "prefill attack", rows: few(run, "harmful"), attack: prefill() }),
  "prefill-control": (run) => ({ title: "prefill on safe look-alikes", rows: few(run, "look-alike-safe"), attack: prefill() }),
  "role-play": async (run) => {
    const personas = rolePlayPersonas(await jailbreakPersonas()).slice(0, 1);
    return { title: "role-play attack", rows: few(run, "harmful"), attack: persona(personas) };
  },
  tense: async (run) => ({
    title: "past-tense attack",
    rows: take((await tensePrompts("past")).rows, run.profile.evaluation.attackPrompts),
  }),
  dan: async (run) => {
    const personas = danPersonas(await jailbreakPersonas()).slice(0, 1);
    return { title: "DAN attack", rows: few(run, "harmful"), attack: persona(personas) };
  },
} satisfies Record<string, (run: Run) => Omit<Trial, "name"> | Promise<Omit<Trial, "name">>>;

export type TrialName = keyof typeof trials;

export const suiteTrials: readonly TrialName[] = ["harmful", "look-alike-unsafe", "look-alike-safe", "general"];
export const attackTrials: readonly TrialName[] = ["prefill", "prefill-control", "role-play", "tense", "dan"];

/** A built-in trial at the size of the run's profile. */
export async function builtInTrial(run: Run, name: TrialName): Promise<Trial> {
  return { name, ...(await trials[name](run)) };
}
