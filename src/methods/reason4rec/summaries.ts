import { type Proportion, share } from "../../evaluation/intervals.js";
import type { Run } from "../../runs/run.js";
import { expert, type Lesson, question } from "./experts.js";
import type { Known } from "./split.js";
import type { Study } from "./study.js";
import { type Aspects, countedAspects, readAspects, reviewsOf, writeAspects } from "./words.js";
import { keptWriting } from "./writing.js";

/** Tokens of a summary at most. */
const summaryTokens = 48;

/** What the Summarizer learns: from a user's latest reviews their aspects, as they are counted. */
export const summaryLessons = ({ split, summarised }: Study): Lesson[] =>
  summarised.map((user) => ({
    prompt: reviewsOf(split.train.known, user),
    answer: writeAspects(countedAspects(split.train.known, user)),
  }));

/** The Summarizer's words on users, at both cuts. */
export interface Summaries {
  train: ReadonlyMap<string, string>;
  test: ReadonlyMap<string, string>;
}

/** The Summarizer's own summaries of all users whose ratings are learned from or predicted, each at the cut of its period; kept. */
export async function summaries(run: Run, study: Study, signal?: AbortSignal): Promise<Summaries> {
  const policy = await expert(run, "summarizer");
  const of = async (period: "train" | "test", known: Known, users: readonly string[]) => {
    const questions = users.map((user) => question(reviewsOf(known, user)));
    const path = `methods/reason4rec/summaries-${period}.jsonl`;
    const texts = await keptWriting(run, path, policy, questions, { maxNewTokens: summaryTokens, sentences: 3, signal });
    return new Map(users.map((user, i) => [user, texts[i]!]));
  };
  const { split, reward, reasoner, predictor, test } = study;
  return {
    train: await of("train", split.train.known, usersOf([...reward, ...reasoner, ...predictor])),
    test: await of("test", split.test.known, usersOf(test)),
  };
}

const usersOf = (ratings: readonly { user: string }[]): string[] => [...new Set(ratings.map(({ user }) => user))];

/** How true summaries are to their reviews: shares of users whose field is what counting gives. */
export type Fidelity = Record<keyof Aspects, Proportion>;

/** Summaries of users that the Summarizer has not learned from, against the count. A field is right when it has the same words, in any order. */
export function fidelity(known: Known, written: ReadonlyMap<string, string>): Fidelity {
  const rows = [...written].map(([user, text]) => ({ counted: countedAspects(known, user), said: readAspects(text) }));
  const right = (field: keyof Aspects) =>
    share(rows, ({ counted, said }) => [...counted[field]].sort().join() === [...said[field]].sort().join());
  return { positive: right("positive"), negative: right("negative"), elements: right("elements") };
}
