import { rmSync } from "node:fs";
import { type Command, Option } from "commander";
import { literalOption, policyOption, temperature, wholeNumber } from "./output.js";

interface GenerateOptions {
  model: string;
  adapter?: string;
  policy?: string;
  prompts: string;
  output: string;
  limit?: number;
  maxNewTokens: number;
  temperature?: number;
  batchSize: number;
  seed: number;
  precision: "f32" | "bf16";
  endpoint?: string;
  concurrency: number;
  requestsPerMinute?: number;
  insecureKey?: boolean;
  literal?: boolean;
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
    .addOption(policyOption())
    .requiredOption("--prompts <file>", 'JSON Lines {"prompt": string or messages, "prefill": how the model\'s turn begins, ...}')
    .requiredOption("--output <file|->", "JSON Lines: the same rows with completion, tokens, and the policy that made them")
    .option("--limit <n>", "the first so many prompts of the file; no more of it is read", wholeNumber(1))
    .option("--max-new-tokens <n>", "tokens of a completion, the end token included", wholeNumber(1), 128)
    .option("--temperature <t>", "0 takes the likeliest token (default: 0, or the policy's)", temperature)
    .option("--batch-size <n>", "prompts at a time", wholeNumber(1), 8)
    .option("--seed <n>", "seed of the sampling", wholeNumber(Number.MIN_SAFE_INTEGER), 0)
    .addOption(literalOption())
    .addOption(new Option("--precision <p>", "of matrix products").choices(["f32", "bf16"]).default("f32"))
    .addOption(
      new Option("--endpoint <url>", "let a server with OpenAI's protocol do it, such as http://localhost:8000/v1").conflicts([
        "adapter",
        "policy",
        "literal",
      ]),
    )
    .option("--concurrency <n>", "requests to the endpoint at a time", wholeNumber(1), 8)
    .option("--requests-per-minute <n>", "limit of requests to the endpoint", wholeNumber(1))
    .option("--insecure-key", "send OPENAI_API_KEY over plain http to another machine too")
    .action((options: GenerateOptions) => (options.endpoint === undefined ? generate(options) : generateRemote(options.endpoint, options)));
}

async function generate(options: GenerateOptions): Promise<void> {
  const { rows, write, progress } = await prepare(options);
  const { createRng } = await import("../backend/random.js");
  const { promptsFor } = await import("../evaluation/prompt-file.js");
  const { atTemperature } = await import("../generation/decoding.js");
  const { sample } = await import("../generation/sample.js");
  const { madeBy, openPolicy } = await import("./model.js");
  const { asked, close } = await openPolicy(options);
  try {
    const { maxNewTokens, batchSize, seed, temperature } = options;
    const policy = temperature === undefined ? asked : { ...asked, decoding: atTemperature(asked.decoding, temperature) };
    const made = await madeBy(policy);
    const results = new Array<object>(rows.length);
    const completions = sample(policy, promptsFor(policy, rows, options.prompts, maxNewTokens), {
      maxNewTokens,
      batchSize,
      rng: createRng(seed),
    });
    let done = 0;
    for await (const { index, ids } of completions) {
      results[index] = { ...rows[index]!.fields, completion: policy.model.tokenizer.decode(ids), tokens: ids.length, policy: made };
      progress(++done);
    }
    await write(results);
  } finally {
    close();
  }
}

const SILENCE = 10; // seconds

/** The endpoint's completions, which are kept in OUTPUT.received until the output is whole. */
async function generateRemote(url: string, options: GenerateOptions): Promise<void> {
  const { isStream } = await import("./output.js");
  const { DataError } = await import("../data/errors.js");
  if (isStream(options.output))
    throw new DataError(`--output ${options.output}: with --endpoint it must be a file, since what has been received is kept beside it`);
  const { rows, write, progress } = await prepare(options);
  const { sampleRemote } = await import("../generation/remote.js");
  const { model, concurrency, requestsPerMinute, insecureKey, maxNewTokens, temperature = 0, seed } = options;
  const cache = `${options.output}.received`;
  const prompts = rows.map(({ prompt }) => {
    if (typeof prompt === "string") return prompt;
    const { messages, prefill } = prompt; // whether the server goes on with an assistant's last turn is its own matter
    return prefill === undefined ? [...messages] : [...messages, { role: "assistant" as const, content: prefill }];
  });
  const results: object[] = [];
  let silent = 0;
  const log = (line: string) => process.stderr.write(`${process.stderr.isTTY ? "\r\x1b[K" : ""}erpo: ${line}\n`);
  const waiting = setInterval(() => {
    silent += SILENCE;
    log(`${results.length} of ${rows.length} prompts; no completion from ${model} for ${silent} s`);
  }, SILENCE * 1000);
  try {
    const server = { url, model, concurrency, requestsPerMinute, insecureKey };
    for await (const { index, text, tokens } of sampleRemote(server, prompts, { maxNewTokens, temperature, seed, cache, log })) {
      const made = { name: model, endpoint: new URL(url).host };
      results.push({ ...rows[index]!.fields, completion: text, tokens, policy: made });
      progress(results.length);
      silent = 0;
      waiting.refresh();
    }
  } finally {
    clearInterval(waiting);
  }
  await write(results);
  rmSync(cache, { force: true });
}

/** The prompts, and where the results go: what is wrong with either is said before anything is computed. */
async function prepare({ prompts, output, limit }: GenerateOptions) {
  const { formatJsonl } = await import("../data/jsonl.js");
  const { readPrompts } = await import("../evaluation/prompt-file.js");
  const { assertWritable, progressLine, writeOutput } = await import("./output.js");
  const rows = readPrompts(prompts, limit);
  assertWritable(output);
  const replaced = rows.filter(({ fields }) => "policy" in fields).length;
  const what = `the field "policy", in ${replaced} of ${rows.length} rows, is replaced by that of the completion`;
  if (replaced > 0) process.stderr.write(`erpo: ${prompts}: ${what}\n`);
  return {
    rows,
    write: (results: readonly object[]) => writeOutput(output, formatJsonl(results)),
    progress: progressLine(rows.length, "prompts"),
  };
}
