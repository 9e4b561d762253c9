import type { Rng } from "../backend/random.js";
import { DataError } from "../data/errors.js";
import { textSha256 } from "../data/manifest.js";
import { type Proportion, share } from "./intervals.js";
import { mcnemar } from "./paired.js";

/** Two answers to one prompt, by the names of their policies. */
export interface AnsweredPrompt {
  id: string;
  prompt: string;
  answers: Readonly<Record<string, string>>;
}

/** A row of a sheet that people fill in. `A` and `B` are the two answers; what is to be filled in is empty. */
export interface SheetRow {
  prompt: string;
  A: string;
  B: string;
  /** A, B or tie. */
  preferred: string;
  /** yes or no. */
  useful_A: string;
  useful_B: string;
  note: string;
}

/** The columns of a sheet in their order. */
export const sheetColumns = ["prompt", "A", "B", "preferred", "useful_A", "useful_B", "note"] as const;

/** Which answer is whose: kept away from who fills the sheet in. */
export interface SheetKey {
  /** The policy that is compared with, then the one that is compared. */
  policies: readonly [string, string];
  /** A row for each of the sheet's: `A` names the policy whose answer is `A`, `digest` is of the prompt and the two answers. */
  rows: readonly { id: string; digest: string; A: string }[];
}

/** What one person says of a prompt's two answers. */
export interface Rating {
  id: string;
  /** The policy whose answer is preferred; null for a tie. */
  preferred: string | null;
  /** Whether each policy's answer is useful. */
  useful: Readonly<Record<string, boolean>>;
}

/** What stands for an answer without words, or in which a thought was begun and not closed: its tags would tell the policy. */
export const noAnswer = "(no answer)";

/**
 * A blind sheet: prompts in random order, each with its two answers as A and B. Either policy is A in half of the rows (one more, of an odd number), in random order, so that
 * a liking for one side favours neither.
 *
 * @param policies the one that is compared with, then the one that is compared
 * @throws RangeError when the two policies have one name, an answer is missing, or two rows have the same prompt: rows are told apart by what they say
 */
export function blindSheet(
  items: readonly AnsweredPrompt[],
  policies: readonly [string, string],
  rng: Rng,
): { rows: SheetRow[]; key: SheetKey } {
  if (policies[0] === policies[1]) throw new RangeError(`blindSheet: both policies are called ${policies[0]}`);
  const order = rng.fork("order").shuffle(items);
  const firsts = rng.fork("sides").shuffle(order.map((_, i) => i % 2));
  const rows = order.map(({ id, prompt, answers }, i): SheetRow => {
    const shown = policies.map((policy) => {
      if (answers[policy] === undefined) throw new RangeError(`blindSheet: prompt ${id} has no answer of ${policy}`);
      return cell(visible(answers[policy]));
    });
    return { prompt: cell(prompt), A: shown[firsts[i]!]!, B: shown[1 - firsts[i]!]!, preferred: "", useful_A: "", useful_B: "", note: "" };
  });
  const twice = rows.findIndex(({ prompt }, i) => rows.findIndex((row) => row.prompt === prompt) < i);
  if (twice >= 0) throw new RangeError(`blindSheet: two rows have the prompt of ${order[twice]!.id}`);
  return {
    rows,
    key: { policies, rows: rows.map((row, i) => ({ id: order[i]!.id, digest: digestOfRow(row), A: policies[firsts[i]!]! })) },
  };
}

/** An answer as it is shown: whole, and without anything of a thought. */
const visible = (answer: string): string =>
  answer.trim() === "" || /<\/?(?:assess|verify|calibrate|answer)\b/.test(answer) ? noAnswer : answer;

/** A text that no spreadsheet takes for a formula: an apostrophe stands before one that begins as a formula does (OWASP, "CSV injection"). */
const cell = (text: string): string => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

/** Of what must not change in a row. Spreadsheets may write other line ends, take outer spaces away and drop the apostrophe before a formula. */
function digestOfRow(row: Pick<SheetRow, "prompt" | "A" | "B">): string {
  const plain = (text: string) =>
    text
      .replace(/\r\n?/g, "\n")
      .trim()
      .replace(/^'(?=[=+\-@])/, "");
  return textSha256(JSON.stringify([row.prompt, row.A, row.B].map(plain))).slice(0, 16);
}

/** Rows that one message names; of more it says how many there are. */
const namedRows = 5;

/**
 * What a person filled in, in the key's order. Rows may stand in any order, words in any case; rows with nothing in them are left out.
 *
 * @param rows of the sheet by column; the first is row 2, behind the header
 * @param name of the sheet, for messages
 * @throws DataError naming, by row, cells that are not filled in, unknown words, and rows that are none of the key's or stand there twice; else rows of the key that are missing
 */
export function readRatings(key: SheetKey, rows: readonly Readonly<Record<string, string>>[], name: string): Rating[] {
  const keyRows = new Map(key.rows.map((row) => [row.digest, row]));
  const found = new Map<string, { rating: Rating; row: number }>();
  const wrong: string[] = [];
  for (const [i, given] of rows.entries()) {
    const cells = Object.fromEntries(sheetColumns.map((column) => [column, (given[column] ?? "").trim()])) as unknown as SheetRow;
    if (Object.values(cells).every((text) => text === "")) continue;
    const keyRow = keyRows.get(digestOfRow(cells));
    const before = keyRow && found.get(keyRow.id);
    const problems: string[] = [];
    if (!keyRow) problems.push("prompt and answers are none of the key's (was the sheet changed, or is the key another one's?)");
    else if (before) problems.push(`has the prompt and answers of row ${before.row}`);
    else found.set(keyRow.id, { rating: ratingOf(cells, keyRow, key.policies, problems), row: i + 2 });
    if (problems.length > 0) wrong.push(`row ${i + 2}: ${problems.join(", ")}`);
  }
  const missing = key.rows.filter(({ id }) => !found.has(id));
  if (wrong.length === 0 && missing.length > 0)
    wrong.push(`${missing.length} of the key's ${key.rows.length} rows are not there: ${missing[0]!.id}`);
  if (wrong.length > 0) {
    const more = wrong.length > namedRows ? `; and ${wrong.length - namedRows} more rows` : "";
    throw new DataError(`${name}: ${wrong.slice(0, namedRows).join("; ")}${more}`);
  }
  return key.rows.map(({ id }) => found.get(id)!.rating);
}

const yesOrNo = { yes: true, no: false };

/** One row's words. @param problems receives what is wrong with them */
function ratingOf(cells: SheetRow, { id, A }: SheetKey["rows"][number], policies: SheetKey["policies"], problems: string[]): Rating {
  const B = policies.find((policy) => policy !== A)!;
  const read = <T>(column: keyof SheetRow, words: Readonly<Record<string, T>>, choices: string): T => {
    const text = cells[column];
    const word = Object.keys(words).find((other) => other.toLowerCase() === text.toLowerCase());
    if (word === undefined)
      problems.push(text === "" ? `${column} is not filled in (${choices})` : `${column} is "${text}" (must be ${choices})`);
    return words[word!]!;
  };
  const preferred = read<string | null>("preferred", { A, B, tie: null }, "A, B or tie");
  const useful = { [A]: read("useful_A", yesOrNo, "yes or no"), [B]: read("useful_B", yesOrNo, "yes or no") };
  return { id, preferred, useful };
}

/** What one person says of two policies. Shares have 95% Wilson intervals. */
export interface PreferenceSummary {
  /** The policy that wins, ties and losses are of. */
  policy: string;
  /** The one that it is compared with. */
  against: string;
  /** Prompts. */
  n: number;
  wins: Proportion;
  ties: Proportion;
  losses: Proportion;
  /** Two-sided, in (0, 1]: the exact sign test of wins against losses; ties say nothing of it (Dixon and Mood 1946). */
  p: number;
  /** Share of useful answers, by policy. */
  useful: Record<string, Proportion>;
}

/**
 * Sums up one person's ratings.
 * @param policies the one that is compared with, then the one that is compared
 * @throws RangeError when a rating is of other policies
 */
export function preferenceSummary(ratings: readonly Rating[], policies: readonly [string, string]): PreferenceSummary {
  const [against, policy] = policies;
  const other = ratings.find(({ useful }) => policies.some((name) => useful[name] === undefined));
  if (other)
    throw new RangeError(`preferenceSummary: ${other.id} rates ${Object.keys(other.useful).join(" and ")}, not ${against} and ${policy}`);
  const prefers = (name: string | null) => ratings.map(({ preferred }) => preferred === name);
  return {
    policy,
    against,
    n: ratings.length,
    wins: share(ratings, ({ preferred }) => preferred === policy),
    ties: share(ratings, ({ preferred }) => preferred === null),
    losses: share(ratings, ({ preferred }) => preferred === against),
    p: mcnemar(prefers(policy), prefers(against)).p, // a win and a loss are its two kinds of discordant pairs
    useful: Object.fromEntries(policies.map((name) => [name, share(ratings, ({ useful }) => useful[name]!)])),
  };
}

/** How far two raters agree beyond chance. */
export interface Kappa {
  /** (observed - expected) / (1 - expected), at most 1; NaN (0/0) where both say one and the same of everything, and of nothing. */
  value: number;
  /** Share of items of which both say the same. */
  observed: number;
  /** That share if each said what they say at random, as often as they do. */
  expected: number;
  n: number;
}

/**
 * Cohen's kappa (Cohen 1960, eq. 1) of what two raters say of the same items.
 * @throws RangeError when the lists differ in length
 */
export function cohensKappa(first: readonly string[], second: readonly string[]): Kappa {
  const n = first.length;
  if (second.length !== n) throw new RangeError(`cohensKappa: ${n} items against ${second.length}`);
  const count = (said: readonly string[], word: string) => said.filter((other) => other === word).length;
  const same = first.filter((word, i) => word === second[i]).length;
  const chance = [...new Set(first)].reduce((sum, word) => sum + count(first, word) * count(second, word), 0); // expected * n^2
  return { value: (n * same - chance) / (n * n - chance), observed: same / n, expected: chance / (n * n), n };
}

/** How far two people agree: on the policy that is preferred (or a tie), and on which answers are useful, those of both policies together. */
export interface Agreement {
  preferred: Kappa;
  useful: Kappa;
}

/** The agreement of two people's ratings of one sheet, in the same order. @throws RangeError when they are of other prompts */
export function agreement(first: readonly Rating[], second: readonly Rating[]): Agreement {
  const stray = first.findIndex(({ id }, i) => second[i]?.id !== id);
  if (stray >= 0 || first.length !== second.length) throw new RangeError("agreement: the two have rated other prompts");
  const preferred = (ratings: readonly Rating[]) => ratings.map((rating) => JSON.stringify(rating.preferred));
  const policies = Object.keys(first[0]?.useful ?? {});
  const useful = (ratings: readonly Rating[]) => ratings.flatMap((rating) => policies.map((policy) => String(rating.useful[policy])));
  return { preferred: cohensKappa(preferred(first), preferred(second)), useful: cohensKappa(useful(first), useful(second)) };
}
