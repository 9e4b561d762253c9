import { digestOf, type Identity, type IdentityValue } from "../../data/identity.js";
import type { Rating } from "../../data/ratings.js";
import { policyIdentity } from "../../generation/policy.js";
import { keep } from "../../runs/keep.js";
import type { Run } from "../../runs/run.js";
import { currentSha256 } from "../../runs/stale.js";
import { chosenFactors, type FactorSettings, itemMean, matrixFactorisation, type Predict, userMean } from "./baselines.js";
import { expectedRatings } from "./expected.js";
import { expert, type Lesson, question, stageOf } from "./experts.js";
import { ratingLesson } from "./rationales.js";
import type { Study } from "./study.js";
import type { Summaries } from "./summaries.js";
import { matchingPrompt, ratingPrompt } from "./words.js";
import { keptWriting } from "./writing.js";

/** Tokens of the Reasoner's own rationales at most. */
const reasonTokens = 40;

/** The Reasoner's rationales of the Predictor's targets and of the test's, in their order. */
export interface Reasons {
  predictor: string[];
  test: string[];
}

/** What the Reasoner says of targets whose ratings it is not told; greedy, one sentence each; kept. */
export async function reasons(run: Run, study: Study, written: Summaries, signal?: AbortSignal): Promise<Reasons> {
  const policy = await expert(run, "reasoner");
  const of = (part: "predictor" | "test", period: "train" | "test") => {
    const { known } = study.split[period];
    const questions = study[part].map((target) => question(matchingPrompt(known, written[period].get(target.user)!, target)));
    const path = `methods/reason4rec/reasons-${part}.jsonl`;
    return keptWriting(run, path, policy, questions, { maxNewTokens: reasonTokens, sentences: 1, signal });
  };
  return { predictor: await of("predictor", "train"), test: await of("test", "test") };
}

/** What the Predictor learns: the rating, given history, means and the Reasoner's own words; without those where `said` is left out. */
export const predictorLessons = ({ split, predictor }: Study, { train }: Summaries, said?: Reasons): Lesson[] =>
  predictor.map((target, i) => ratingLesson(ratingPrompt(split.train.known, train.get(target.user)!, target, said?.predictor[i]), target));

/** What predicts a rating, as tables call it. */
export const predictorNames = ["with reasoning", "without reasoning", "user mean", "item mean", "matrix factorisation"] as const;

/** One of `predictorNames`. */
export type PredictorName = (typeof predictorNames)[number];

/** A test rating and what is expected of it, in [1, 5]. */
export interface Prediction extends Rating {
  /** Ratings of the user, and of the item, that were known at the cut. */
  history: number;
  itemHistory: number;
  /** What the Reasoner said. */
  reason: string;
  expected: Record<PredictorName, number>;
}

/** Predictions of all test ratings, and the factorisation's settings with its error in the training period. */
export interface Predictions {
  rows: Prediction[];
  factors: FactorSettings & { mae: number };
}

/** All predictions of the test's ratings; kept in `methods/reason4rec/predictions.json`. @throws KeptError when the file holds predictions of other experts or ratings */
export async function predictions(run: Run, study: Study, written: Summaries, said: Reasons, signal?: AbortSignal): Promise<Predictions> {
  const { train, test } = study.split;
  const experts = { predictor: await expert(run, "predictor"), plain: await expert(run, "predictor-plain") };
  const asked = (reason?: readonly string[]) =>
    study.test.map((target, i) => question(ratingPrompt(test.known, written.test.get(target.user)!, target, reason?.[i])));
  const identity: Identity = {
    recipe: "Reason4Rec, predictions",
    version: 1,
    ratings: study.digest,
    targets: digestOf(study.test as unknown as IdentityValue),
    prompts: digestOf([asked(said.test), asked()] as unknown as IdentityValue),
    predictor: await policyIdentity(experts.predictor),
    plain: await policyIdentity(experts.plain),
    precision: run.device.precision,
    from: Object.fromEntries((["predictor", "predictor-plain"] as const).map((role) => [stageOf(role), currentSha256(run, stageOf(role))])),
  };
  return keep(run, "methods/reason4rec/predictions.json", identity, async () => {
    const withReasons = await expectedRatings(experts.predictor, asked(said.test), signal);
    const without = await expectedRatings(experts.plain, asked(), signal);
    const factors = chosenFactors(train);
    const simple: Record<Exclude<PredictorName, "with reasoning" | "without reasoning">, Predict> = {
      "user mean": userMean(test.known),
      "item mean": itemMean(test.known),
      "matrix factorisation": matrixFactorisation(test.known, factors),
    };
    const rows = study.test.map(
      (target, i): Prediction => ({
        ...target,
        history: test.known.byUser.get(target.user)!.length,
        itemHistory: test.known.byItem.get(target.item)?.length ?? 0,
        reason: said.test[i]!,
        expected: {
          "with reasoning": withReasons[i]!,
          "without reasoning": without[i]!,
          "user mean": simple["user mean"](target),
          "item mean": simple["item mean"](target),
          "matrix factorisation": simple["matrix factorisation"](target),
        },
      }),
    );
    return { rows, factors };
  });
}
