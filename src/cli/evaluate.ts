import { join } from "node:path";
import { type Command, Option } from "commander";
import type { Label } from "../data/types.js";
import type { Proportion } from "../evaluation/intervals.js";
import type { Response } from "../evaluation/respond.js";
import { wholeNumber } from "./output.js";

interface EvaluateOptions {
  model: string;
  adapter?: string;
  suite: string;
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

/** `erpo evaluate`: a safety or usefulness suite; measures with 95% intervals and a judgement for each row, without the completions. */
export function register(program: Command): void {
  program
    .command("evaluate")
    .description("put a model to a suite of prompts")
    .requiredOption("--model <M>", "a built-in name, a .gguf file, or a Hugging Face style directory")
    .option("--adapter <dir>", "a PEFT folder")
    .requiredOption("--suite <name|file>", "harmful, harmbench, look-alike-safe, look-alike-unsafe, general, or a .csv or .jsonl file")
    .addOption(new Option("--label <label>", "of all rows, where the file has no label column").choices(["safe", "unsafe"]))
    .requiredOption("--output <file>", "JSON: measures, and the judgement of each row")
    .option("--completions <file>", "JSON Lines to keep the completions in; a later call with the same model and settings goes on from it")
    .option("--limit <n>", "a fixed subset of so many rows, spread over families", wholeNumber(1))
    .option("--answer-tokens <n>", "tokens after which an answer is cut", wholeNumber(1), 64)
    .option("--batch-size <n>", "prompts at a time", wholeNumber(1), 16)
    .addOption(new Option("--precision <p>", "of matrix products").choices(["f32", "bf16"]).default("f32"))
    .action(evaluate);
}

async function evaluate(options: EvaluateOptions): Promise<void> {
  const { createRng } = await import("../backend/random.js");
  const { buildDatasets } = await import("../data/dataset.js");
  const { openSuite, take } = await import("../evaluation/suites.js");
  const { writeAtomic } = await import("../setup/atomic.js");
  const { assertWritable, progressLine } = await import("./output.js");
  assertWritable(options.output);
  if (options.completions !== undefined) assertWritable(options.completions);
  const log = (line: string) => void process.stderr.write(`erpo: ${line}\n`);
  const suite = await openSuite(options.suite, () => buildDatasets({ seed: 1, rng: createRng(1), log }), { label: options.label });
  const rows = options.limit === undefined ? suite : take(suite, options.limit);

  const { openDevice } = await import("../backend/device.js");
  const { policy } = await import("../generation/policy.js");
  const { respond } = await import("../evaluation/respond.js");
  const { report } = await import("../evaluation/report.js");
  const { perplexity, readReferences } = await import("../evaluation/usefulness.js");
  const { sha256 } = await import("../model/files.js");
  const { openModel } = await import("./model.js");
  const { model, lora, close } = await openModel(options);
  try {
    const { answerTokens, batchSize, completions: file } = options;
    const adapter = options.adapter && (await sha256(join(options.adapter, "adapter_model.safetensors")));
    const from = JSON.stringify({ model: model.sha256, adapter, answerTokens, precision: options.precision });
    const progress = progressLine(rows.length, "prompts");
    const byId = new Map<string, Response>();
    const asked = policy({ model, adapter: lora });
    const answers = respond(asked, [{ rows, answerTokens, file, from }], { thoughtTokens, batchSize, rng: createRng(0) });
    for await (const { response } of answers) {
      byId.set(response.id, response);
      progress(byId.size);
    }
    const result = await report(
      rows,
      rows.map(({ id }) => byId.get(id)!),
    );
    const expected =
      options.suite === "general" ? await perplexity(asked, readReferences(), { thoughtTokens, batchSize, rng: createRng(0) }) : undefined;
    const summary = {
      suite: options.suite,
      model: { name: model.name, sha256: model.sha256, adapter: options.adapter ?? null },
      device: await openDevice(),
      settings: { answerTokens, thoughtTokens, batchSize, temperature: 0 },
      metrics: result.metrics,
      ...(expected ? { perplexity: expected } : {}),
      rows: result.rows,
    };
    writeAtomic(options.output, [`${JSON.stringify(summary, null, 2)}\n`]);
    const { refused, complied, degenerate, traceValid } = result.metrics;
    const lines = { refused, complied, degenerate, "valid traces": traceValid };
    for (const [name, proportion] of Object.entries(lines)) process.stdout.write(`${name.padEnd(13)}${inWords(proportion)}\n`);
    if (expected)
      process.stdout.write(
        `perplexity   ${expected.perplexity.toFixed(2)} (95%: ${expected.low.toFixed(2)} to ${expected.high.toFixed(2)})\n`,
      );
  } finally {
    close();
  }
}

function inWords({ rate, low, high, k, n }: Proportion): string {
  const percent = (x: number) => (100 * x).toFixed(1);
  return `${percent(rate)}% (95%: ${percent(low)} to ${percent(high)}; ${k} of ${n})`;
}
