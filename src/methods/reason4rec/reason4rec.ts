import type { Run } from "../../runs/run.js";
import type { StepMetrics } from "../../training/metrics.js";
import { type Role, train } from "./experts.js";
import { type Predictions, predictions, predictorLessons, reasons } from "./predictions.js";
import { rationales, reasonerLessons, rewardLessons } from "./rationales.js";
import type { Study } from "./study.js";
import { summaries, summaryLessons } from "./summaries.js";

/**
 * Reason4Rec (Fang et al. 2025): deliberative recommendation by three experts, each an adapter of one model.
 *
 *   1. the Summarizer distils a user's reviews to what they like and dislike
 *   2. a reward model predicts ratings from the true review; rationales that a teacher samples are accepted where they do not lead it away from the true rating; the Reasoner learns those
 *   3. the Predictor reads the Reasoner's own rationales and writes the rating; what it expects is sum_k k p_k
 *
 * The same predictor without rationales is trained beside it. Everything is kept: called again, steps are yielded again without computing.
 * @throws KeptError when an expert was trained otherwise, or what is kept was made of other ratings
 */
export async function* reason4rec(run: Run, study: Study, signal?: AbortSignal): AsyncGenerator<StepMetrics & { role: Role }, Predictions> {
  yield* train(run, "summarizer", summaryLessons(study), signal);
  const summed = await summaries(run, study, signal);
  yield* train(run, "reward", rewardLessons(study, summed), signal);
  const made = await rationales(run, study, summed, { signal });
  yield* train(run, "reasoner", reasonerLessons(study, summed, made), signal);
  const said = await reasons(run, study, summed, signal);
  yield* train(run, "predictor", predictorLessons(study, summed, said), signal);
  yield* train(run, "predictor-plain", predictorLessons(study, summed), signal);
  return predictions(run, study, summed, said, signal);
}
