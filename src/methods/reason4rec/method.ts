import { checkMovieLensTerms, movieLens } from "../../data/movielens.js";
import type { PlannedWork } from "../erpo/plan.js";
import type { RelatedMethod } from "../method.js";
import { epochs } from "./experts.js";
import { counts } from "./study.js";

/** Tokens of the texts on SmolLM2, means over MovieLens: prompts with the chat template, what is written, the teacher's examples, which a batch reads once. */
const texts = { reviews: 203, matching: 146, rating: 171, longest: 240, summary: 28, rationale: 32, hint: 45, answer: 9 };

/** Users of MovieLens with a target: in the training and in the test period. */
const users = { train: 117, test: 108 };

/** Tries of a rationale in the mean, and the share of targets for which one is accepted. */
const tries = { mean: 2.5, accepted: 0.9 };

/** Reason4Rec on the base model. */
export const method: RelatedMethod = {
  name: "reason4rec",
  title: "Reason4Rec: reasons before ratings",
  references: ["fang2025reason4rec", "harper2015movielens", "koren2009matrix"],
  needs: [],
  data: { name: movieLens.name, check: checkMovieLensTerms },
  plan(profile) {
    const { summarizer, reward, reasoner, predictor, test } = counts(profile);
    const work = (kind: PlannedWork["kind"], name: string, rows: number, tokens: number): PlannedWork => ({
      ...{
        name,
        kind,
        rows: Math.min(rows, kind === "train" ? 4 : 48),
        prompt: texts.longest,
        completion: texts.rationale,
        tokens: Math.round(tokens),
      },
    });
    const rated = texts.rating + texts.answer;
    const summed = Math.min(users.train, reward + reasoner + predictor) + Math.min(users.test, test);
    const tried = reasoner * tries.mean;
    const explained = predictor + test;
    return [
      work("train", "summarizer", summarizer, epochs.summarizer * summarizer * (texts.reviews + texts.summary)),
      work("score", "reviews to sum up", summed, summed * texts.reviews),
      work("sample", "summaries", summed, summed * texts.summary),
      work("train", "reward", reward, epochs.reward * reward * (rated + texts.rationale)),
      work("score", "true reviews under the reward model", 16, 2 * reasoner * (texts.rating + texts.rationale)),
      work("score", "prompts of the teacher", reasoner, tried * (texts.matching + texts.hint)),
      work("sample", "rationales", reasoner, tried * texts.rationale),
      work("score", "rationales under the reward model", 16, (tried + reasoner) * (texts.rating + texts.rationale)),
      work("train", "reasoner", reasoner, epochs.reasoner * tries.accepted * reasoner * (texts.matching + texts.rationale)),
      work("score", "prompts of the Reasoner", explained, explained * texts.matching),
      work("sample", "reasons", explained, explained * texts.rationale),
      work("train", "predictor", predictor, predictor * (rated + texts.rationale)),
      work("train", "predictor-plain", predictor, predictor * rated),
      work("score", "test ratings", 16, test * (2 * texts.rating + texts.rationale)),
    ];
  },
};
