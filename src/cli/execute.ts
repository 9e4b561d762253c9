import { basename } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { ExecuteOptions, ExecuteResult } from "../../reports/execute/execute.js";
import type { ProgressLine } from "../../reports/execute/progress.js";
import { type Axis, parseAxis } from "../../reports/sweep/axes.js";
import { isRecord, isTooDeep, tooDeep } from "../setup/json.js";
import { addParameter, assertDeclared, takesPairs } from "./notebook-parameters.js";
import { folder, names, say } from "./output.js";

interface Options {
  param: Record<string, unknown>;
  params?: string;
  sweep: Axis[];
  groupBy?: string[];
  output?: string;
  allowErrors?: boolean;
  timeout?: number;
  kernel?: string;
  cache: boolean;
}

/** `erpo execute NB...`: runs notebooks, one after the other, each in a fresh kernel. */
export function register(program: Command): void {
  const command = program
    .command("execute")
    .description("run notebooks on an installed kernel, saved after each cell")
    .argument("<notebooks...>", "notebook files")
    .option("-p, --param <name value>", "a parameter and its value; may be repeated", addParameter, {})
    .option("--params <file>", "parameters from a YAML or JSON file")
    .option("--sweep <name=a,b,c>", "run with each of these values, into --output; repeated: with each combination", addAxis, [])
    .option("--group-by <names>", "of a sweep: mean and spread for each value of these; of all but the seed where the seed is swept", names)
    .option("--output <dir>", "write the executed notebooks there; in place unless given (required with --sweep)", folder)
    .option("--no-cache", "run everything; without it a notebook is run only if something that it depends on has changed")
    .option("--allow-errors", "go on after a cell's error")
    .option("--timeout <seconds>", "limit for each cell", seconds)
    .option("--kernel <name>", "kernel to use; the one each notebook names unless given")
    .addHelpText(
      "after",
      `
A sweep gives each combination a run of its own, DIR/runs/NAME=VALUE, a branch of the run that the notebooks' runDir names: what the swept parameters do not touch
is computed once and shared, whichever member comes first. --sweep seed=1,2,3 repeats a notebook with other randomness. Stopped or killed, the
same command goes on.`,
    )
    .hook("preAction", checkTogether)
    .action(execute);
  takesPairs(command);
}

function addAxis(text: string, axes: readonly Axis[]): Axis[] {
  let axis: Axis;
  try {
    axis = parseAxis(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  if (axes.some(({ name }) => name === axis.name)) throw new InvalidArgumentError(`${axis.name} is swept twice`);
  return [...axes, axis];
}

/** Ends with what is wrong where options or notebooks do not go together. */
function checkTogether(command: Command): void {
  const options = command.opts<Options>();
  const { sweep, output } = options;
  if (sweep.length && output === undefined) command.error("error: --sweep writes many files: needs --output DIR", { exitCode: 2 });
  const unknown = options.groupBy?.find((name) => !sweep.some((axis) => axis.name === name));
  if (unknown !== undefined) command.error(`error: --group-by ${unknown}: is not swept`, { exitCode: 2 });
  const swept = sweep.find(({ name }) => name in options.param);
  if (swept) command.error(`error: ${swept.name} has a value by -p and others by --sweep: give one of them`, { exitCode: 2 });
  const files = command.args.map((path) => basename(path));
  const twice = files.find((name, i) => files.indexOf(name) < i);
  if (twice !== undefined && output !== undefined && !sweep.length)
    command.error(`error: two notebooks have the name ${twice}: --output cannot take both`, { exitCode: 2 });
}

async function execute(notebooks: string[], options: Options): Promise<void> {
  const { sweep, output } = options;
  await assertDeclared(notebooks, options.param);
  const { progressLine } = await import("../../reports/execute/progress.js");
  const stop = new AbortController();
  const interrupt = () => (stop.signal.aborted ? process.exit(130) : stop.abort()); // the second Ctrl-C does not wait
  process.on("SIGINT", interrupt);
  const line = progressLine(process.stderr);
  const how: Settings = {
    parameters: { ...(options.params && (await readParameters(options.params))), ...options.param },
    ...(options.kernel !== undefined && { kernel: options.kernel }),
    ...(options.timeout !== undefined && { timeout: options.timeout }),
    allowErrors: options.allowErrors ?? false,
    signal: stop.signal,
    onProgress: (progress) => line.show(progress),
    onWarning: (text) => process.stderr.write(`warning: ${text}\n`),
  };
  try {
    if (sweep.length) await runSweep(notebooks, { ...options, output: output! }, how, line);
    else await runEach(notebooks, options, how, line);
  } finally {
    line.clear();
    process.off("SIGINT", interrupt);
  }
}

/** What all runs of a call have in common. */
type Settings = Omit<ExecuteOptions, "output" | "cache">;

async function runEach(notebooks: readonly string[], { output, cache }: Options, how: Settings, line: ProgressLine): Promise<void> {
  const { executeNotebook, outputFile } = await import("../../reports/execute/execute.js");
  const after: string[] = [];
  for (const path of notebooks) {
    const result = await executeNotebook(path, {
      ...how,
      output: outputFile(path, output),
      ...(cache && { cache: { after: [...after] } }),
    });
    after.push(result.hash);
    line.clear();
    process.stdout.write(`${result.output}  (${howMade(result)})\n`);
  }
}

async function runSweep(
  notebooks: readonly string[],
  { sweep, groupBy, output, cache }: Options & { output: string },
  how: Settings,
  line: ProgressLine,
): Promise<void> {
  const [{ executeSweep }, { beginBranch, parentsOf }, { sharing }] = await Promise.all([
    import("../../reports/sweep/run.js"),
    import("../runs/branch.js"),
    import("../runs/sharing.js"),
  ]);
  const { page, members } = await executeSweep(notebooks, sweep, {
    ...how,
    output,
    cache,
    branching: { beginBranch, parentsOf, sharing },
    ...(groupBy && { groupBy }),
    onMember({ result, message, output: file, sharing }) {
      line.clear();
      const shared = sharing ? `; shared ${sharing.shared} of ${sharing.results} results` : "";
      if (result) process.stdout.write(`${result.output}  (${howMade(result)}${shared})\n`);
      else say(`${basename(file)}: ${message}`);
    },
  });
  process.stdout.write(`${page}\n`);
  const failed = members.filter(({ status }) => status !== "done").length;
  if (failed === 0) return;
  say(`${failed} of ${members.length} runs failed`);
  process.exitCode = 1;
}

function howMade({ seconds, cached, uncached }: ExecuteResult): string {
  if (cached !== undefined) return `from the cache: nothing that it depends on has changed since ${cached}`;
  return `${seconds.toFixed(1)} s${uncached === undefined ? "" : `; not cached: ${uncached}`}`;
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("must be a number of seconds above 0");
  return value;
}

async function readParameters(file: string): Promise<Record<string, unknown>> {
  const { parse } = await import("yaml");
  const { readText } = await import("../data/jsonl.js");
  const text = readText(file);
  if (isTooDeep(text)) throw new Error(`${file}: cannot be read (${tooDeep})`);
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new Error(`${file}: cannot be read (${(error as Error).message.split("\n")[0]})`);
  }
  if (!isRecord(value)) throw new Error(`${file}: must hold an object of parameters`);
  return value;
}
