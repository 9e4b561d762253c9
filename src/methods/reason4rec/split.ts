import type { Rng } from "../../backend/random.js";
import { DataError } from "../../data/errors.js";
import type { Item, Rating, RatingData } from "../../data/ratings.js";

/** What was known of users and items before a moment. */
export interface Known {
  /** All ratings with an earlier time, by time. */
  ratings: readonly Rating[];
  byUser: ReadonlyMap<string, readonly Rating[]>;
  byItem: ReadonlyMap<string, readonly Rating[]>;
  items: ReadonlyMap<string, Item>;
}

/** A stretch of time whose ratings are predicted from what was known at its beginning. */
export interface Period {
  /** Its beginning, seconds since 1970. */
  cut: number;
  known: Known;
  /** What is to be predicted, by time: of users with enough known ratings, items that they have not rated before. */
  targets: readonly Rating[];
}

/** Training targets come before the test's cut, test targets from it on. */
export interface Split {
  train: Period;
  test: Period;
}

/** Where time is cut, and of whom ratings are predicted. */
export const splitSettings = {
  /** Shares of all ratings, by time, behind which the training period and the test period begin. */
  cuts: [0.6, 0.8] as const,
  /** Ratings of a user that must be known: the paper's stated filter, which its code overwrites. */
  leastHistory: 5,
};

/**
 * A split by time. What a period's predictions may use is what was known at its cut, the same for all methods; so a test rating is in no feature, mean or factor, and no test pair of user and item has been a
 * training target.
 *
 * @throws DataError when a period has nothing to predict
 */
export function timeSplit({ ratings, items }: RatingData): Split {
  const sorted = [...ratings].sort((a, b) => a.time - b.time);
  const [first, second] = splitSettings.cuts.map((share) => sorted[Math.floor(share * sorted.length)]?.time ?? 0) as [number, number];
  const period = (cut: number, end: number): Period => {
    const known = knownOf(
      sorted.filter(({ time }) => time < cut),
      items,
    );
    const later = sorted.filter(({ time }) => time >= cut && time < end);
    const seen = new Set(known.ratings.map(pairOf));
    const targets = later.filter((rating) => {
      const history = known.byUser.get(rating.user)?.length ?? 0;
      const isNew = !seen.has(pairOf(rating));
      seen.add(pairOf(rating)); // who rates an item twice is asked for the first time
      return isNew && history >= splitSettings.leastHistory;
    });
    if (targets.length === 0)
      throw new DataError(`no user has ${splitSettings.leastHistory} ratings before and one after the cut at ${cut}`);
    return { cut, known, targets };
  };
  return { train: period(first, second), test: period(second, Number.POSITIVE_INFINITY) };
}

const pairOf = ({ user, item }: Rating): string => `${user}\t${item}`;

/** Ratings by user and by item, in the order given. */
export const knownOf = (ratings: readonly Rating[], items: RatingData["items"]): Known => ({
  ...{ ratings, items },
  byUser: grouped(ratings, "user"),
  byItem: grouped(ratings, "item"),
});

function grouped(ratings: readonly Rating[], key: "user" | "item"): Map<string, Rating[]> {
  const groups = new Map<string, Rating[]>();
  for (const rating of ratings) {
    const group = groups.get(rating[key]);
    if (group) group.push(rating);
    else groups.set(rating[key], [rating]);
  }
  return groups;
}

/**
 * Targets in an order of which every beginning has as many users as can be: one of each user, then a second one of each, and so on, users and their targets in random order.
 */
export function dealt(targets: readonly Rating[], rng: Rng): Rating[] {
  const users = rng.shuffle([...grouped(rng.shuffle(targets), "user").values()]);
  const rounds = Math.max(0, ...users.map((own) => own.length));
  return Array.from({ length: rounds }, (_, k) => users.flatMap((own) => own.slice(k, k + 1))).flat();
}
