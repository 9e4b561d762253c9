import type { Command } from "commander";
import { adapterOption, literalOption, modelMissing, modelOption, policyOption, precisionOption, wholeNumber } from "./output.js";

interface ScoreOptions {
  model?: string;
  adapter?: string;
  policy?: string;
  data: string;
  output: string;
  batchSize: number;
  maxLength: number | null;
  precision: "f32" | "bf16";
  literal?: boolean;
}

/** `erpo score`: log-probabilities of preference pairs under a model, `{prompt, chosen, rejected}` -> sums over completion tokens and their counts. */
export function register(program: Command): void {
  program
    .command("score")
    .description("log-probabilities of the completions of preference pairs")
    .addOption(modelOption())
    .addOption(adapterOption())
    .addOption(policyOption())
    .requiredOption("--data <file>", "JSON Lines {prompt, chosen, rejected}")
    .requiredOption(
      "--output <file|->",
      "JSON Lines {chosen_logps, rejected_logps, chosen_tokens, rejected_tokens}, a row for each row of the data",
    )
    .option("--batch-size <n>", "pairs at a time", wholeNumber(1), 8)
    .option("--max-length <n>", "tokens of prompt and completion that are kept, from the start", wholeNumber(1), null)
    .addOption(literalOption())
    .addOption(precisionOption())
    .action(score);
}

async function score(options: ScoreOptions, command: Command): Promise<void> {
  if (options.model === undefined && options.policy === undefined) command.error(`error: ${modelMissing}`);
  const { readPreferences } = await import("../data/preferences.js");
  const { assertWritable, progressLine, writeOutput } = await import("./output.js");
  const rows = readPreferences(options.data);
  assertWritable(options.output);

  const { formatJsonl } = await import("../data/jsonl.js");
  const { scorePolicyPairs } = await import("../evaluation/score-policy.js");
  const { openPolicy } = await import("./model.js");
  const { asked, close } = await openPolicy(options);
  try {
    const { batchSize, maxLength } = options;
    const onBatch = progressLine(rows.length, "pairs");
    await writeOutput(
      options.output,
      formatJsonl(await scorePolicyPairs(asked, rows, { batchSize, maxLength, source: options.data, onBatch })),
    );
  } finally {
    close();
  }
}
