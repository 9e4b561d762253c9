import { dirname } from "node:path";
import type { Log } from "../setup/files.js";
import { packageReady, type WheelFile, wheelFile } from "../setup/packages.js";
import { DataError } from "./errors.js";
import { type RatingData, readRatings } from "./ratings.js";

/** A data set with terms of its own, which the package that carries it does not name. */
export const movieLens = {
  /** What commands call it. */
  name: "movielens-100k",
  title: "MovieLens 100K",
  terms: {
    /** What whoever has read them says (`--accept-terms`). */
    id: "grouplens",
    /** Where they stand. */
    address: "https://files.grouplens.org/datasets/movielens/ml-100k-README.txt",
    words:
      "for research; a publication acknowledges the data set, nobody redistributes it, uses it commercially or implies GroupLens's endorsement without permission",
  },
} as const;

const file = (kind: string): WheelFile => ({
  ...{ package: "recbole", version: "1.2.1" },
  member: `recbole/dataset_example/ml-100k/ml-100k.${kind}`,
});

/**
 * Whether MovieLens 100K may be fetched, if it is not there: when its terms have been accepted by their id. Asks nobody.
 * @throws DataError that names the terms and the command that accepts them
 */
export function checkMovieLensTerms(accepted?: string): void {
  const { name, title, terms } = movieLens;
  const { package: wheel, version } = file("inter");
  if (accepted === terms.id || packageReady(wheel, version)) return;
  throw new DataError(
    `${name}: ${title} is given under the terms of GroupLens, ${terms.address} (${terms.words}); nothing was downloaded: read them; who accepts them says: erpo setup --data ${name} --accept-terms ${terms.id}`,
  );
}

/**
 * The folder in the cache with MovieLens 100K as RecBole has it (`readRatings`): 100,000 ratings of 1,682 films by 943 users (Harper and Konstan 2015). Fetched where it is not there. What is known of the
 * users themselves stays in the package.
 *
 * @param accepted the id of GroupLens's terms, by which who asks for the data accepts them
 * @throws DataError when the terms are not accepted; SetupError when the package cannot be fetched
 */
export async function movieLensFolder(accepted?: string, log: Log = () => {}): Promise<string> {
  checkMovieLensTerms(accepted);
  const { package: wheel, version } = file("inter");
  if (!packageReady(wheel, version)) log(`${movieLens.name}: GroupLens's terms are accepted: ${movieLens.terms.address}`);
  return dirname(await wheelFile(file("inter"), log));
}

/** MovieLens 100K. @throws as `movieLensFolder` */
export const readMovieLens = async (accepted?: string, log?: (line: string) => void): Promise<RatingData> =>
  readRatings(await movieLensFolder(accepted, log));
