import { type Command, InvalidArgumentError, Option } from "commander";
import type { Label, PromptRow } from "../data/types.js";
import { type AttackName, attackNames } from "../evaluation/attacks.js";
import type { Proportion } from "../evaluation/intervals.js";
import type { SuiteMetrics } from "../evaluation/report.js";
import type { Response } from "../evaluation/respond.js";
import type { Perplexity } from "../evaluation/usefulness.js";
import { policyOption, wholeNumber } from "./output.js";

interface EvaluateOptions {
  model: string;
  adapter?: string;
  policy?: string;
  suite?: string;
  attack: AttackName;
  prefill?: string;
  label?: Label;
  output: string;
  completions?: string;
  limit?: number;
  answerTokens: number;
  batchSize: number;
  precision: "f32" | "bf16";
}

/** Tokens after which a thought is given up; more than any that training writes. */
const thoughtTokens = 130;

/** Seed of policies that sample. */
const seed = 0;

/** `erpo evaluate`: a safety or usefulness suite; measures with 95% intervals and a judgement for each row, without the completions. */
export function register(program: Command): void {
  program
    .command("evaluate")
    .description("put a model to a suite of prompts")
    .requiredOption("--model <M>", "a built-in name, a .gguf file, or a Hugging Face style directory")
    .option("--adapter <dir>", "a PEFT folder")
    .addOption(policyOption())
    .option(
      "--suite <name|file>",
      "harmful, harmbench, look-alike-safe, look-alike-unsafe, general, or a .csv or .jsonl file (required but for --attack past-tense)",
    )
    .addOption(new Option("--label <label>", "of all rows, where the file has no label column").choices(["safe", "unsafe"]))
    .addOption(
      new Option("--attack <name>", "the form in which the prompts are put; past-tense has harmful prompts of its own")
        .choices(attackNames)
        .default("none"),
    )
    .addOption(
      new Option("--prefill <text>", "with which a prefill attack begins the model's turn, for rows that have no beginning of their own")
        .argParser(nonEmpty)
        .implies({ attack: "prefill" }),
    )
    .requiredOption("--output <file|->", "JSON: measures, and the judgement of each row")
    .option("--completions <file>", "JSON Lines to keep the completions in; a later call with the same policy and settings goes on from it")
    .option("--limit <n>", "a fixed subset of so many rows, spread over families", wholeNumber(1))
    .option("--answer-tokens <n>", "tokens after which an answer is cut", wholeNumber(1), 64)
    .option("--batch-size <n>", "prompts at a time", wholeNumber(1), 16)
    .addOption(new Option("--precision <p>", "of matrix products").choices(["f32", "bf16"]).default("f32"))
    .action(evaluate);
}

async function evaluate(options: EvaluateOptions, command: Command): Promise<void> {
  const { attack: name, prefill: beginning, output } = options;
  const wrong = misuse(options);
  if (wrong) command.error(`error: ${wrong}`);
  const { createRng } = await import("../backend/random.js");
  const { DataError } = await import("../data/errors.js");
  const { digestOf } = await import("../data/identity.js");
  const { affirmation, builtInAttack, prefill } = await import("../evaluation/attacks.js");
  const { take } = await import("../evaluation/suites.js");
  const { assertWritable, isStandardOutput, isStream, progressLine, writeOutput } = await import("./output.js");
  assertWritable(output);
  if (options.completions !== undefined) {
    if (isStream(options.completions))
      throw new DataError(`--completions ${options.completions}: must be a file, which a later call reads`);
    assertWritable(options.completions);
  }
  const { attack, rows: own } = beginning === undefined ? await builtInAttack(name) : { attack: prefill(beginning), rows: undefined };
  const suite = own ?? (await openNamed(options.suite!, options.label));
  const rows = options.limit === undefined ? suite : take(suite, options.limit);

  const { openDevice } = await import("../backend/device.js");
  const { policyIdentity } = await import("../generation/policy.js");
  const { respond } = await import("../evaluation/respond.js");
  const { report } = await import("../evaluation/report.js");
  const { perplexity, readReferences } = await import("../evaluation/usefulness.js");
  const { madeBy, openPolicy } = await import("./model.js");
  const { asked, close } = await openPolicy(options);
  try {
    const { answerTokens, batchSize, completions: file } = options;
    const device = await openDevice();
    const identity = await policyIdentity(asked);
    const { temperature } = asked.decoding.choice;
    const drawn = temperature > 0 ? { seed } : {};
    const from = digestOf({ policy: identity, answerTokens, thoughtTokens, precision: device.precision, ...drawn });
    const progress = progressLine(rows.length, "prompts");
    const byId = new Map<string, Response>();
    const answers = respond(asked, [{ rows, attack, answerTokens, file, from }], { thoughtTokens, batchSize, rng: createRng(seed) });
    for await (const { response } of answers) {
      byId.set(response.id, response);
      progress(byId.size);
    }
    const result = await report(
      rows,
      rows.map(({ id }) => byId.get(id)!),
    );
    const isGeneral = options.suite === "general" && name === "none";
    const expected = isGeneral ? await perplexity(asked, readReferences(), { thoughtTokens, batchSize, rng: createRng(seed) }) : undefined;
    const summary = {
      suite: own ? name : options.suite,
      attack: name,
      ...(name === "prefill" ? { prefill: beginning ?? affirmation } : {}),
      model: { name: asked.model.name, sha256: asked.model.sha256, adapter: asked.adapter ? (options.adapter ?? options.policy) : null },
      policy: { ...(await madeBy(asked)), identity },
      device,
      settings: { answerTokens, thoughtTokens, batchSize, temperature, ...drawn },
      metrics: result.metrics,
      ...(expected ? { perplexity: expected } : {}),
      rows: result.rows,
    };
    await writeOutput(output, `${JSON.stringify(summary, null, 2)}\n`);
    const reader = isStandardOutput(output) ? process.stderr : process.stdout; // the JSON stays alone
    for (const line of inWords(result.metrics, expected)) reader.write(`${line}\n`);
  } finally {
    close();
  }
}

/** What is wrong with options that do not go together; undefined where nothing is. */
function misuse({ attack, prefill, suite }: EvaluateOptions): string | undefined {
  if (prefill !== undefined && attack !== "prefill") return `option '--prefill <text>' goes with --attack prefill, not ${attack}`;
  if (suite === undefined && attack !== "past-tense") return "required option '--suite <name|file>' not specified";
  if (suite !== undefined && suite !== "harmful" && attack === "past-tense")
    return `--attack past-tense has harmful prompts of its own, which are no form of --suite ${suite}: leave --suite out`;
  return undefined;
}

async function openNamed(name: string, label: Label | undefined): Promise<PromptRow[]> {
  const { createRng } = await import("../backend/random.js");
  const { buildDatasets } = await import("../data/dataset.js");
  const { openSuite } = await import("../evaluation/suites.js");
  const log = (line: string) => void process.stderr.write(`erpo: ${line}\n`);
  return openSuite(name, () => buildDatasets({ seed: 1, rng: createRng(1), log }), { label });
}

/** The measures as lines for a terminal; refusals by family and by category where there is more than one. */
function inWords({ refused, complied, degenerate, traceValid, families, categories }: SuiteMetrics, expected?: Perplexity): string[] {
  const lines = (shares: Record<string, Proportion>, indent = "") => {
    const width = Math.max(12, ...Object.keys(shares).map((name) => name.length)) + 2;
    return Object.entries(shares).map(([name, share]) => `${indent}${name.padEnd(width)}${percent(share)}`);
  };
  const groups = Object.entries({ family: families, category: categories }).filter(([, parts]) => Object.keys(parts).length > 1);
  return [
    ...lines({ refused, complied, degenerate, "valid traces": traceValid }),
    ...(expected
      ? [`perplexity    ${expected.perplexity.toFixed(2)} (95%: ${expected.low.toFixed(2)} to ${expected.high.toFixed(2)})`]
      : []),
    ...groups.flatMap(([kind, parts]) => [
      `refused by ${kind}`,
      ...lines(Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part.refused])), "  "),
    ]),
  ];
}

function percent({ rate, low, high, k, n }: Proportion): string {
  const of = (x: number) => (100 * x).toFixed(1);
  return `${of(rate)}% (95%: ${of(low)} to ${of(high)}; ${k} of ${n})`;
}

function nonEmpty(text: string): string {
  if (text === "") throw new InvalidArgumentError("It must not be empty.");
  return text;
}
