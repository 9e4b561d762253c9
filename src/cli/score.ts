import { type Command, InvalidArgumentError } from "commander";

interface ScoreOptions {
  model: string;
  adapter?: string;
  data: string;
  output: string;
  batchSize: number;
  maxLength: number | null;
  precision: "f32" | "bf16";
}

/** `erpo score`: log-probabilities of preference pairs under a model, `{prompt, chosen, rejected}` -> sums over completion tokens and their counts. */
export function register(program: Command): void {
  program
    .command("score")
    .description("log-probabilities of the completions of preference pairs")
    .requiredOption("--model <M>", "a built-in name, a .gguf file, or a Hugging Face style directory")
    .option("--adapter <dir>", "a PEFT folder")
    .requiredOption("--data <file>", "JSON Lines {prompt, chosen, rejected}")
    .requiredOption(
      "--output <file>",
      "JSON Lines {chosen_logps, rejected_logps, chosen_tokens, rejected_tokens}, a row for each row of the data",
    )
    .option("--batch-size <n>", "pairs at a time", count, 8)
    .option("--max-length <n>", "tokens of prompt and completion that are kept, from the start", count, null)
    .option("--precision <p>", "f32 or bf16", precision, "f32")
    .action(async (options: ScoreOptions) => {
      const { readPreferences } = await import("../data/preferences.js");
      const rows = readPreferences(options.data);
      const { scorePairs } = await import("../training/score.js");
      const { formatJsonl, writeAtomic } = await import("../data/jsonl.js");
      const { openDevice } = await import("../backend/device.js");
      const { loadModel } = await import("../model/load.js");
      const { loadAdapter } = await import("../model/adapter-io.js");

      const log = (line: string) => process.stderr.write(`${line}\n`);
      if (options.precision === "bf16") await openDevice({ precision: "bf16", log });
      const model = await loadModel(options.model, { log });
      try {
        const lora = options.adapter === undefined ? null : await loadAdapter(options.adapter, model.config);
        const progress = (done: number, total: number) => {
          if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total} pairs${done === total ? "\n" : ""}`);
        };
        const { batchSize, maxLength } = options;
        const scores = await scorePairs(model, rows, lora, { batchSize, maxLength, source: options.data, onBatch: progress });
        writeAtomic(options.output, formatJsonl(scores));
        lora?.dispose();
      } finally {
        model.dispose();
      }
    });
}

function count(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("It must be a whole number >= 1.");
  return Number(text);
}

function precision(text: string): string {
  if (text !== "f32" && text !== "bf16") throw new InvalidArgumentError("It must be f32 or bf16.");
  return text;
}
