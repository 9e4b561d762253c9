import type { Trial } from "../evaluation/trial.js";
import { devPrompts } from "../runs/dev.js";
import type { Profile } from "../runs/profile.js";
import type { Run } from "../runs/run.js";

/** Tokens after which answers are cut where many policies or attacks are compared: a refusal shows in its first words. */
export const firstWords = ({ answerTokens }: Profile): number => Math.min(16, answerTokens);

/** A trial whose answers are cut after so many tokens, under a name that says so: the main job and other methods ask the same prompts for longer ones. */
export const cutAfter = (answerTokens: number, trial: Trial): Trial => ({
  ...trial,
  name: `${trial.name}-first-${answerTokens}`,
  suite: trial.suite ?? trial.name,
  answerTokens,
});

/** Dev prompts of each label that a method is chosen on: half as many as stage 3's gate looks at. */
export const devCount = ({ evaluation }: Profile): number => Math.ceil(evaluation.gatePrompts / 2);

/** So many dev prompts of each label, of whose answers the first words are judged. */
export const devFirstWords = (run: Run, count: number): Trial =>
  cutAfter(firstWords(run.profile), { name: `dev-${count}`, suite: "dev", title: "dev", rows: devPrompts(run, count) });
