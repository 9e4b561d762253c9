import type { Item, Rating } from "../../data/ratings.js";
import { meanRating } from "./baselines.js";
import type { Known } from "./split.js";

/** What is read of a history. */
export const historySettings = {
  /** Reviews of a user that the Summarizer distils, the latest. The paper's number. */
  reviews: 10,
  /** Films of the user, and viewers of the film, that the other experts read of beside the summary, the latest. The paper's is 10; half saves a third of a prompt. */
  shown: 5,
};

/** A rating as a verb, the number from 1 being its place. */
const verbs = ["hated", "disliked", "did not mind", "liked", "loved"] as const;

/** What a viewer says of a film, by rating: wordings that stand for a review's tone. */
const tones: readonly (readonly string[])[] = [
  ["hated every minute of it", "could not stand it", "found it awful"],
  ["did not enjoy it", "was disappointed by it", "found it weak"],
  ["did not mind it", "found it so-so", "thought it was all right"],
  ["enjoyed it", "liked it", "found it good"],
  ["loved it", "found it wonderful", "could not stop praising it"],
];

/** A film's title as it is said: "The Usual Suspects (1995)". Other titles in brackets are left out. */
export function filmTitle({ title, year }: Item): string {
  const main = title.split(" (")[0]!.trim();
  const comma = main.lastIndexOf(", ");
  const article = comma < 0 ? "" : main.slice(comma + 2);
  const said = ["The", "A", "An", "La", "Le", "Les", "Il", "Das", "Der", "Die", "El", "L'"].includes(article)
    ? `${article}${article.endsWith("'") ? "" : " "}${main.slice(0, comma)}`
    : main;
  return year === "" ? said : `${said} (${year})`;
}

/** Genres as they are said, in lower case: at most three. */
export const genresOf = ({ genres }: Item): string[] => {
  const named = genres.filter((genre) => genre !== "unknown").map((genre) => genre.toLowerCase());
  return named.slice(0, 3);
};

const genreText = (item: Item): string => genresOf(item).join(", ") || "of no known genre";

const itemOf = ({ items }: Known, id: string): Item => items.get(id)!;

/** The stand-in for a review in a history: title, genres, and the rating in words. */
export function standInReview(item: Item, rating: number): string {
  return `${verbs[rating - 1]} ${filmTitle(item)}: ${genreText(item)}`;
}

/** The stand-in for the true review of a target, which the reward model learns from: what the film is, and the rating in one of three wordings. @param wording a whole number, taken modulo 3 */
export function trueReview(item: Item, rating: number, wording: number): string {
  const tone = tones[rating - 1]!;
  return `The viewer ${tone[wording % tone.length]}, a film of ${genreText(item)}.`;
}

/** What the Summarizer reads of a user: the latest reviews. */
export const reviewsOf = (known: Known, user: string): string =>
  latest(known.byUser.get(user), historySettings.reviews)
    .map(({ item, rating }) => `${standInReview(itemOf(known, item), rating)}.`)
    .join("\n");

const latest = (ratings: readonly Rating[] = [], count: number): readonly Rating[] => ratings.slice(-count);

/** What a summary says, in the paper's three fields. */
export interface Aspects {
  positive: string[];
  negative: string[];
  elements: string[];
}

/**
 * What stands for the teacher of the Summarizer: a count over the same reviews. A genre gains 2 where a film is loved and 1 where it is liked, and loses as much where it is hated or disliked; up to three genres
 * above 0 are positive aspects, up to two below 0 negative ones. Elements are the commonest genre, and how often the user is pleased.
 */
export function countedAspects(known: Known, user: string): Aspects {
  const reviews = latest(known.byUser.get(user), historySettings.reviews);
  const scores = new Map<string, { score: number; films: number }>();
  for (const { item, rating } of reviews) {
    for (const genre of genresOf(itemOf(known, item))) {
      const { score, films } = scores.get(genre) ?? { score: 0, films: 0 };
      scores.set(genre, { score: score + rating - 3, films: films + 1 });
    }
  }
  const by = (order: (of: { score: number; films: number }) => number) =>
    [...scores].sort(([a, x], [b, y]) => order(y) - order(x) || (a < b ? -1 : 1));
  const pleased = reviews.filter(({ rating }) => rating >= 4).length / reviews.length;
  return {
    positive: by(({ score }) => score)
      .flatMap(([genre, { score }]) => (score > 0 ? genre : []))
      .slice(0, 3),
    negative: by(({ score }) => -score)
      .flatMap(([genre, { score }]) => (score < 0 ? genre : []))
      .slice(0, 2),
    elements: [
      ...by(({ films }) => films)
        .slice(0, 1)
        .map(([genre]) => genre),
      pleased >= 0.7 ? "often pleased" : pleased > 0.3 ? "sometimes pleased" : "seldom pleased",
    ],
  };
}

const fields = ["Positive Aspects", "Negative Aspects", "User Preference Elements"] as const;

/** Aspects in the paper's form. */
export function writeAspects({ positive, negative, elements }: Aspects): string {
  return [positive, negative, elements].map((words, i) => `${fields[i]}: ${words.join(", ") || "none"}.`).join(" ");
}

/** Aspects in a text; fields that it lacks are empty. */
export function readAspects(text: string): Aspects {
  const [positive, negative, elements] = fields.map((field) => {
    const after = text.split(`${field}:`)[1]?.split(".")[0] ?? "";
    return after
      .split(",")
      .map((word) => word.trim())
      .filter((word) => word !== "" && word !== "none");
  }) as [string[], string[], string[]];
  return { positive, negative, elements };
}

/** What the Reasoner reads: summary, titles by liking, the film, and how its latest viewers took it; no rating and no mean. */
export function matchingPrompt(known: Known, summary: string, { user, item }: Pick<Rating, "user" | "item">): string {
  const history = latest(known.byUser.get(user), historySettings.shown);
  const titles = (liked: boolean) =>
    history
      .filter(({ rating }) => rating >= 4 === liked)
      .map((rating) => filmTitle(itemOf(known, rating.item)))
      .join("; ");
  const viewers = latest(known.byItem.get(item), historySettings.shown).map(({ rating }) => verbs[rating - 1]);
  return matching(summary, titles(true), titles(false), filmText(known, item), viewers.join(", "));
}

function matching(summary: string, liked: string, disliked: string, film: string, viewers: string): string {
  return [
    summary,
    `Liked: ${liked || "none"}. Did not like: ${disliked || "none"}.`,
    `Film: ${film} Other viewers: ${viewers || "none"}.`,
  ].join("\n");
}

const filmText = (known: Known, id: string): string => `${filmTitle(itemOf(known, id))}: ${genreText(itemOf(known, id))}.`;

/** What is put before a rationale, and what stands in its place where there is none. */
export const analysisSlot = "### Personalized Recommendation Analysis ###";
const noAnalysis = "none";

/** What the Predictor and the reward model read: summary, titles with ratings, the means of user and film, the film, and the slot with a rationale, a true review, or nothing. */
export function ratingPrompt(known: Known, summary: string, { user, item }: Pick<Rating, "user" | "item">, analysis?: string): string {
  const history = latest(known.byUser.get(user), historySettings.shown);
  const mean = (ratings: readonly Rating[] | undefined) => meanRating(ratings)?.toFixed(1) ?? "unknown";
  return [
    summary,
    `Ratings: ${history.map((rating) => `${filmTitle(itemOf(known, rating.item))} ${rating.rating}`).join("; ")}.`,
    `Average of the user: ${mean(known.byUser.get(user))}. Average of the film: ${mean(known.byItem.get(item))}.`,
    `Film: ${filmText(known, item)}`,
    `${analysisSlot} ${analysis ?? noAnalysis}`,
  ].join("\n");
}

/** A rating as the Predictor writes it: "Predicted Rating: 4.0". */
export const ratingAnswer = (rating: number): string => `Predicted Rating: ${rating.toFixed(1)}`;

/** What a hinted rationale must not contain, as the source lists it: it would give the rating away. */
export const forbiddenWords: readonly string[] = ["1.0", "2.0", "3.0", "4.0", "5.0", "rating ", "star ", "stars "];

/** Whether a rationale contains one of `forbiddenWords`. */
export const givesRatingAway = (rationale: string): boolean => forbiddenWords.some((words) => rationale.includes(words));

/** The hint of a retry: the true rating, and a template of what to say. */
export function hint(item: Item, rating: number): string {
  const tone = tones[rating - 1]!;
  return `Hint: the true rating is ${rating.toFixed(1)}; the viewer ${tone[1]}. Use the hint but do not mention it, and say why ${filmTitle(item)} was taken like that.`;
}

/** Examples that the teacher reads first, of films that there are not: what a rationale looks like. */
export const examples = [
  {
    prompt: example({
      aspects: { positive: ["drama", "romance"], negative: ["horror"], elements: ["drama", "often pleased"] },
      liked: "The Quiet Harbour (1994); Letters Home (1996)",
      disliked: "The Cellar (1995)",
      film: "A Winter Road (1996): drama, romance.",
      viewers: "liked, loved, liked",
    }),
    hint: "Hint: the true rating is 5.0; the viewer found it wonderful. Use the hint but do not mention it, and say why A Winter Road (1996) was taken like that.",
    rationale: "The viewer likes dramas with romance, and A Winter Road is one that others loved, so the viewer would find it wonderful.",
  },
  {
    prompt: example({
      aspects: { positive: ["comedy"], negative: ["action", "thriller"], elements: ["comedy", "sometimes pleased"] },
      liked: "Two Left Feet (1993)",
      disliked: "Night Chase (1997); Red Fuse (1996)",
      film: "Steel Storm (1997): action, thriller.",
      viewers: "did not mind, hated",
    }),
    hint: "Hint: the true rating is 2.0; the viewer was disappointed by it. Use the hint but do not mention it, and say why Steel Storm (1997) was taken like that.",
    rationale: "The viewer tends to dislike action and thrillers, and Steel Storm is both, so the viewer would be disappointed by it.",
  },
] as const;

function example(of: { aspects: Aspects; liked: string; disliked: string; film: string; viewers: string }): string {
  return matching(writeAspects(of.aspects), of.liked, of.disliked, of.film, of.viewers);
}
