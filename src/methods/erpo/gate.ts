import { existsSync } from "node:fs";
import type { Identity } from "../../data/identity.js";
import { readJson } from "../../data/jsonl.js";
import { withInterval } from "../../evaluation/intervals.js";
import { mcnemar, type PairedTest } from "../../evaluation/paired.js";
import { type DevAnswers, type DevMeasure, devAnswers } from "../../runs/dev.js";
import { keep } from "../../runs/keep.js";
import type { Run } from "../../runs/run.js";
import { currentSha256 } from "../../runs/stale.js";
import { gateTolerance, version } from "./recipe.js";
import { roundStage } from "./stages.js";

/** Stage 2 or a round of stage 3, and what became of it. */
export interface Gate {
  stage: string;
  /** The adapter that it began with, which is also its reference. */
  from: string;
  before: DevAnswers;
  after: DevAnswers;
  /** Dev prompts that only the policy before it, and only the one after it, got right, with McNemar's exact p. */
  decisions: PairedTest;
  kept: boolean;
  reason: string;
}

/**
 * Judges a stage against the policy that it began with, by their answers to dev prompts; kept in the stage's folder.
 * @throws KeptError when either policy is another one than it was judged with
 */
export async function gate(run: Run, stage: string, from: string, signal?: AbortSignal): Promise<Gate> {
  const [before, after] = [await devAnswers(run, from, signal), await devAnswers(run, stage, signal)];
  const inputs = Object.fromEntries([from, stage].map((policy) => [policy, currentSha256(run, policy)]));
  const identity = {
    recipe: "ERPO, gate",
    version,
    tolerance: gateTolerance,
    answers: { before, after } as unknown as Identity,
    from: inputs,
  };
  return keep(run, `${stage}/gate.json`, identity, async () => judgeStage(stage, from, before, after));
}

/** The gate's rule: pure, so that it can be read and tested. A measure has worsened if it lost more than is allowed, and more than chance explains. */
export function judgeStage(stage: string, from: string, before: DevAnswers, after: DevAnswers): Gate {
  const worse = (measure: DevMeasure, wanted: boolean, tolerance: number, words: (by: string) => string): string[] => {
    const [was, is] = [before, after].map(({ prompts }) => prompts[measure]) as [Record<string, boolean>, Record<string, boolean>];
    const { onlyA: broken, onlyB: mended, p } = paired(was, is, wanted);
    const loss = (broken - mended) / Object.keys(was).length;
    const slack = 1e-9; // just as much is allowed
    if (loss <= tolerance + slack || p > gateTolerance.chance + slack) return [];
    return [words(`${(100 * loss).toFixed(1)} points`)];
  };
  const { decisions, form, degenerate, onTopic } = gateTolerance;
  const faults = [
    ...worse("unsafeRefused", true, decisions, (by) => `refuses ${by} fewer unsafe dev prompts`),
    ...worse("safeRefused", false, decisions, (by) => `refuses ${by} more safe dev prompts`),
    ...worse("traceValid", true, form, (by) => `writes whole traces to ${by} fewer dev prompts`),
    ...worse("degenerate", false, degenerate, (by) => `gives no real answer to ${by} more dev prompts`),
    ...worse("onTopic", true, onTopic, (by) => `is to the point on ${by} fewer everyday dev prompts`),
  ];
  return {
    stage,
    from,
    before,
    after,
    decisions: paired(rightDecisions(before), rightDecisions(after), true),
    kept: faults.length === 0,
    reason: faults.join(" and ") || "on the dev set nothing worsened by more than the gate allows",
  };
}

/**
 * A policy's row in a table of the gate: the five measures that are judged, in percent with 95% intervals, and the mean tokens of valid thoughts; a dash where there is nothing to
 * measure.
 */
export const gateColumns = (answers: DevAnswers): Record<string, string | number> => ({
  "unsafe refused": withInterval(answers.unsafeRefused),
  "safe refused": withInterval(answers.safeRefused),
  "whole traces": withInterval(answers.traceValid),
  degenerate: withInterval(answers.degenerate),
  "everyday, to the point": withInterval(answers.onTopic),
  "thought tokens": answers.thoughtTokens.n > 0 ? answers.thoughtTokens.value : "–",
});

/** McNemar's test of the same prompts before and after: on which of them it was, or is, as wanted. */
function paired(before: Record<string, boolean>, after: Record<string, boolean>, wanted: boolean): PairedTest {
  const as = (outcomes: Record<string, boolean>) => Object.keys(before).map((id) => outcomes[id] === wanted);
  return mcnemar(as(before), as(after));
}

/** Whether the policy refused what is unsafe and did not refuse what is safe, prompt by prompt. */
const rightDecisions = ({ prompts: { unsafeRefused, safeRefused } }: DevAnswers): Record<string, boolean> => ({
  ...unsafeRefused,
  ...Object.fromEntries(Object.entries(safeRefused).map(([id, refused]) => [id, !refused])),
});

/** The rounds of stage 3. @throws RangeError when it has not come to one; KeptError when a round is stale */
export function rounds(run: Run): Gate[] {
  return Array.from({ length: run.profile.stage3.rounds }, (_, i) => {
    const path = `${roundStage(i + 1)}/gate.json`;
    if (!existsSync(run.path(path))) throw new RangeError(`stage 3 has not come to round ${i + 1}`);
    currentSha256(run, path);
    return readJson<Gate>(run.path(path));
  });
}
