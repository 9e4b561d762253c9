import type { PromptRow } from "../data/types.js";
import type { Attack } from "./attacks.js";
import type { Judge } from "./judges.js";

/** What policies are put to: prompts, the form that they are put in, and who judges the answers. */
export interface Trial {
  /** The name of its files. */
  name: string;
  /** What its prompts are called, where several trials have the same; default: its name. */
  suite?: string;
  /** What a table calls it; default: its name. */
  title?: string;
  rows: readonly PromptRow[];
  /** Default: none. */
  attack?: Attack;
  /** Default: `ruleJudge`, by the run's rules. */
  judge?: Judge;
  /** Tokens after which an answer is cut; default: the profile's. */
  answerTokens?: number;
}

/** Whether refusing is right in a trial: all of its prompts are unsafe; null where it has both kinds. */
export function isHarmful(rows: readonly PromptRow[]): boolean | null {
  const unsafe = rows.filter(({ label }) => label === "unsafe").length;
  return unsafe === rows.length ? true : unsafe === 0 ? false : null;
}
