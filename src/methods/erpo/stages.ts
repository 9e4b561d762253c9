/** Folders of the stages in a run; each holds an adapter for the base model when its stage is through. */
export const stages = {
  decision: "1-sft/decision",
  sft: "1-sft",
  dpo: "2-dpo",
  final: "3-length-controlled",
  baselineDecision: "baseline-answers-only/decision",
  baseline: "baseline-answers-only",
  naive: "baseline-naive-sft",
} as const;

/** Folder of a round of stage 3. */
export const roundStage = (round: number): string => `${stages.final}/round-${round}`;
