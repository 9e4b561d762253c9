import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Item } from "../../../src/data/ratings.js";
import { expectedRating, ratingTokens } from "../../../src/methods/reason4rec/expected.js";
import { accepts, teacherSettings } from "../../../src/methods/reason4rec/rationales.js";
import { knownOf } from "../../../src/methods/reason4rec/split.js";
import {
  countedAspects,
  examples,
  filmTitle,
  forbiddenWords,
  givesRatingAway,
  hint,
  readAspects,
  standInReview,
  trueReview,
  writeAspects,
} from "../../../src/methods/reason4rec/words.js";
import { loadModel } from "../../../src/model/load.js";
import numpy from "../../fixtures/reason4rec-numpy.json" with { type: "json" }; // made by test/fixtures/reason4rec_numpy.py
import { fixture } from "../../model/open.js";

describe("the expected rating", () => {
  test("by hand: odds of 1 to 3 between ratings 1 and 5 are 4", () => {
    // p_1 = 1/4, p_5 = 3/4: 0.25 + 3.75
    expect(expectedRating([0, -1e9, -1e9, -1e9, Math.log(3)])).toBeCloseTo(4, 12);
  });

  test.each(numpy.expected)("is NumPy's: $rating", ({ logits, rating }) => {
    expect(expectedRating(logits)).toBeCloseTo(rating, 8);
  });

  test("lies in [1, 5] for any logits, does not change where all grow alike, and turns with them", () => {
    const five = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(five, fc.double({ min: -100, max: 100, noNaN: true }), (logits, more) => {
        const rating = expectedRating(logits);
        expect(rating).toBeGreaterThanOrEqual(1);
        expect(rating).toBeLessThanOrEqual(5);
        expect(expectedRating(logits.map((x) => x + more))).toBeCloseTo(rating, 6);
        expect(expectedRating([...logits].reverse())).toBeCloseTo(6 - rating, 8);
      }),
    );
  });

  test("needs five logits, which a tokenizer's five ratings give", async () => {
    expect(() => expectedRating([1, 2])).toThrow("five ratings, got 2");
    const { tokenizer } = await loadModel(fixture("llama-tiny"));
    const { begun, tokens } = ratingTokens(tokenizer);
    expect(tokenizer.decode(begun)).toBe("Predicted Rating: ");
    expect(tokens.map((id) => tokenizer.decode([id]))).toEqual(["1", "2", "3", "4", "5"]);
  });
});

describe("the acceptance rule", () => {
  test("by hand: 0.1 worse is too much, a little less is not", () => {
    expect(teacherSettings.tau).toBe(0.1);
    expect(accepts(4, 4.5, 3.75)).toBe(false); // 0.5 - 0.25
    expect(accepts(4, 4.5, 3.5)).toBe(true); // 0.5 - 0.5
    expect(accepts(4, 3.75, 4.1875)).toBe(true); // 0.25 - 0.1875 = 0.0625
    expect(accepts(4, 3.5, 3.6, 0.09)).toBe(false);
  });

  test("whatever brings the expected rating nearer is accepted, and nothing that leads it tau or more away", () => {
    const rating = fc.integer({ min: 1, max: 5 });
    const expected = fc.double({ min: 1, max: 5, noNaN: true });
    fc.assert(
      fc.property(rating, expected, expected, (r, withReason, without) => {
        const worse = Math.abs(r - withReason) - Math.abs(r - without);
        if (worse <= 0) expect(accepts(r, withReason, without)).toBe(true);
        if (worse >= 0.1) expect(accepts(r, withReason, without)).toBe(false);
        expect(accepts(r, without, without)).toBe(true);
      }),
    );
  });
});

describe("words", () => {
  test("a rationale that contains a number of a rating, or rating or stars with a space behind, gives it away", () => {
    expect(forbiddenWords).toEqual(["1.0", "2.0", "3.0", "4.0", "5.0", "rating ", "star ", "stars "]);
    for (const words of ["It is a 4.0 film.", "The rating is high.", "A star of it", "five stars for it"])
      expect(givesRatingAway(words), words).toBe(true);
    for (const words of ["The viewer likes Star Wars.", "It has starred.", "A good rating.", "A 3 of 5", "the start of it"])
      expect(givesRatingAway(words), words).toBe(false);
    fc.assert(fc.property(fc.string(), fc.constantFrom(...forbiddenWords), fc.string(), (a, b, c) => givesRatingAway(a + b + c)));
    for (const { rationale } of examples) expect(givesRatingAway(rationale)).toBe(false);
  });

  test("a hint names the true rating, and says not to", () => {
    const film: Item = { title: "Heat", year: "1995", genres: ["Action"] };
    expect(hint(film, 2)).toContain("2.0");
    expect(hint(film, 2)).toContain("do not mention it");
    expect(givesRatingAway(trueReview(film, 2, 1))).toBe(false);
    expect([0, 1, 2, 3].map((wording) => trueReview(film, 5, wording).split(",")[0])).toEqual([
      "The viewer loved it",
      "The viewer found it wonderful",
      "The viewer could not stop praising it",
      "The viewer loved it",
    ]);
  });

  test.each([
    ["Usual Suspects, The", "1995", "The Usual Suspects (1995)"],
    ["Shanghai Triad (Yao a yao yao dao waipo qiao)", "1995", "Shanghai Triad (1995)"],
    ["Postino, Il", "1994", "Il Postino (1994)"],
    ["Good, The Bad and The Ugly, The", "1966", "The Good, The Bad and The Ugly (1966)"],
    ["I, Worst of All", "", "I, Worst of All"],
  ])("the title %s, %s is said as %s", (title, year, said) => {
    expect(filmTitle({ title, year, genres: [] })).toBe(said);
  });

  test("aspects by hand: drama +2 +1, comedy +1 -2, horror -1; and what is written is read back", () => {
    const items = new Map<string, Item>([
      ["a", { title: "A", year: "1990", genres: ["Drama"] }],
      ["b", { title: "B", year: "1991", genres: ["Drama", "Comedy"] }],
      ["c", { title: "C", year: "1992", genres: ["Comedy"] }],
      ["d", { title: "D", year: "1993", genres: ["Horror"] }],
    ]);
    const rated = [5, 4, 1, 2].map((rating, i) => ({ user: "u", item: "abcd"[i]!, rating, time: i }));
    const aspects = countedAspects(knownOf(rated, items), "u");
    expect(aspects).toEqual({ positive: ["drama"], negative: ["comedy", "horror"], elements: ["comedy", "sometimes pleased"] });
    expect(readAspects(writeAspects(aspects))).toEqual(aspects);
    expect(readAspects(writeAspects({ positive: [], negative: [], elements: [] }))).toEqual({ positive: [], negative: [], elements: [] });
    expect(readAspects("nothing of the kind")).toEqual({ positive: [], negative: [], elements: [] });
    expect(standInReview(items.get("b")!, 4)).toBe("liked B (1991): drama, comedy");
  });
});
