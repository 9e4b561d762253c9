import type { Profile } from "../../runs/profile.js";
import { suiteTrials } from "../../runs/trials.js";
import { finalPolicies, finalTrials, readByMass } from "./final-evaluation.js";
import { pairsVersion, stage2AnswerSamples, stage2Samples, version } from "./recipe.js";
import { roundStage, stages } from "./stages.js";

/** A result that the main job keeps, and the kept results that it is made from. */
export interface PlannedResult {
  path: string;
  from: readonly string[];
  /** Of the recipe that makes it, where that has one. */
  version?: number;
}

/**
 * The results of a profile's job, in the order in which its notebooks compute them. Of a round of stage 3 only the gate before it is named: that decides which policy
 * the round goes on from.
 */
export function plannedResults({ notebooks, stage3 }: Profile): PlannedResult[] {
  const result = (path: string, ...from: string[]): PlannedResult => ({ path, from });
  const made = (path: string, ...from: string[]): PlannedResult => ({ path, from, version });
  const pairs = (stage: string, from: string): PlannedResult => ({ path: `${stage}/pairs.json`, from: [from], version: pairsVersion });
  const trials = (policy: string, names: readonly string[]) =>
    names.map((name) => result(`evaluation/${policy}/${name}.json`, ...(policy === "base" ? [] : [policy])));
  const perplexity = (policy: string) => trials(policy, ["perplexity"]);
  const dev = (stage: string) => result(`${stage}/dev.json`, stage);
  const { decision, sft, dpo, final, baselineDecision, baseline, naive } = stages;
  const first = ["harmful", "look-alike-safe"];
  const training = [made(decision), result("data/answers-stage-1.json"), made(sft, decision)];
  const preferences = [
    made(`${dpo}/mined.json`, sft),
    ...[...stage2Samples, ...stage2AnswerSamples].map((name) => result(`${dpo}/samples-${name}.jsonl`, sft)),
    pairs(dpo, sft),
    made(dpo, sft, `${dpo}/pairs.json`),
  ];
  const rounds = [
    result(`${sft}/dev-answers.json`, sft),
    result(`${dpo}/dev-answers.json`, dpo),
    made(`${dpo}/gate.json`, dpo, `${dpo}/dev-answers.json`, `${sft}/dev-answers.json`),
    ...Array.from({ length: stage3.rounds }, (_, i) => i + 1).flatMap((n) => {
      const round = roundStage(n);
      const before = n === 1 ? `${dpo}/gate.json` : `${roundStage(n - 1)}/gate.json`;
      return [
        ...Array.from({ length: stage3.samples }, (_, k) => result(`${round}/samples-${k + 1}.jsonl`, before)),
        pairs(round, before),
        made(round, before, `${round}/pairs.json`),
        result(`${round}/dev-answers.json`, round),
        made(`${round}/gate.json`, round, `${round}/dev-answers.json`),
      ];
    }),
    made(final, `${stage3.rounds > 0 ? roundStage(stage3.rounds) : dpo}/gate.json`),
  ];
  if (notebooks === "demo")
    return [...training, ...preferences, ...rounds, dev(final), ...["base", final].flatMap((policy) => trials(policy, suiteTrials))];
  const all = [
    // 00
    ...trials("base", first),
    result("data/answers-naive.json"),
    result(naive),
    ...trials(naive, first),
    // 02
    ...training,
    dev(decision),
    dev(sft),
    result("data/openings-stage-1.json"),
    made(baselineDecision),
    made(baseline, baselineDecision),
    ...["right", "wrong"].map((word) => result(`${sft}/forced-${word}.jsonl`, sft)),
    // 03 and 04
    ...preferences,
    dev(dpo),
    ...rounds,
    // 05
    ...finalPolicies.flatMap((policy) => trials(policy, finalTrials(policy))),
    ...readByMass.flatMap((policy) => suiteTrials.map((name) => result(`evaluation/${policy}-by-mass/${name}.json`, policy))),
    ...finalPolicies.flatMap(perplexity),
    result("evaluation/latency.json", sft, final),
    ...readByMass.flatMap((stage) => (["dev", "test", "unseen"] as const).map((set) => result(`${stage}/${set}.json`, stage))),
  ];
  return [...new Map(all.map((planned) => [planned.path, planned])).values()];
}
