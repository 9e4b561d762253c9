import type { Rng } from "../../backend/random.js";
import type { Estimate } from "../../evaluation/intervals.js";
import { change, estimated } from "../../evaluation/numerals.js";
import type { Run } from "../../runs/run.js";
import { writeJson } from "../../setup/atomic.js";
import { type Errors, errorsOf, maeDifference } from "./errors.js";
import { type Prediction, type Predictions, type PredictorName, predictorNames } from "./predictions.js";

/** Users by how many of their ratings were known: the least number of each group, and its name. */
const groups = [
  { from: 5, name: "5 to 49" },
  { from: 50, name: "50 to 149" },
  { from: 150, name: "150 and more" },
] as const;

/** The group of a user with so many known ratings. @param history 5 or more */
export const historyGroup = (history: number): string => groups.findLast(({ from }) => history >= from)!.name;

/** Predictions of the groups that there are, by length of history. */
export function byHistory(rows: readonly Prediction[]): { group: string; rows: Prediction[] }[] {
  return groups.flatMap(({ name }) => {
    const own = rows.filter(({ history }) => historyGroup(history) === name);
    return own.length === 0 ? [] : [{ group: name, rows: own }];
  });
}

/** How far one of the predictors is off. */
export const errorsFor = (rows: readonly Prediction[], name: PredictorName, rng: Rng): Errors =>
  errorsOf(
    rows.map(({ user, rating, expected }) => ({ user, rating, predicted: expected[name] })),
    rng,
  );

/** MAE of one predictor less that of another, on the same ratings, in stars. */
export const differenceOf = (rows: readonly Prediction[], name: PredictorName, other: PredictorName, rng: Rng): Estimate =>
  maeDifference(
    rows.map(({ user, rating, expected }) => ({ user, rating, predicted: expected[name], other: expected[other] })),
    rng,
  );

const sized = (difference: Estimate): string => estimated(difference, (x) => change(x, 3));

/** A bootstrap over fewer users says little. */
const leastUsers = 10;

const helps = ({ low, high }: Estimate, users: number): string =>
  users < leastUsers
    ? "these are too few users to tell"
    : high < 0
      ? "reasoning helps"
      : low > 0
        ? "reasoning hurts"
        : "whether reasoning helps stays open";

/** What reasoning does to MAE, on all test ratings and by length of history. @returns sentences */
export function reasoningInWords(rows: readonly Prediction[], rng: Rng): string[] {
  const of = (some: readonly Prediction[], where: string) => {
    const difference = differenceOf(some, "with reasoning", "without reasoning", rng);
    const users = new Set(some.map(({ user }) => user)).size;
    return `${where} (${some.length} ratings of ${users} users) MAE with reasoning less that of the same predictor without it is ${sized(difference)} stars: ${helps(difference, users)}.`;
  };
  return [
    of(rows, "On all test ratings"),
    ...byHistory(rows).map(({ group, rows: own }) => of(own, `For users with ${group} known ratings`)),
  ];
}

/** The Predictor with reasoning against each baseline. @returns sentences */
export const baselinesInWords = (rows: readonly Prediction[], rng: Rng): string[] =>
  predictorNames.slice(2).map((name) => {
    const difference = differenceOf(rows, "with reasoning", name, rng);
    const verdict =
      difference.high < 0
        ? "it is the better one"
        : difference.low > 0
          ? `${name} is the better one`
          : "these ratings do not tell which is better";
    return `With reasoning, MAE less that of ${name} is ${sized(difference)} stars: ${verdict}.`;
  });

/** What the claim comes to: reasoning should lower the error. @returns a sentence */
export function claimInWords(rows: readonly Prediction[], rng: Rng): string {
  const { low, high } = differenceOf(rows, "with reasoning", "without reasoning", rng);
  if (high < 0) return "The claim that reasoning lowers the error holds here.";
  return low > 0
    ? "The claim that reasoning lowers the error does not hold here: it raises it."
    : "The claim that reasoning lowers the error is not shown here.";
}

/** What the intervals do not say. @returns sentences */
export const seedInWords = ({ seed }: Pick<Run, "seed">): string =>
  `All of this is of one training of each expert and predictor, with seed ${seed}. The intervals are over users and say nothing of other trainings: another seed can come to the other side.`;

/** Writes `methods/reason4rec/results.json`: MAE, RMSE and the differences that the claim is about, with their 95% intervals over users, in stars. @returns what it holds */
export function saveResults(run: Run, { rows, factors }: Predictions): Record<string, unknown> {
  const rng = run.rng("Reason4Rec, intervals");
  const results = {
    ratings: rows.length,
    errors: Object.fromEntries(predictorNames.map((name) => [name, errorsFor(rows, name, rng.fork(name))])),
    reasoning: differenceOf(rows, "with reasoning", "without reasoning", rng.fork("difference")),
    reasoningByHistory: Object.fromEntries(
      byHistory(rows).map(({ group, rows: own }) => [group, differenceOf(own, "with reasoning", "without reasoning", rng.fork(group))]),
    ),
    factors,
  };
  writeJson(run.path("methods/reason4rec/results.json"), results);
  return results;
}
