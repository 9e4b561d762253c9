import { type Command, InvalidArgumentError, Option } from "commander";
import { wholeNumber } from "./output.js";

interface GenerateOptions {
  model: string;
  adapter?: string;
  prompts: string;
  output: string;
  maxNewTokens: number;
  temperature: number;
  batchSize: number;
  seed: number;
  precision: "f32" | "bf16";
  endpoint?: string;
  concurrency: number;
  requestsPerMinute?: number;
}

/** `erpo generate`: completions of a file of prompts, in its order, with the other fields passed through. */
export function register(program: Command): void {
  program
    .command("generate")
    .description("complete prompts")
    .requiredOption(
      "--model <M>",
      "a built-in name, a .gguf file, or a Hugging Face style directory; with --endpoint the server's name for it",
    )
    .option("--adapter <dir>", "a PEFT folder")
    .requiredOption("--prompts <file>", 'JSON Lines {"prompt": string or messages, ...}')
    .requiredOption("--output <file>", "JSON Lines: the same rows with completion and tokens")
    .option("--max-new-tokens <n>", "tokens of a completion, the end token included", wholeNumber(1), 128)
    .option("--temperature <t>", "0 takes the likeliest token", temperature, 0)
    .option("--batch-size <n>", "prompts at a time", wholeNumber(1), 8)
    .option("--seed <n>", "seed of the sampling", wholeNumber(Number.MIN_SAFE_INTEGER), 0)
    .addOption(new Option("--precision <p>", "of matrix products").choices(["f32", "bf16"]).default("f32"))
    .addOption(
      new Option("--endpoint <url>", "let a server with OpenAI's protocol do it, such as http://localhost:8000/v1").conflicts(["adapter"]),
    )
    .option("--concurrency <n>", "requests to the endpoint at a time", wholeNumber(1), 8)
    .option("--requests-per-minute <n>", "limit of requests to the endpoint", wholeNumber(1))
    .action((options: GenerateOptions) => (options.endpoint === undefined ? generate(options) : generateRemote(options.endpoint, options)));
}

async function generate(options: GenerateOptions): Promise<void> {
  const { readPrompts, promptTokens } = await import("../evaluation/prompt-file.js");
  const { assertWritable, progressLine } = await import("./output.js");
  const rows = readPrompts(options.prompts);
  assertWritable(options.output);

  const { createRng } = await import("../backend/random.js");
  const { DataError } = await import("../data/errors.js");
  const { formatJsonl } = await import("../data/jsonl.js");
  const { writeAtomic } = await import("../setup/atomic.js");
  const { plain } = await import("../generation/decoding.js");
  const { policy } = await import("../generation/policy.js");
  const { sample } = await import("../generation/sample.js");
  const { openModel } = await import("./model.js");
  const { model, lora, close } = await openModel(options);
  try {
    const { tokenizer, config } = model;
    const { maxNewTokens, batchSize, seed, temperature } = options;
    const prompts = rows.map(({ line, prompt }) => {
      const ids = promptTokens(prompt, tokenizer);
      const where = `${options.prompts}:${line}: prompt`;
      if (ids.length === 0) throw new DataError(`${where}: is empty`);
      if (ids.length + maxNewTokens > config.maxPositions) {
        throw new DataError(
          `${where}: ${ids.length} tokens and ${maxNewTokens} new ones, but the model has ${config.maxPositions} positions`,
        );
      }
      return ids;
    });

    const results = new Array<object>(rows.length);
    const progress = progressLine(rows.length, "prompts");
    let done = 0;
    const completions = sample(policy({ model, adapter: lora, decoding: plain({ temperature }) }), prompts, {
      maxNewTokens,
      batchSize,
      rng: createRng(seed),
    });
    for await (const { index, ids } of completions) {
      results[index] = { ...rows[index]!.fields, completion: tokenizer.decode(ids), tokens: ids.length };
      progress(++done);
    }
    writeAtomic(options.output, [formatJsonl(results)]);
  } finally {
    close();
  }
}

/** The endpoint's completions, which are kept in OUTPUT.received until the output is whole. */
async function generateRemote(url: string, options: GenerateOptions): Promise<void> {
  const { readPrompts } = await import("../evaluation/prompt-file.js");
  const { assertWritable, progressLine } = await import("./output.js");
  const { formatJsonl } = await import("../data/jsonl.js");
  const { sampleRemote } = await import("../generation/remote.js");
  const { writeAtomic } = await import("../setup/atomic.js");
  const rows = readPrompts(options.prompts);
  assertWritable(options.output);
  const { model, concurrency, requestsPerMinute, maxNewTokens, temperature, seed } = options;
  const cache = `${options.output}.received`;
  const prompts = rows.map(({ prompt }) => prompt);
  const results: object[] = [];
  const progress = progressLine(rows.length, "prompts");
  const completions = sampleRemote({ url, model, concurrency, requestsPerMinute }, prompts, { maxNewTokens, temperature, seed, cache });
  for await (const { index, text, tokens } of completions) {
    results.push({ ...rows[index]!.fields, completion: text, tokens });
    progress(results.length);
  }
  writeAtomic(options.output, [formatJsonl(results)]);
}

function temperature(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value < Number.POSITIVE_INFINITY)) throw new InvalidArgumentError("It must be a number >= 0.");
  return value;
}
