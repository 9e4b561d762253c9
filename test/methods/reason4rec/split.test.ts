import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRng } from "../../../src/backend/random.js";
import type { Item, Rating, RatingData } from "../../../src/data/ratings.js";
import { itemMean, matrixFactorisation, userMean } from "../../../src/methods/reason4rec/baselines.js";
import { dealt, type Period, splitSettings, timeSplit } from "../../../src/methods/reason4rec/split.js";
import { countedAspects, matchingPrompt, ratingPrompt, reviewsOf, writeAspects } from "../../../src/methods/reason4rec/words.js";

const genres = ["Action", "Comedy", "Drama"];
const items = new Map<string, Item>(
  Array.from({ length: 12 }, (_, i) => [`i${i}`, { title: `Film ${i}`, year: "1990", genres: [genres[i % 3]!, genres[(i * 5) % 3]!] }]),
);

/** Few users, items and moments: pairs repeat, and times are equal. */
const rating = fc.record({
  user: fc.integer({ min: 0, max: 4 }).map((n) => `u${n}`),
  item: fc.integer({ min: 0, max: 11 }).map((n) => `i${n}`),
  rating: fc.integer({ min: 1, max: 5 }),
  time: fc.integer({ min: 0, max: 40 }),
});
const data = fc.array(rating, { minLength: 60, maxLength: 120 }).map((ratings): RatingData => ({ ratings, items }));

/** All that is told of a period's targets. */
function told({ known, targets }: Period): string[] {
  const predict = [userMean(known), itemMean(known), matrixFactorisation(known, { factors: 2, penalty: 5 })];
  return targets.map((target) => {
    const summary = writeAspects(countedAspects(known, target.user));
    return [
      reviewsOf(known, target.user),
      matchingPrompt(known, summary, target),
      ratingPrompt(known, summary, target),
      ...predict.map((of) => of(target)),
    ].join("\n");
  });
}

const split = (given: RatingData) => {
  try {
    return timeSplit(given);
  } catch {
    return undefined; // nothing to predict
  }
};

describe("a split by time", () => {
  test("training targets are earlier than test targets, what is known is earlier than both, and no test pair was a training target or known", () => {
    fc.assert(
      fc.property(data, (given) => {
        const parts = split(given);
        fc.pre(parts !== undefined);
        const { train, test: tested } = parts!;
        expect(train.cut).toBeLessThanOrEqual(tested.cut);
        for (const { time } of train.targets) expect(time >= train.cut && time < tested.cut).toBe(true);
        for (const { time } of tested.targets) expect(time).toBeGreaterThanOrEqual(tested.cut);
        for (const { known, cut, targets } of [train, tested]) {
          for (const { time } of known.ratings) expect(time).toBeLessThan(cut);
          for (const { user } of targets) expect(known.byUser.get(user)!.length).toBeGreaterThanOrEqual(splitSettings.leastHistory);
        }
        const pair = ({ user, item }: Rating) => `${user} ${item}`;
        const earlier = new Set([...train.targets, ...tested.known.ratings].map(pair));
        expect(tested.targets.filter((target) => earlier.has(pair(target)))).toEqual([]);
        expect(new Set(tested.targets.map(pair)).size).toBe(tested.targets.length);
      }),
    );
  });

  test("whatever is rated at or behind a cut, and however, changes nothing that is told of the targets: reviews, prompts, means, factors", () => {
    fc.assert(
      fc.property(data, fc.integer({ min: 1, max: 4 }), (given, shift) => {
        const parts = split(given);
        fc.pre(parts !== undefined);
        for (const period of ["train", "test"] as const) {
          const { cut } = parts![period];
          const turned = given.ratings.map((own) => (own.time < cut ? own : { ...own, rating: ((own.rating - 1 + shift) % 5) + 1 }));
          const other = timeSplit({ ratings: turned, items })[period];
          expect(told(other)).toEqual(told(parts![period]));
          expect(other.targets.map(({ user, item }) => [user, item])).toEqual(parts![period].targets.map(({ user, item }) => [user, item]));
        }
      }),
      { numRuns: 40 },
    );
  });

  test("by hand: what is rated at a cut is predicted, of users with five known ratings or more", () => {
    const rated = (user: string, time: number, item: number): Rating => ({ user, item: `i${item}`, rating: 3, time });
    const known = [...[0, 1, 2, 3, 4].map((i) => rated("a", i, i)), ...[0, 1, 2, 3].map((i) => rated("b", i, i))];
    const later = [rated("a", 7, 5), rated("b", 7, 4), rated("a", 7, 8), rated("a", 9, 6), rated("b", 9, 5), rated("a", 9, 7)];
    const { train, test } = timeSplit({ ratings: [...known, ...later], items });
    expect([train, test].map(({ cut }) => cut)).toEqual([7, 9]);
    expect([train.targets, test.targets]).toEqual([[later[0], later[2]], later.slice(3)]);
  });

  test("ratings without anything to predict are named", () => {
    expect(() => timeSplit({ ratings: [{ user: "u", item: "i0", rating: 3, time: 1 }], items })).toThrow("no user has 5 ratings before");
  });
});

test("targets are dealt by rounds of users: each beginning has as many users as can be, and none is lost", () => {
  fc.assert(
    fc.property(fc.array(rating, { maxLength: 40 }), fc.integer(), (targets, seed) => {
      const order = dealt(targets, createRng(seed));
      expect(order).toHaveLength(targets.length);
      expect(new Set(order)).toEqual(new Set(targets));
      const seen = new Map<string, number>();
      const rounds = order.map(({ user }) => {
        seen.set(user, (seen.get(user) ?? 0) + 1);
        return seen.get(user)!;
      });
      expect(rounds).toEqual([...rounds].sort((a, b) => a - b));
    }),
  );
});
