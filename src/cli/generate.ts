import { lstatSync, rmSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { PromptLine } from "../evaluation/prompt-file.js";
import type { Policy } from "../generation/policy.js";
import type { Prompt } from "../generation/types.js";
import {
  adapterOption,
  defaultModel,
  literalOption,
  policyOption,
  precisionOption,
  repeated,
  say,
  temperature,
  wholeNumber,
} from "./output.js";

interface GenerateOptions {
  model?: string;
  adapter?: string;
  policy?: string;
  prompts?: string;
  output?: string;
  limit?: number;
  maxNewTokens: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  stop: string[];
  samples: number;
  batchSize: number;
  seed: number;
  precision: "f32" | "bf16";
  endpoint?: string;
  concurrency: number;
  requestsPerMinute?: number;
  insecureKey?: boolean;
  literal?: boolean;
}

/** `erpo generate`: completions of a file of prompts, in its order, with the other fields passed through; or what is answered to a text, on standard output. */
export function register(program: Command): void {
  program
    .command("generate")
    .description("complete prompts of a file, or answer a text at once")
    .argument("[text]", "a question, whose answer goes to standard output; in the place of --prompts and --output")
    .option(
      "--model <M>",
      `a built-in name, a .gguf file, or a Hugging Face style directory (required, but with --policy: the one that its folder names, and with TEXT: ${defaultModel}); with --endpoint the server's name for it`,
    )
    .addOption(adapterOption())
    .addOption(policyOption())
    .option(
      "--prompts <file>",
      'JSON Lines {"prompt": a string, which is continued as it stands, or messages, which are asked as a chat; "prefill": how the model\'s turn begins, ...} (required without TEXT)',
    )
    .option(
      "--output <file|->",
      "JSON Lines: the same rows with completion (completions, where there are several samples), tokens, and the policy that made them (required without TEXT)",
    )
    .option("--limit <n>", "the first so many prompts of the file; no more of it is read", wholeNumber(1))
    .option("--max-new-tokens <n>", "tokens of a completion, the end token included", wholeNumber(1), 128)
    .option("--temperature <t>", "0 takes the likeliest token (default: 0, or the policy's)", temperature)
    .option("--top-p <p>", "of the tokens only the likeliest that together have this probability; needs a temperature above 0", share)
    .option("--top-k <k>", "of the tokens only the k likeliest; needs a temperature above 0", wholeNumber(1))
    .option("--stop <text>", "end a completion behind this text; may be repeated", repeated, [])
    .option("--samples <n>", "completions of each prompt; several need a temperature above 0", wholeNumber(1), 1)
    .option("--batch-size <n>", "prompts at a time", wholeNumber(1), 8)
    .option("--seed <n>", "seed of the sampling", wholeNumber(Number.MIN_SAFE_INTEGER), 0)
    .addOption(literalOption())
    .addOption(precisionOption())
    .addOption(
      new Option("--endpoint <url>", "let a server with OpenAI's protocol do it, such as http://localhost:8000/v1").conflicts([
        ...["adapter", "policy", "literal", "precision", "batchSize", "topP", "topK", "stop", "samples"],
      ]),
    )
    .option("--concurrency <n>", "requests to the endpoint at a time", wholeNumber(1), 8)
    .option("--requests-per-minute <n>", "limit of requests to the endpoint", wholeNumber(1))
    .option("--insecure-key", "send OPENAI_API_KEY over plain http to another machine too")
    .action(generateAny);
}

/** Options that are whole: a file of prompts and where its completions go. */
type FileOptions = GenerateOptions & Required<Pick<GenerateOptions, "prompts" | "output">>;

async function generateAny(text: string | undefined, options: GenerateOptions, command: Command): Promise<void> {
  const wrong = (message: string) => command.error(`error: ${message}`, { exitCode: 2 });
  if (text !== undefined) {
    const besides = (["prompts", "output", "endpoint", "limit"] as const).find((name) => options[name] !== undefined);
    if (besides !== undefined) wrong(`a text is answered on standard output: leave out --${besides}`);
    return answer(text, options);
  }
  const { endpoint, policy } = options;
  const idle = ["concurrency", "requestsPerMinute", "insecureKey"].find((name) => command.getOptionValueSource(name) === "cli");
  if (idle !== undefined && endpoint === undefined) {
    const { flags } = command.options.find((option) => option.attributeName() === idle)!;
    wrong(`option '${flags}' goes with --endpoint`);
  }
  const required = (["model", "prompts", "output"] as const).filter((name) => name !== "model" || policy === undefined);
  const missing = required.filter((name) => options[name] === undefined);
  if (missing.length > 0)
    wrong(`required option${missing.length > 1 ? "s" : ""} '--${missing.join("', '--")}' not specified, or a text to answer`);
  const whole = options as FileOptions;
  return endpoint === undefined ? generate(whole) : generateRemote(endpoint, whole as FileOptions & { model: string });
}

/** Answers a text: what is said, as somebody reads it; several samples apart by an empty line. */
async function answer(text: string, options: GenerateOptions): Promise<void> {
  const { printable } = await import("../data/printable.js");
  const { openPolicy } = await import("./model.js");
  const { redrawn } = await import("../generation/decoding.js");
  const model = options.model ?? (options.policy === undefined ? defaultModel : undefined);
  const { asked, close } = await openPolicy({ ...options, model });
  try {
    const policy = { ...asked, decoding: redrawn(asked.decoding, options) };
    const [completions] = await complete(policy, [{ messages: [{ role: "user", content: text }] }], options);
    const lines = (completion: string) => completion.trim().split("\n").map(printable).join("\n");
    process.stdout.write(`${completions!.map(({ completion }) => lines(completion)).join("\n\n")}\n`);
  } finally {
    close();
  }
}

/** A completion and its number of tokens. */
interface Made {
  completion: string;
  tokens: number;
}

/** Completions of each prompt, as many as there are to be samples. @throws DataError where several samples would be equal */
async function complete(
  policy: Policy,
  prompts: readonly Prompt[],
  { maxNewTokens, batchSize, seed, samples, stop, topP, topK }: GenerateOptions,
  onPrompt: (done: number) => void = () => {},
): Promise<Made[][]> {
  const { createRng } = await import("../backend/random.js");
  const { DataError } = await import("../data/errors.js");
  const { sample } = await import("../generation/sample.js");
  const drawn = policy.decoding.choice.temperature > 0;
  const idle = !drawn && (samples > 1 ? "--samples" : topP !== undefined ? "--top-p" : topK !== undefined ? "--top-k" : null);
  if (idle) throw new DataError(`${idle}: at temperature 0 there is nothing to draw: give --temperature`);
  const { tokenizer } = policy.model;
  const ended = (ids: readonly number[]) => {
    const text = tokenizer.decode([...ids]);
    return stop.some((end) => text.includes(end));
  };
  const results = prompts.map((): Made[] => []);
  const completions = sample(
    policy,
    prompts.flatMap((prompt) => Array.from({ length: samples }, () => prompt)),
    { maxNewTokens, batchSize, rng: createRng(seed), ...(stop.length > 0 && { stop: ended }) },
  );
  let done = 0;
  for await (const { index, ids } of completions) {
    const of = Math.floor(index / samples);
    results[of]![index % samples] = { completion: tokenizer.decode(ids), tokens: ids.length };
    if (results[of]!.filter(Boolean).length === samples) onPrompt(++done);
  }
  return results;
}

async function generate(options: FileOptions): Promise<void> {
  const { rows, write, progress } = await prepare(options);
  const { promptsFor } = await import("../evaluation/prompt-file.js");
  const { madeBy, openPolicy } = await import("./model.js");
  const { redrawn } = await import("../generation/decoding.js");
  const { asked, close } = await openPolicy(options);
  try {
    const policy = { ...asked, decoding: redrawn(asked.decoding, options) };
    const by = await madeBy(policy);
    const made = await complete(policy, promptsFor(policy, rows, options.prompts, options.maxNewTokens), options, progress);
    const several = (own: readonly Made[]) => ({
      completions: own.map(({ completion }) => completion),
      tokens: own.map(({ tokens }) => tokens),
    });
    await write(made.map((own, i) => ({ ...rows[i]!.fields, ...(options.samples > 1 ? several(own) : own[0]!), policy: by })));
  } finally {
    close();
  }
}

const SILENCE = 10; // seconds

/** The endpoint's completions, which are kept in OUTPUT.received until the output is whole. */
async function generateRemote(url: string, options: FileOptions & { model: string }): Promise<void> {
  const { isStream } = await import("./output.js");
  const { DataError } = await import("../data/errors.js");
  if (isStream(options.output))
    throw new DataError(`--output ${options.output}: with --endpoint it must be a file, since what has been received is kept beside it`);
  const { rows, write, progress } = await prepare(options);
  const { lockOf } = await import("./output.js");
  const { soleWriter } = await import("../setup/sole-writer.js");
  const { output } = options;
  await soleWriter(output, lockOf(output), "wait for it, or name another --output", async () => {
    const received = receivedOf(output);
    try {
      await write(await askRemote(url, options, rows, progress));
      rmSync(received, { force: true });
    } finally {
      if (isEmptyFile(received)) rmSync(received);
    }
  });
}

/** Links are left alone, wherever they lead. */
function isEmptyFile(path: string): boolean {
  const there = lstatSync(path, { throwIfNoEntry: false });
  return there?.isFile() === true && there.size === 0;
}

const receivedOf = (output: string) => `${output}.received`;

/** What a server answers to the rows' prompts, with their other fields. */
async function askRemote(
  url: string,
  options: FileOptions & { model: string },
  rows: readonly PromptLine[],
  progress: (done: number) => void,
): Promise<object[]> {
  const { sampleRemote } = await import("../generation/remote.js");
  const { model, concurrency, requestsPerMinute, insecureKey, maxNewTokens, temperature = 0, seed } = options;
  const cache = receivedOf(options.output);
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
  return results;
}

/** The prompts, and where the results go: what is wrong with either is said before anything is computed. */
async function prepare({ prompts, output, limit }: FileOptions) {
  const { formatJsonl } = await import("../data/jsonl.js");
  const { readPrompts } = await import("../evaluation/prompt-file.js");
  const { assertWritable, progressLine, writeOutput } = await import("./output.js");
  const rows = readPrompts(prompts, limit);
  assertWritable(output);
  const replaced = rows.filter(({ fields }) => "policy" in fields).length;
  const what = `the field "policy", in ${replaced} of ${rows.length} rows, is replaced by that of the completion`;
  if (replaced > 0) say(`${prompts}: ${what}`);
  return {
    rows,
    write: (results: readonly object[]) => writeOutput(output, formatJsonl(results)),
    progress: progressLine(rows.length, "prompts"),
  };
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value > 0 && value <= 1)) throw new InvalidArgumentError("It must be a number above 0, up to 1.");
  return value;
}
