import { existsSync, rmSync } from "node:fs";
import { digestOf, type Identity, type IdentityValue } from "../../data/identity.js";
import { readJson } from "../../data/jsonl.js";
import type { Rating } from "../../data/ratings.js";
import type { Question } from "../../generation/asking.js";
import { plain } from "../../generation/decoding.js";
import { type Policy, policyIdentity } from "../../generation/policy.js";
import { keep, takePlace } from "../../runs/keep.js";
import type { Run } from "../../runs/run.js";
import { currentSha256 } from "../../runs/stale.js";
import { writeAtomic } from "../../setup/atomic.js";
import { type Errors, errorsOf } from "./errors.js";
import { expectedRatings } from "./expected.js";
import { asRole, expert, type Lesson, question, stageOf } from "./experts.js";
import type { Study } from "./study.js";
import type { Summaries } from "./summaries.js";
import { examples, forbiddenWords, givesRatingAway, hint, matchingPrompt, ratingAnswer, ratingPrompt, trueReview } from "./words.js";
import { written } from "./writing.js";

/** How rationales are made and accepted. tau, the temperature and the number of hinted tries are the paper's. */
export const teacherSettings = {
  /** In stars. */
  tau: 0.1,
  /** Samples with a hint, where the first one without is not accepted. */
  hintedTries: 10,
  temperature: 1,
  /** Ours: of a small model's whole distribution sentences do not come out. */
  topP: 0.8,
  /** What every rationale begins with, ours too. */
  begin: "The viewer",
  /** Tokens of a rationale at most; it ends with its first sentence. */
  tokens: 40,
};

/** Of the reward model's lessons every so many have an empty slot, ours: it is also asked what it says without a rationale. */
const emptySlots = 4;

/** What the reward model learns: the rating, given the history and the true review. */
export const rewardLessons = ({ split, reward }: Study, { train }: Summaries): Lesson[] =>
  reward.map((target, i) => {
    const review = i % emptySlots === emptySlots - 1 ? undefined : trueReview(split.train.known.items.get(target.item)!, target.rating, i);
    return ratingLesson(ratingPrompt(split.train.known, train.get(target.user)!, target, review), target);
  });

/** How far the reward model's expected ratings are off the Reasoner's targets, which it has not learned from. */
export interface RewardQuality {
  /** With the true review in the slot, and with nothing there. */
  review: Errors;
  empty: Errors;
}

/** Whether the reward model reads what stands in its slot: only then its acceptance means something. Kept. */
export async function rewardQuality(run: Run, study: Study, { train }: Summaries, signal?: AbortSignal): Promise<RewardQuality> {
  const reward = await expert(run, "reward");
  const { known } = study.split.train;
  const asked = (reviewed: boolean) =>
    study.reasoner.map((target, i) => {
      const review = reviewed ? trueReview(known.items.get(target.item)!, target.rating, i) : undefined;
      return question(ratingPrompt(known, train.get(target.user)!, target, review));
    });
  const identity: Identity = {
    recipe: "Reason4Rec, reward model's quality",
    version: 1,
    prompts: digestOf([asked(true), asked(false)] as unknown as IdentityValue),
    reward: await policyIdentity(reward),
    seed: run.seed,
    precision: run.device.precision,
    from: { [stageOf("reward")]: currentSha256(run, stageOf("reward")) },
  };
  return keep(run, "methods/reason4rec/reward-quality.json", identity, async () => {
    const off = async (reviewed: boolean) => {
      const expected = await expectedRatings(reward, asked(reviewed), signal);
      const rows = study.reasoner.map(({ user, rating }, i) => ({ user, rating, predicted: expected[i]! }));
      return errorsOf(rows, run.rng("Reason4Rec, reward model"));
    };
    return { review: await off(true), empty: await off(false) };
  });
}

/** A prompt with its rating, as the Predictor and the reward model learn it. */
export const ratingLesson = (prompt: string, { rating }: Rating): Lesson => ({ prompt, answer: ratingAnswer(rating) });

/**
 * The acceptance rule: a rationale must not move the reward model's expected rating away from the truth by tau or more,
 *
 *     |r - r_hat(with)| - |r - r_hat(without)| < tau
 *
 * @param rating the true one; the others are expected ones, all in [1, 5]
 */
export const accepts = (rating: number, withReason: number, without: number, tau = teacherSettings.tau): boolean =>
  Math.abs(rating - withReason) - Math.abs(rating - without) < tau;

/** A try of the teacher: without `expected` it was rejected for its words, before the reward model read it. */
export interface Try {
  text: string;
  /** The rating that the reward model expects behind it, in [1, 5]. */
  expected?: number;
  accepted: boolean;
}

/** A target and the tries to explain it. */
export interface Rationale extends Rating {
  /** What the reward model expects without a rationale, in [1, 5]. */
  without: number;
  /** The first is without a hint, the others are with one. The last one is accepted, or there are as many as there may be. */
  tries: Try[];
}

/** The accepted text; undefined where none was. */
export const acceptedText = ({ tries }: Rationale): string | undefined => tries.find(({ accepted }) => accepted)?.text;

const path = "methods/reason4rec/rationales.json";

/**
 * Rationales of the Reasoner's targets, with all tries; kept, after each round of tries. The teacher is the base model, which reads two examples of ours first: there is no larger one here.
 *
 * @param onRound is told how many rounds are through
 * @throws KeptError when the file holds rationales of other targets, another reward model or other settings
 */
export async function rationales(
  run: Run,
  study: Study,
  { train }: Summaries,
  { signal, onRound = () => {} }: { signal?: AbortSignal; onRound?: (round: number) => void } = {},
): Promise<Rationale[]> {
  const reward = await expert(run, "reward");
  const { known } = study.split.train;
  const teacher = teacherOf(await run.policy("base"));
  const asked = study.reasoner.map((target) => matchingPrompt(known, train.get(target.user)!, target));
  const rated = (targets: readonly Rating[], texts?: readonly string[]) =>
    expectedRatings(
      reward,
      targets.map((target, i) => question(ratingPrompt(known, train.get(target.user)!, target, texts?.[i]))),
      signal,
    );
  const identity: Identity = {
    recipe: "Reason4Rec, rationales",
    version: 1,
    ...teacherSettings,
    forbidden: [...forbiddenWords],
    prompts: digestOf(asked),
    targets: digestOf(study.reasoner as unknown as IdentityValue),
    teacher: await policyIdentity(teacher),
    examples: digestOf(examples as unknown as IdentityValue),
    reward: await policyIdentity(reward),
    seed: run.seed,
    precision: run.device.precision,
    from: { [stageOf("reward")]: currentSha256(run, stageOf("reward")) },
  };
  const file = run.path(path);
  const partial = `${file}.partial`;
  using place = await takePlace(run, path, [path, `${path}.partial`], identity, signal);
  if (!place.whole) {
    let state: { round: number; rationales: Rationale[] } = { round: 0, rationales: [] };
    if (existsSync(partial)) state = readJson(partial);
    else {
      const without = await rated(study.reasoner);
      state.rationales = study.reasoner.map((target, i) => ({ ...target, without: without[i]!, tries: [] }));
    }
    for (let round = state.round; round <= teacherSettings.hintedTries; round++) {
      const open = state.rationales.flatMap((rationale, i) => (acceptedText(rationale) === undefined ? i : []));
      const hinted = round > 0;
      const questions = open.map((i) =>
        teacherQuestion(asked[i]!, hinted ? hint(known.items.get(study.reasoner[i]!.item)!, study.reasoner[i]!.rating) : ""),
      );
      const rng = run.rng(`Reason4Rec, rationales ${round}`);
      const texts = await written(teacher, questions, {
        ...{ maxNewTokens: teacherSettings.tokens, sentences: 1, rng, signal },
        stream: (k) => String(open[k]),
      });
      const readable = open.flatMap((i, k) => (hinted && givesRatingAway(texts[k]!) ? [] : { i, text: texts[k]! }));
      const expected = await rated(
        readable.map(({ i }) => study.reasoner[i]!),
        readable.map(({ text }) => text),
      );
      const said = new Map(readable.map(({ i }, k) => [i, expected[k]!]));
      for (const [k, i] of open.entries()) {
        const { rating, without, tries } = state.rationales[i]!;
        const its = said.get(i);
        tries.push({
          text: texts[k]!,
          ...(its !== undefined && { expected: its }),
          accepted: its !== undefined && accepts(rating, its, without),
        });
      }
      state.round = round + 1;
      writeAtomic(partial, [`${JSON.stringify(state)}\n`]);
      onRound(state.round);
    }
    place.write([`${JSON.stringify({ rationales: state.rationales })}\n`]);
    rmSync(partial, { force: true });
  }
  return readJson<{ rationales: Rationale[] }>(file).rationales;
}

/** The base model, asked as the Reasoner is. */
const teacherOf = (base: Policy): Policy => ({
  ...asRole(base, "reasoner"),
  name: "teacher",
  decoding: plain({ temperature: teacherSettings.temperature, topP: teacherSettings.topP }),
});

/** A question of the teacher: the examples, with hints where this one has a hint, and the prompt. */
function teacherQuestion(prompt: string, hinted: string): Question {
  const said = (text: string, its: string) => (its === "" ? text : `${text}\n${its}`);
  const shown = examples.flatMap((example) => [
    { role: "user" as const, content: said(example.prompt, hinted === "" ? "" : example.hint) },
    { role: "assistant" as const, content: example.rationale },
  ]);
  return { messages: [...shown, { role: "user", content: said(prompt, hinted) }], prefill: teacherSettings.begin };
}

/** What the Reasoner learns: the accepted rationales, asked without a hint. */
export const reasonerLessons = ({ split }: Study, { train }: Summaries, made: readonly Rationale[]): Lesson[] =>
  made.flatMap((rationale) => {
    const answer = acceptedText(rationale);
    return answer === undefined ? [] : [{ prompt: matchingPrompt(split.train.known, train.get(rationale.user)!, rationale), answer }];
  });
