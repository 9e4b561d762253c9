import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";

interface Options {
  param: Record<string, unknown>;
  params?: string;
  output?: string;
  allowErrors?: boolean;
  timeout?: number;
  kernel?: string;
}

/** `erpo execute NB...`: runs notebooks, one after the other, each in a fresh kernel. */
export function register(program: Command): void {
  const command = program
    .command("execute")
    .description("run notebooks on an installed kernel, saved after each cell")
    .argument("<notebooks...>", "notebook files")
    .option("-p, --param <name value>", "a parameter and its value; may be repeated", addParameter, {})
    .option("--params <file>", "parameters from a YAML or JSON file")
    .option("--output <dir>", "write the executed notebooks there; in place unless given")
    .option("--allow-errors", "go on after a cell's error")
    .option("--timeout <seconds>", "limit for each cell", seconds)
    .option("--kernel <name>", "kernel to use; the one each notebook names unless given")
    .action(execute);
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (words) => parse(joinPairs(words));
}

/** Commander's options take one word: `-p name value` becomes `-p "name value"`, as in papermill's command line. */
function joinPairs(words: readonly string[]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const pair = (words[i] === "-p" || words[i] === "--param") && words[i + 2] !== undefined;
    joined.push(words[i]!, ...(pair ? [`${words[i + 1]} ${words[i + 2]}`] : []));
    if (pair) i += 2;
  }
  return joined;
}

/** @param pair `name value`; the value is read as JSON where it is JSON */
function addParameter(pair: string, parameters: Record<string, unknown>): Record<string, unknown> {
  const [, name, text] = /^(\S+) ([\s\S]*)$/.exec(pair) ?? [];
  if (name === undefined || text === undefined) throw new InvalidArgumentError("needs a name and a value: -p beta 0.1");
  try {
    return { ...parameters, [name]: JSON.parse(text) };
  } catch {
    return { ...parameters, [name]: text };
  }
}

async function execute(notebooks: string[], options: Options): Promise<void> {
  const { executeNotebook, InterruptedError, outputFile } = await import("../../reports/execute/execute.js");
  const { progressLine } = await import("../../reports/execute/progress.js");
  const parameters = { ...(options.params && (await readParameters(options.params))), ...options.param };
  const stop = new AbortController();
  const interrupt = () => (stop.signal.aborted ? process.exit(130) : stop.abort()); // the second Ctrl-C does not wait
  process.on("SIGINT", interrupt);
  const line = progressLine(process.stderr);
  try {
    for (const path of notebooks) {
      const { output, seconds } = await executeNotebook(path, {
        output: outputFile(path, options.output),
        parameters,
        ...(options.kernel !== undefined && { kernel: options.kernel }),
        ...(options.timeout !== undefined && { timeout: options.timeout }),
        allowErrors: options.allowErrors ?? false,
        signal: stop.signal,
        onProgress: (progress) => line.show(progress),
        onWarning: (text) => process.stderr.write(`warning: ${text}\n`),
      });
      line.clear();
      process.stdout.write(`${output}  (${seconds.toFixed(1)} s)\n`);
    }
  } catch (error) {
    line.clear();
    if (!(error instanceof InterruptedError)) throw error;
    process.stderr.write(`erpo: ${error.message}\n`);
    process.exitCode = 130;
  } finally {
    process.off("SIGINT", interrupt);
  }
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("must be a number of seconds above 0");
  return value;
}

async function readParameters(file: string): Promise<Record<string, unknown>> {
  const { parse } = await import("yaml");
  let value: unknown;
  try {
    value = parse(readFileSync(file, "utf8"));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`${file}: ${code === "ENOENT" ? "no such file" : `cannot be read (${(code ?? message).split("\n")[0]})`}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${file}: must hold an object of parameters`);
  return value as Record<string, unknown>;
}
