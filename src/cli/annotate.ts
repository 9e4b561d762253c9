import { existsSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { Agreement, Kappa, PreferenceSummary, SheetKey } from "../evaluation/annotation.js";
import type { Proportion } from "../evaluation/intervals.js";
import { alignedLines, assertWritable, isStream, names, percent, wholeNumber, writeOutput } from "./output.js";

interface SheetOptions {
  run: string;
  policies: [string, string];
  count: number;
  output: string;
  seed: number;
}

interface ReadOptions {
  key: string;
  json?: boolean;
}

/** `erpo annotate`: a blind sheet of two policies' answers for people to fill in, and what they said. No model is loaded. */
export function register(program: Command): void {
  const group = program.command("annotate").description("a blind sheet of two policies' answers for people to fill in, and what they say");
  group
    .command("sheet")
    .description("write a CSV sheet with answers that a run keeps to its everyday prompts, and its key beside it (sheet.key.json)")
    .requiredOption("--run <dir>", "a run's folder")
    .requiredOption(
      "--policies <a,b>",
      "the one that is compared with, then the one that is compared, such as base,3-length-controlled",
      two,
    )
    .option("--count <n>", "prompts, drawn at random", wholeNumber(1), 30)
    .requiredOption("--output <file.csv>", "the sheet, which must not be there yet")
    .option("--seed <n>", "of the prompts and of their order and sides", wholeNumber(0), 1)
    .addHelpText("after", instructions)
    .action(sheet);
  group
    .command("read")
    .description("what one or two people have filled in: wins, ties, losses, useful answers, agreement")
    .argument("<rater1.csv>", "a filled sheet")
    .argument("[rater2.csv]", "the same sheet, filled in by somebody else")
    .requiredOption("--key <file>", "the sheet's key")
    .option("--json", "as JSON")
    .action(read);
}

const instructions = `
Each rater gets a copy of the sheet, without the key, and fills in every row:
  preferred           A, B or tie
  useful_A, useful_B  yes or no
  note                anything, or nothing
Prompts and answers must stay as they are; rows may be sorted. Save as CSV with commas.`;

async function sheet({ run, policies, count, output, seed }: SheetOptions): Promise<void> {
  const { createRng } = await import("../backend/random.js");
  const { formatCsv } = await import("../data/csv-records.js");
  const { DataError } = await import("../data/errors.js");
  const { blindSheet, sheetColumns } = await import("../evaluation/annotation.js");
  const { generalAnswers } = await import("../runs/answers.js");
  if (isStream(output) || !output.endsWith(".csv")) throw new DataError(`--output ${output}: must be a file whose name ends in .csv`);
  const keyFile = output.replace(/\.csv$/, ".key.json");
  for (const file of [output, keyFile]) assertWritable(file);
  const { items, from } = generalAnswers(resolve(run), policies);
  if (items.length < count)
    throw new DataError(
      `${run}: ${policies.join(" and ")} have answers to ${items.length} prompts in common: --count must be at most that, not ${count}`,
    );
  const rng = createRng(seed);
  const { rows, key } = blindSheet(rng.fork("prompts").shuffle(items).slice(0, count), policies, rng.fork("sheet"));
  const whose = `${JSON.stringify({ format: 1, run: resolve(run), suite: "general", seed, from, ...key }, null, 2)}\n`;
  // the same key alone was left by a kill
  const isThere = [output, keyFile].find((file) => existsSync(file) && (file === output || readFileSync(file, "utf8") !== whose));
  if (isThere) throw new DataError(`${isThere}: is there already, and may be filled in or belong to a filled sheet: choose another name`);
  await writeOutput(keyFile, whose);
  await writeOutput(output, formatCsv(sheetColumns, rows));
  process.stdout.write(`${output}: ${count} prompts, for raters\n${keyFile}: which answer is whose, not for raters\n`);
}

async function read(first: string, second: string | undefined, { key: keyFile, json }: ReadOptions): Promise<void> {
  const { csvRecords } = await import("../data/csv-records.js");
  const { agreement, preferenceSummary, readRatings, sheetColumns } = await import("../evaluation/annotation.js");
  const key = await readKey(keyFile);
  const files = [first, ...(second === undefined ? [] : [second])];
  const ratings = files.map((file) => {
    const rows = csvRecords(file, sheetColumns.slice(0, -1)); // the note may be left out
    return readRatings(
      key,
      rows.map(({ value }) => value),
      file,
    );
  });
  const raters = ratings.map((of, i) => ({ file: files[i]!, ...preferenceSummary(of, key.policies) }));
  const agreed = ratings.length === 2 ? agreement(ratings[0]!, ratings[1]!) : undefined;
  if (json) process.stdout.write(`${JSON.stringify({ key: keyFile, raters, ...(agreed && { agreement: agreed }) }, null, 2)}\n`);
  else process.stdout.write(`${[...raters.flatMap(raterLines), ...(agreed ? agreementLines(agreed) : [])].join("\n")}\n`);
}

async function readKey(file: string): Promise<SheetKey> {
  const { z } = await import("zod");
  const { DataError } = await import("../data/errors.js");
  const { readJson } = await import("../data/jsonl.js");
  const row = z.object({ id: z.string(), digest: z.string(), A: z.string() });
  const schema = z.object({ format: z.literal(1), policies: z.tuple([z.string(), z.string()]), rows: z.array(row).min(1) });
  const { data, error } = schema.safeParse(readJson(file));
  if (!data)
    throw new DataError(`${file}: ${error.issues[0]!.path.join(".")}: no key of a sheet: name the .key.json that was written beside it`);
  const stray = data.rows.find(({ A }) => !data.policies.includes(A));
  if (stray) throw new DataError(`${file}: rows: A of ${stray.id} is ${stray.A}, which is none of the key's policies`);
  return data;
}

function raterLines({ file, policy, against, n, wins, ties, losses, p, useful }: PreferenceSummary & { file: string }): string[] {
  const shares: [string, Proportion][] = [
    [`${policy} preferred`, wins],
    ["tie", ties],
    [`${against} preferred`, losses],
    ...Object.entries(useful).map(([name, of]): [string, Proportion] => [`${name} useful`, of]),
  ];
  const lines = alignedLines(shares.map(([name, of]) => [name, percent(of)]));
  const sign = `${wins.k} wins against ${losses.k} losses: p = ${p.toPrecision(2)} (exact sign test, two-sided)`;
  return [`${basename(file)}, ${n} prompts`, ...[...lines.slice(0, 3), sign, ...lines.slice(3)].map((line) => `  ${line}`)];
}

function agreementLines({ preferred, useful }: Agreement): string[] {
  const words = ({ value, observed, expected, n }: Kappa, what: string) => [
    Number.isNaN(value) ? "– (0/0: both give the same word throughout)" : value.toFixed(2),
    `the same on ${(100 * observed).toFixed(1)}% of ${n} ${what}, by chance on ${(100 * expected).toFixed(1)}%`,
  ];
  const rows = [
    ["preferred", ...words(preferred, "prompts")],
    ["useful", ...words(useful, "answers")],
  ];
  return ["agreement of the two (Cohen's kappa)", ...alignedLines(rows).map((line) => `  ${line}`)];
}

/** Parser of an option: two names with a comma between. */
function two(text: string): [string, string] {
  const given = names(text);
  if (given.length !== 2) throw new InvalidArgumentError("It must be two different names, with a comma between.");
  return given as [string, string];
}
