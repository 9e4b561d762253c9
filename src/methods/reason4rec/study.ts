import { digestOf, type IdentityValue } from "../../data/identity.js";
import type { Rating, RatingData } from "../../data/ratings.js";
import type { Profile } from "../../runs/profile.js";
import type { Run } from "../../runs/run.js";
import { dealt, type Split, timeSplit } from "./split.js";

/** How many ratings each part of a study has, and how many users the Summarizer learns from. Where there are fewer, it is fewer. */
export interface Counts {
  summarizer: number;
  reward: number;
  reasoner: number;
  predictor: number;
  test: number;
}

/** From the profile. The paper's parts are 8,000 ratings for the reward model and 12,000 for the Reasoner. */
export function counts({ stage2, evaluation }: Profile): Counts {
  const share = (thirds: number) => Math.ceil((thirds * stage2.prompts) / 3);
  return {
    summarizer: share(3),
    reward: share(3),
    reasoner: share(4),
    predictor: share(10),
    test: Math.ceil((10 * evaluation.prompts) / 3),
  };
}

/** Ratings, split by time and dealt to the experts. No rating is in two parts. */
export interface Study {
  split: Split;
  /** Targets of the training period: as many of each rating, so that the reward model reads bad reviews too, which are rare. */
  reward: Rating[];
  /** Targets of the training period as they come. */
  reasoner: Rating[];
  predictor: Rating[];
  /** Users without a target in the training period, from whose histories the Summarizer learns. */
  summarised: string[];
  /** Targets of the test period: one of each user, a second one of each, and so on. */
  test: Rating[];
  /** SHA-256 of all ratings and items. */
  digest: string;
}

/** What a run makes of ratings. @throws DataError when a period has nothing to predict */
export function studyOf(run: Run, data: RatingData): Study {
  const split = timeSplit(data);
  const { train, test } = split;
  const { summarizer, reward, reasoner, predictor, test: tested } = counts(run.profile);
  const targets = dealt(train.targets, run.rng("Reason4Rec, training"));
  const reviewed = ratingsInTurns(targets).slice(0, reward);
  const others = targets.filter((target) => !reviewed.includes(target));
  const busy = new Set(train.targets.map(({ user }) => user));
  const idle = [...train.known.byUser.keys()].filter((user) => !busy.has(user));
  return {
    split,
    reward: reviewed,
    reasoner: others.slice(0, reasoner),
    predictor: others.slice(reasoner, reasoner + predictor),
    summarised: run
      .rng("Reason4Rec, summaries")
      .shuffle(idle.length > 0 ? idle : [...busy])
      .slice(0, summarizer),
    test: dealt(test.targets, run.rng("Reason4Rec, test")).slice(0, tested),
    digest: digestOf([data.ratings, [...data.items]] as unknown as IdentityValue),
  };
}

/** Ratings of 1, 2, ... 5 in turns, each in the order given; where one of them ends, the others go on. */
function ratingsInTurns(targets: readonly Rating[]): Rating[] {
  const groups = [1, 2, 3, 4, 5].map((rating) => targets.filter((target) => target.rating === rating));
  const rounds = Math.max(...groups.map((group) => group.length));
  return Array.from({ length: rounds }, (_, k) => groups.flatMap((group) => group.slice(k, k + 1))).flat();
}
