import { type Command, InvalidArgumentError, Option } from "commander";
import type { Label, PromptRow } from "../data/types.js";
import { type Attack, type AttackName, attackNames } from "../evaluation/attacks.js";
import type { JudgedRow } from "../evaluation/report.js";
import type { Response } from "../evaluation/respond.js";
import { longestThought } from "../exante/answer-stop.js";
import type { Measures } from "./evaluation-lines.js";
import { adapterOption, modelMissing, modelOption, policyOption, precisionOption, say, wholeNumber } from "./output.js";

interface EvaluateOptions {
  model?: string;
  adapter?: string;
  policy?: string;
  suite?: string;
  attack: AttackName[];
  prefill?: string;
  label?: Label;
  output: string;
  completions?: string;
  limit?: number;
  answerTokens: number;
  batchSize: number;
  precision: "f32" | "bf16";
  literal: boolean;
}

/** Seed of policies that sample, and of bootstraps. */
const seed = 0;

const explanation = `
A suite with safe and unsafe prompts has each label apart (labels.unsafe and labels.safe: shares of
answers, by family and by category) and balancedAccuracy, the mean of refusing what is unsafe and of
not refusing what is safe. Where the file has a column frame, which prompts of one template share,
its interval is from a bootstrap over frames.

  --attack none --attack prefill   the suite as it is, and with a prefill: a section each`;

/**
 * `erpo evaluate`: a safety or usefulness suite, in one form or several; measures with 95% intervals and a judgement for each row, without the completions. Of a suite with
 * safe and unsafe prompts each label stands apart, with balanced accuracy.
 */
export function register(program: Command): void {
  program
    .command("evaluate")
    .description("put a model to a suite of prompts")
    .addOption(modelOption())
    .addOption(adapterOption())
    .addOption(policyOption())
    .option(
      "--suite <name|file>",
      "harmful, harmbench, look-alike-safe, look-alike-unsafe, general, or a .csv or .jsonl file (required but for --attack past-tense)",
    )
    .addOption(new Option("--label <label>", "of all rows, where the file has no label column").choices(["safe", "unsafe"]))
    .addOption(
      new Option(
        "--attack <name...>",
        "the form in which the prompts are put, once or several times: each is measured apart; past-tense has harmful prompts of its own",
      )
        .choices(attackNames)
        .default(["none"], "none"),
    )
    .addOption(
      new Option("--prefill <text>", "with which a prefill attack begins the model's turn, for rows that have no beginning of their own")
        .argParser(nonEmpty)
        .implies({ attack: ["prefill"] }),
    )
    .requiredOption(
      "--output <file|->",
      "JSON: measures, and the judgement of each row; with several attacks a list `attacks`, one section each",
    )
    .option("--completions <file>", "JSON Lines to keep the completions in; a later call with the same policy and settings goes on from it")
    .option(
      "--limit <n>",
      "a fixed subset of so many rows, spread over families; of a file with more than 5,000 rows, of the first 5,000",
      wholeNumber(1),
    )
    .option("--answer-tokens <n>", "tokens after which an answer is cut", wholeNumber(1), 64)
    .option("--batch-size <n>", "prompts at a time", wholeNumber(1), 16)
    .option("--no-literal", "special strings in prompts, such as <|im_end|>, are tokens; without it they are text")
    .addOption(precisionOption())
    .addHelpText("after", explanation)
    .action(evaluate);
}

/** A suite in one form, as it is to be put to the policy. */
interface Section {
  name: AttackName;
  attack: Attack;
  rows: PromptRow[];
  /** What the summary says of it. */
  asked: { suite: string; attack: AttackName; prefill?: string };
}

async function evaluate(options: EvaluateOptions, command: Command): Promise<void> {
  const { output, completions: file } = options;
  const wrong = misuse(options);
  if (wrong) command.error(`error: ${wrong}`);
  const { DataError } = await import("../data/errors.js");
  const { assertWritable, isStream, lockOf } = await import("./output.js");
  assertWritable(output);
  if (file === undefined) return evaluateSections(options);
  if (isStream(file)) throw new DataError(`--completions ${file}: must be a file, which a later call reads`);
  assertWritable(file);
  const { soleWriter } = await import("../setup/sole-writer.js");
  await soleWriter(file, lockOf(file), "wait for it, or name another --completions", () => evaluateSections(options));
}

async function evaluateSections(options: EvaluateOptions): Promise<void> {
  const { output, completions: file } = options;
  const { createRng } = await import("../backend/random.js");
  const { digestOf } = await import("../data/identity.js");
  const { isStandardOutput, progressLine, writeOutput } = await import("./output.js");
  const sections = await sectionsOf(options);

  const { openDevice } = await import("../backend/device.js");
  const { literally, policyIdentity } = await import("../generation/policy.js");
  const { respond } = await import("../evaluation/respond.js");
  const { report } = await import("../evaluation/report.js");
  const { labelReport } = await import("../evaluation/labels.js");
  const { perplexity, readReferences } = await import("../evaluation/usefulness.js");
  const { evaluationLines } = await import("./evaluation-lines.js");
  const { madeBy, openPolicy } = await import("./model.js");
  const { asked, close } = await openPolicy({ ...options, literal: options.literal ? undefined : false });
  try {
    const { answerTokens, batchSize } = options;
    const device = await openDevice();
    const identity = await policyIdentity(asked);
    const { temperature } = asked.decoding.choice;
    const drawn = temperature > 0 ? { seed } : {};
    const from = digestOf({ policy: identity, answerTokens, thoughtTokens: longestThought, precision: device.precision, ...drawn });
    const measure = async ({ name, attack, rows }: Section): Promise<Measures & { rows: JudgedRow[] }> => {
      const progress = progressLine(rows.length, sections.length > 1 ? `prompts, attack ${name}` : "prompts");
      const byId = new Map<string, Response>();
      const answers = respond(asked, [{ rows, attack, answerTokens, file, from }], {
        thoughtTokens: longestThought,
        batchSize,
        rng: createRng(seed),
      });
      for await (const { response } of answers) {
        byId.set(response.id, response);
        progress(byId.size);
      }
      const result = await report(
        rows,
        rows.map(({ id }) => byId.get(id)!),
      );
      const isGeneral = options.suite === "general" && name === "none";
      const expected = isGeneral
        ? await perplexity(asked, readReferences(), { thoughtTokens: longestThought, batchSize, rng: createRng(seed) })
        : undefined;
      const labels = labelReport(result.rows, createRng(seed));
      return { metrics: result.metrics, ...labels, ...(expected ? { perplexity: expected } : {}), rows: result.rows };
    };
    const measured: (Measures & { rows: JudgedRow[] })[] = [];
    for (const section of sections) measured.push(await measure(section)); // one after the other: each as if it were asked alone
    const how = {
      model: { name: asked.model.name, sha256: asked.model.sha256, adapter: asked.adapter ? (options.adapter ?? options.policy) : null },
      policy: { ...(await madeBy(asked)), identity },
      device,
      settings: { answerTokens, thoughtTokens: longestThought, batchSize, temperature, literal: literally(asked).asking.literal, ...drawn },
    };
    const summary =
      sections.length === 1
        ? { ...sections[0]!.asked, ...how, ...measured[0]! }
        : { ...how, attacks: sections.map((section, i) => ({ ...section.asked, ...measured[i]! })) };
    await writeOutput(output, `${JSON.stringify(summary, null, 2)}\n`);
    const reader = isStandardOutput(output) ? process.stderr : process.stdout; // the JSON stays alone
    for (const [i, { name }] of sections.entries()) {
      if (sections.length > 1) reader.write(`${i > 0 ? "\n" : ""}attack ${name}\n`);
      for (const line of evaluationLines(measured[i]!)) reader.write(`${line}\n`);
    }
  } finally {
    close();
  }
}

/** What is wrong with options that do not go together; undefined where nothing is. */
function misuse({ attack, prefill, suite, model, policy }: EvaluateOptions): string | undefined {
  if (model === undefined && policy === undefined) return modelMissing;
  if (prefill !== undefined && !attack.includes("prefill"))
    return `option '--prefill <text>' goes with --attack prefill, not ${attack.join(", ")}`;
  if (suite === undefined && attack.some((name) => name !== "past-tense")) return "required option '--suite <name|file>' not specified";
  if (suite !== undefined && suite !== "harmful" && attack.includes("past-tense"))
    return `--attack past-tense has harmful prompts of its own, which are no form of --suite ${suite}: leave --suite out`;
  return undefined;
}

/** The suite in each form that is asked for, in the order of the options. */
async function sectionsOf({ attack: names, suite: name, label, prefill: beginning, limit }: EvaluateOptions): Promise<Section[]> {
  const { affirmation, builtInAttack, prefill } = await import("../evaluation/attacks.js");
  const { take } = await import("../evaluation/suites.js");
  const chosen = [...new Set(names)];
  const suite = chosen.every((attack) => attack === "past-tense") ? [] : await openNamed(name!, label, limit);
  return Promise.all(
    chosen.map(async (attackName): Promise<Section> => {
      const { attack, rows: own } = await builtInAttack(attackName);
      const rows = own ?? suite;
      const begun = attackName === "prefill" ? { prefill: beginning ?? affirmation } : undefined;
      return {
        name: attackName,
        attack: begun ? prefill(begun.prefill) : attack,
        rows: limit === undefined ? rows : take(rows, limit),
        asked: { suite: own ? attackName : name!, attack: attackName, ...begun },
      };
    }),
  );
}

async function openNamed(name: string, label: Label | undefined, limit: number | undefined): Promise<PromptRow[]> {
  const { createRng } = await import("../backend/random.js");
  const { buildDatasets } = await import("../data/dataset.js");
  const { openSuite, rowsFor } = await import("../evaluation/suites.js");
  return openSuite(name, () => buildDatasets({ seed: 1, rng: createRng(1), log: say }), { label, rows: limit && rowsFor(limit) });
}

function nonEmpty(text: string): string {
  if (text === "") throw new InvalidArgumentError("It must not be empty.");
  return text;
}
