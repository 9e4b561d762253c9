import { type PromptCandidate, type PromptScores, promptId } from "../../../src/methods/sos/selection.js";

/** A candidate as an evolution makes it, in all but what a test says. */
export function candidate(order: number, scores: PromptScores, told: Partial<PromptCandidate> = {}): PromptCandidate {
  const text = told.text ?? `Prompt ${order}.`;
  return { id: promptId(text), text, parents: [], operator: "seed", generation: 0, order, scores, failures: [], ...told };
}
