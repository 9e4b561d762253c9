import { suiteTrials } from "../../runs/trials.js";
import type { PlannedWork } from "../erpo/plan.js";
import { firstWords } from "../first-words.js";
import type { RelatedMethod } from "../method.js";
import { costPrompts, dual, pairsPerStep, tradeOffPrompts } from "./ascent.js";
import { scorerPrompts, scorerSettings } from "./scorers.js";
import { budgets, fixedWeights } from "./trade-off.js";

export { dot } from "../dot.js";
export { type AnsweredIds, type Answers, type Comparison, harmfulness, heldOutPrompts, helpfulness, mixedPrompts } from "./answers.js";
export {
  baseScores,
  costPrompts,
  type DualStep,
  dual,
  dualAscent,
  dualStep,
  type Goal,
  heldOutScores,
  pairsPerStep,
  policyOf,
  preference,
  type ScoredPair,
  type SoftPair,
  sampledScores,
  scoredPairs,
  softObjective,
  stageOf,
  tradeOffPrompts,
} from "./ascent.js";
export { type Difference, fitBradleyTerry } from "./bradley-terry.js";
export {
  type Accuracy,
  type FittedScorers,
  features,
  fitHead,
  fittedScorers,
  type HeadComparisons,
  plainRefusal,
  rawScores,
  readDifferences,
  refusalScores,
  relativeTo,
  type Score,
  type Scorers,
  scorerComparisons,
  scorerPrompts,
  scorerSettings,
  scoreText,
} from "./scorers.js";
export {
  type AgainstCurve,
  againstCurve,
  agreementInWords,
  budgetGoals,
  budgets,
  claimInWords,
  curveInWords,
  fixedGoals,
  fixedWeights,
  keeps,
  limitInWords,
  suitesTrials,
  type TradeOff,
  tradeOff,
} from "./trade-off.js";

/** Tokens of a prompt on SmolLM2, a mean; of a pair, whose prompt counts once. */
const planned = { prompt: 46, longest: 60 };

/** C-DPO on the base model. */
export const method: RelatedMethod = {
  name: "cdpo",
  title: "C-DPO: DPO under a constraint on cost",
  references: ["liu2024cdpo"],
  needs: [],
  plan(profile) {
    const answer = firstWords(profile);
    const work = (name: string, kind: PlannedWork["kind"], rows: number, tokens: number): PlannedWork => ({
      ...{ name, kind, rows, prompt: planned.longest, completion: answer, tokens: Math.round(tokens) },
    });
    const read = planned.prompt + answer;
    const pair = planned.prompt + 2 * answer;
    const policies = budgets.length + fixedWeights.length;
    const { training, heldOut } = scorerPrompts(profile);
    const pairs = dual.steps * pairsPerStep(profile);
    const constrained = (budgets.length * dual.steps + 1) * 2 * costPrompts(profile);
    const shown = (policies + 1) * 2 * tradeOffPrompts(profile);
    const judged = (policies + 1) * suiteTrials.length * tradeOffPrompts(profile);
    const answered = training + heldOut + 0.75 * pairs;
    return [
      work("answers", "sample", 96, 2 * 16 * answered), // some are asked twice
      work("scorers", "score", scorerSettings.batchSize, 5 * (training + heldOut) * read),
      work("pairs", "score", 16, 2 * pairs * pair + pairs * read),
      work("trainings", "train", 2 * dual.batchSize, policies * pairs * pair),
      work("costs of samples", "sample", dual.sampleBatch, (constrained + shown) * answer),
      work("costs of samples, read", "score", scorerSettings.batchSize, (constrained + shown) * read),
      work("suites", "sample", 96, judged * answer),
    ];
  },
};
