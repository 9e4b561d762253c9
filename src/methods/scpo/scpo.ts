import type { Profile } from "../../runs/profile.js";
import type { RelatedMethod } from "../method.js";
import { type Algorithm, ppo, ppoLagrangian, ppoSettings, scpo } from "./algorithms.js";
import { cartSafe } from "./environments/cart-pole.js";
import type { Environment } from "./environments/environment.js";
import { lanesCmdp, tabularEnvironment } from "./environments/lanes.js";
import { languagePlan } from "./language.js";
import { iterationsOf, type Training } from "./train.js";

export { firstWords as languageTokens } from "../first-words.js";
export type { Episode, Played, Slot } from "./acting.js";
export { type Algorithm, discounts, ppo, ppoLagrangian, ppoSettings, scpo, type Targets } from "./algorithms.js";
export { cartModule, cartStill, type WatchedCart } from "./cart-drawing.js";
export { cartPole, cartSafe, pushed, safeZone, trackEnd } from "./environments/cart-pole.js";
export type { Environment, Outcome } from "./environments/environment.js";
export { lanes, lanesCmdp, placeOf, type TabularCmdp, tabularEnvironment } from "./environments/lanes.js";
export {
  criticOf,
  fittedHeads,
  type LanguageBeginning,
  type LanguageHeads,
  type LanguageIteration,
  languageBeginning,
  languageDevTrial,
  languageIterations,
  languagePolicy,
  languageSettings,
  languageStart,
  learnInLanguage,
  ppoTraining,
  type SampledAnswer,
} from "./language.js";
export { type PpoRow, ppoObjective } from "./language-ppo.js";
export { type CmdpOptimum, cmdpOptimum } from "./linear-program.js";
export {
  claimInWords,
  entryReturns,
  laggardsInWords,
  type Measures,
  measures,
  optimumInWords,
  saveResults,
  similarShare,
} from "./measures.js";
export { type Earned, earned, fixedWeight, nullified, type Pricing, pricings } from "./pricing.js";
export { gae, type Nullification, nullifiedReward, type Path, safetyTargets } from "./returns.js";
export { type CurveRow, criticAt, iterationsOf, readTrained, type Trained, type Training, train } from "./train.js";

/** The problems: an environment, and k, lambda and b with which SCPO nullifies its reward there. CartSafe's are the code's (Mhamed and Gu), the lanes' ours. */
export const problems: readonly { environment: Environment; nullified: Algorithm }[] = [
  { environment: tabularEnvironment("lanes", lanesCmdp, 2), nullified: scpo({ power: 2, penalty: 0, bias: 0 }) },
  { environment: cartSafe, nullified: scpo({ power: 5, penalty: 3, bias: 0 }) },
];

/** Seeds of each training: two, and five in a profile of full's size. */
export const seedsOf = ({ evaluation }: Profile): number => (evaluation.devPrompts >= 200 ? 5 : 2);

/** Steps of each seed, from stage 1's budget of whole traces: 230,000 in quick. */
export const stepsOf = ({ stage1 }: Profile): number => Math.round(2.3 * stage1.traceTokens);

/** All trainings: each problem by PPO, PPO-Lagrangian and SCPO, with the same networks, beginnings and number of steps. */
export const trainings = (profile: Profile, seed: number): Training[] =>
  problems.flatMap(({ environment, nullified }) =>
    [ppo, ppoLagrangian, nullified].map((algorithm) => ({
      environment,
      algorithm,
      seeds: seedsOf(profile),
      steps: stepsOf(profile),
      seed,
    })),
  );

/** SCPO on networks that act, and on answers of the main job's baseline, which its notebook trains where the run has none. */
export const method: RelatedMethod = {
  name: "scpo",
  title: "SCPO: a safety critic that nullifies rewards",
  references: ["mhamed2023scpo"],
  needs: [],
  plan: (profile, finished) => [
    ...trainings(profile, 1).map((training) => ({
      name: `${training.environment.name}, ${training.algorithm.title}`,
      kind: "act" as const,
      rows: training.seeds,
      steps: iterationsOf(training) * ppoSettings.copies * ppoSettings.steps,
    })),
    ...languagePlan(profile, finished),
  ],
};
