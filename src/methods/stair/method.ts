import type { Profile } from "../../runs/profile.js";
import type { PlannedWork } from "../erpo/plan.js";
import { stages } from "../erpo/stages.js";
import { firstWords } from "../first-words.js";
import type { RelatedMethod } from "../method.js";
import { batchSize, dpoSettings, formatSettings, limits, searchedPrompts, searchSettings, testTime, treePrompts } from "./settings.js";
import { formatStage } from "./structured.js";

/** Tokens of a thought: of ERPO's first stage, and of the method's own SFT, which are short. */
const thought = { erpo: 85, own: 50 };

/** STAIR on ERPO's first stage where the run has it, else on structured steps of its own. */
export const method: RelatedMethod = {
  name: "stair",
  title: "STAIR: safety-informed tree search over steps",
  references: ["zhang2025stair", "stepdpo2024", "wang2023selfconsistency"],
  needs: [],
  plan(profile, finished) {
    const shared = finished.includes(stages.sft);
    return [...(shared ? [] : formatWork(profile)), ...treeWork(profile, shared ? thought.erpo : thought.own)];
  },
};

const work = (kind: PlannedWork["kind"], name: string, rows: number, completion: number, tokens: number): PlannedWork => ({
  ...{ name, kind, rows: Math.ceil(rows), prompt: 60, completion, tokens: Math.round(tokens) },
});

/** The method's own SFT, and the base model's answers to its safe prompts. */
function formatWork({ stage1 }: Profile): PlannedWork[] {
  const budget = formatSettings.budget * stage1.traceTokens;
  const answers = budget / formatSettings.rowTokens / 2;
  return [
    work("sample", "answers", Math.min(batchSize, answers), 64, 64 * answers),
    work("train", formatStage, formatSettings.batchSize, 120, budget),
  ];
}

/**
 * What follows. Of a tree's tokens: an iteration rolls out behind a node at half of a completion in the mean; every second one expands, m steps of a quarter each; plain sampling writes m completions, and what is not visited in the end is
 * rolled out.
 */
function treeWork(profile: Profile, thought: number): PlannedWork[] {
  const { iterations, children } = searchSettings;
  const whole = thought + limits.answerTokens;
  const trees = treePrompts(profile);
  const grown = trees * whole * (iterations / 2 + (iterations / 2) * (children / 4) + children + 1);
  const leaves = iterations / 2 + 1;
  const pairs = trees * 2 * 110; // a pair to a tree: the prompt and what is shared, once, and two steps
  const answer = thought + firstWords(profile);
  const greedy = 4 * profile.evaluation.prompts;
  const searched = 4 * searchedPrompts(profile);
  const longest = limits.thoughtTokens + firstWords(profile);
  return [
    work("sample", "trees", Math.min(batchSize, children * trees), limits.thoughtTokens + limits.answerTokens, grown),
    work("score", "states of nodes", leaves, longest, trees * leaves * (60 + whole)),
    work("score", "pairs under the reference", 8, 60, pairs),
    work("train", "dpo", 2 * dpoSettings.batchSize, 60, dpoSettings.epochs * pairs),
    work("sample", "suites", Math.min(batchSize, greedy), longest, greedy * (2 * answer + firstWords(profile))), // before and after, and the base model
    work("sample", "test-time search", Math.min(batchSize, testTime.n * searched), longest, 3 * testTime.n * searched * answer),
    work("score", "candidates", testTime.n, longest, testTime.n * searched * (60 + answer + 4 * (60 + answer / 2))), // whole ones, and steps of the beam
  ];
}
