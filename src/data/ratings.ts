import { basename, join } from "node:path";
import { DataError } from "./errors.js";
import { readText } from "./jsonl.js";

/** What a user gave an item, and when. */
export interface Rating {
  user: string;
  item: string;
  /** 1 to 5, whole. */
  rating: number;
  /** Seconds since 1970. */
  time: number;
}

/** What is known of an item beside its ratings. */
export interface Item {
  title: string;
  /** "" where it is unknown. */
  year: string;
  genres: readonly string[];
}

/** Ratings of items. */
export interface RatingData {
  /** By time; of equal times in the file's order. */
  ratings: readonly Rating[];
  items: ReadonlyMap<string, Item>;
}

/**
 * Ratings in RecBole's atomic files: `NAME.inter` with user_id, item_id, rating and timestamp, `NAME.item` with item_id, movie_title, release_year and class (genres, with
 * spaces between them); tabs between columns, `name:type` in the first line.
 *
 * @param folder with the two files; NAME is the folder's own
 * @throws DataError `FILE:LINE: cause`
 */
export function readRatings(folder: string): RatingData {
  const [ratingFile, itemFile] = ["inter", "item"].map((kind) => join(folder, `${basename(folder)}.${kind}`)) as [string, string];
  const items = new Map(
    records(itemFile, ["item_id", "movie_title", "release_year", "class"]).map(({ values: [id, title, year, genres] }) => [
      id!,
      { title: title!, year: /^\d{4}$/.test(year!) ? year! : "", genres: genres!.split(" ").filter((genre) => genre !== "") },
    ]),
  );
  const ratings = records(ratingFile, ["user_id", "item_id", "rating", "timestamp"]).map(({ line, values: [user, item, given, when] }) => {
    const [rating, time] = [Number(given), Number(when)];
    const problem = (cause: string) => new DataError(`${ratingFile}:${line}: ${cause}`);
    if (![1, 2, 3, 4, 5].includes(rating)) throw problem(`rating: expected a whole number from 1 to 5, got "${given}"`);
    if (when === "" || !Number.isFinite(time)) throw problem(`timestamp: expected seconds, got "${when}"`);
    if (!items.has(item!)) throw problem(`item_id: ${itemFile} has no item "${item}"`);
    return { user: user!, item: item!, rating, time };
  });
  return { ratings: ratings.sort((a, b) => a.time - b.time), items };
}

/** Lines of a table with tabs, the wanted columns in the order asked for. */
function records(path: string, columns: readonly string[]): { line: number; values: string[] }[] {
  const [head = "", ...lines] = readText(path).split("\n");
  const names = head
    .trim()
    .split("\t")
    .map((column) => column.split(":")[0]!);
  const places = columns.map((column) => names.indexOf(column));
  const missing = columns.find((_, i) => places[i]! < 0);
  if (missing !== undefined) throw new DataError(`${path}: missing column "${missing}" (the columns are ${names.join(", ")})`);
  return lines.flatMap((text, i) => {
    const row = text.replace("\r", "");
    if (row === "") return [];
    const values = row.split("\t");
    if (values.length !== names.length) throw new DataError(`${path}:${i + 2}: ${values.length} values, but ${names.length} columns`);
    return [{ line: i + 2, values: places.map((place) => values[place]!) }];
  });
}
