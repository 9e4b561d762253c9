import { attackTrials, suiteTrials, type TrialName } from "../../runs/trials.js";
import { stages } from "./stages.js";

/** The policies of the final evaluation in the order of their stages. */
export const finalPolicies: readonly string[] = ["base", stages.baseline, stages.sft, stages.dpo, stages.final];

/** Those whose decisions are also read by their mass, and off the first word. */
export const readByMass: readonly string[] = [stages.baseline, stages.sft, stages.final];

/** What the final evaluation puts a policy to: the suites, and for the model as it came, the baseline and the last stage HarmBench and the attacks. */
export const finalTrials = (policy: string): readonly TrialName[] =>
  ["base", stages.baseline, stages.final].includes(policy) ? [...suiteTrials, "harmbench", ...attackTrials] : suiteTrials;

/** The last result of `besideStages`, by its path in the run. */
export const lastBeside = `evaluation/${stages.final}/perplexity.json`;
