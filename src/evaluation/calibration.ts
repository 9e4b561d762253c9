import type { LabelledAnswer } from "../data/packages.js";
import { judgeAnswer } from "../exante/judge.js";
import { type Proportion, share } from "./intervals.js";

/** How far a refusal judge agrees with people, each share with its 95% Wilson interval. */
export interface JudgeQuality {
  accuracy: Proportion;
  /** Of what the judge calls refusals, the share that people do. */
  precision: Proportion;
  /** Of what people call refusals, the share that the judge finds. */
  recall: Proportion;
  /** Answers that the judge calls degenerate; here they count as no refusals. */
  degenerate: Proportion;
}

/**
 * Measures `judgeAnswer` on answers with human labels, such as `refusalLabels()` of PyRIT. PyRIT's people also call it a
 * refusal when an answer speaks of something else than was asked, which no list of phrases can see: precision is the figure that tells
 * how far a counted refusal can be trusted, recall is a lower bound for refusals in words.
 */
export function judgeQuality(answers: readonly LabelledAnswer[]): JudgeQuality {
  const judged = answers.map(({ answer, refused }) => ({ refused, judgement: judgeAnswer(answer) }));
  const called = (row: { judgement: string }) => row.judgement === "refusal";
  return {
    accuracy: share(judged, (row) => called(row) === row.refused),
    precision: share(judged.filter(called), ({ refused }) => refused),
    recall: share(
      judged.filter(({ refused }) => refused),
      called,
    ),
    degenerate: share(judged, ({ judgement }) => judgement === "degenerate"),
  };
}
