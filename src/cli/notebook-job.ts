import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Span } from "../methods/erpo/duration.js";
import type { TrainingSpeed } from "../methods/erpo/three-steps.js";
import type { Profile } from "../runs/profile.js";
import { packageRoot } from "../setup/paths.js";
import { assertBesideSources, assertIdleOutputs, type JobNotebook, whenBusy } from "./job-outputs.js";
import { assertWritable, defaultModel, say, wholeNumber } from "./output.js";

/** What every command that runs erpo's own notebooks is asked. */
export interface JobOptions {
  profile: string;
  seed: number;
  model: string;
  run?: string;
}

/** `--profile` of every command that asks how much is to be done. */
export const profileOption = (): Option =>
  new Option("--profile <name>", "how much to do: demo (minutes), quick, full, tiny (for tests), or a JSON file that extends one of them")
    .argParser(profileChoice)
    .default("quick");

/** Adds the options of `JobOptions` to a command. */
export const withJobOptions = (command: Command): Command =>
  command
    .addOption(profileOption())
    .option("--seed <number>", "seed of every random choice", wholeNumber(0), 1)
    .option("--model <name>", "a built-in name, a .gguf file or a Hugging Face style directory", defaultModel)
    .option("--run <folder>", "where everything is kept (default: runs/<profile>)", runFolder);

/** A run's folder, as it was given: an empty word, such as of a shell's variable that is not set, is none. */
function runFolder(given: string): string {
  if (given.trim() === "") throw new InvalidArgumentError("It must be a folder: it is empty, as a variable that is not set is.");
  return given;
}

/** A profile's name or file, as it was given. */
function profileChoice(given: string): string {
  if (["demo", "quick", "full", "tiny"].includes(given) || given.endsWith(".json")) return given;
  throw new InvalidArgumentError("Allowed choices are demo, quick, full, tiny and JSON files (NAME.json).");
}

/** A run's folder, checked, and what is to work in it. */
export interface Job {
  dir: string;
  profile: Profile;
  model: string;
  /** The parameters of a notebook, whose paths are relative to its folder. */
  notebookParameters(notebook: string): Record<string, string | number>;
}

/**
 * Makes the machine ready and checks, before anything is computed, that the model can be read and the folder is this run's.
 * @param notebooksOf the job's notebooks, of a profile in a run's folder
 * @throws DataError when the folder holds another run, cannot be written or is no place for a run; BusyError when another job works there; WeightsError when the model cannot be read
 */
export async function prepareJob(
  { profile: given, seed, model, run }: JobOptions,
  notebooksOf: (dir: string, profile: Profile) => JobNotebook[],
): Promise<Job> {
  const { isProfileFile, profile } = await import("../runs/profile.js");
  const chosen = profile(given);
  const dir = resolve(run ?? join("runs", chosen.name));
  const notebooks = notebooksOf(dir, chosen);
  assertBesideSources(dir, notebooks);
  assertIdleOutputs(notebooks);
  const { makeReady } = await import("../setup/ready.js");
  await makeReady(say);
  const { checkModel } = await import("../model/load.js");
  const config = await checkModel(model, { log: say });
  const { earlierRun } = await import("../runs/run.js");
  const before = earlierRun(dir, chosen, seed); // before its notebooks are written over
  assertWritable(join(dir, "run.json"));
  if (!before) say(`${relative(process.cwd(), dir) || "."} holds no run yet: one begins there`);
  const [{ openDevice }, { checkHeap }] = await Promise.all([import("../backend/device.js"), import("./wasm-heap.js")]);
  checkHeap(await openDevice(), chosen, config);
  return {
    dir,
    profile: chosen,
    model,
    notebookParameters(notebook) {
      const fromNotebook = (path: string) => relative(dirname(notebook), resolve(path));
      const profileName = isProfileFile(given) ? fromNotebook(given) : given;
      return { runDir: fromNotebook(dir), profileName, seed, modelName: existsSync(model) ? fromNotebook(model) : model };
    },
  };
}

/** What three steps of training, and a product of matrices, say of this machine; `notebookSeconds` takes `gflops` and `parameters`. */
export interface JobSpeed extends TrainingSpeed {
  gflops: number;
  parameters: number;
}

/** Measures the machine for a job, in a process of its own. @throws SetupError with the line that the process failed with */
export async function jobSpeed({ model, profile }: Job): Promise<JobSpeed> {
  say("trying three steps of training, to say how long this takes");
  const [{ execute }, { SetupError }, { parametersBySpeed }] = await Promise.all([
    import("../setup/execute.js"),
    import("../setup/files.js"),
    import("../methods/erpo/duration.js"),
  ]);
  const script = fileURLToPath(new URL("./speed-process.js", import.meta.url));
  const { code, output } = await execute(process.execPath, [script, model, JSON.stringify(profile)]);
  const lines = output.trim().split("\n");
  const said = lines.findLast((line) => line.startsWith('{"tokensPerSecond"'));
  if (code === 0 && said !== undefined) {
    const speed = JSON.parse(said) as TrainingSpeed & { gflops: number };
    return { ...speed, parameters: parametersBySpeed(speed.gflops, speed.tokensPerSecond) };
  }
  const cause = lines.find((line) => /^(?:\w*Error|Uncaught)/.test(line)) ?? lines.at(-1) ?? "";
  throw new SetupError(`three steps of training failed: ${cause || `exit code ${code}`}`);
}

/** One of erpo's own notebooks, in whose folder it is run, whatever its executed copy is written to. */
export const ownNotebook = (name: string): string => join(packageRoot(), "notebooks", `${name}.ipynb`);

/** Runs one of a job's notebooks. @returns the file that was written, and how long it took */
export type RunNotebook = (notebook: JobNotebook) => Promise<{ output: string; seconds: number }>;

/**
 * Runs notebooks one after the other, each saved after every cell; says meanwhile what is computed.
 * @param left what is left of the job when the running notebook has taken so many seconds; null where that is not known
 */
export async function notebookRunner(
  { dir, notebookParameters }: Job,
  left: (running: number) => Span | null = () => null,
): Promise<RunNotebook> {
  const [{ executeNotebook }, { jobProgress }] = await Promise.all([
    import("../../reports/execute/execute.js"),
    import("./job-progress.js"),
  ]);
  return async ({ source, output }) => {
    const stop = new AbortController();
    const interrupt = () => stop.abort();
    process.once("SIGINT", interrupt);
    const progress = jobProgress(process.stderr, dir, left);
    try {
      const options = { output, whenBusy, parameters: notebookParameters(source), signal: stop.signal, onProgress: progress.show };
      const { output: written, seconds } = await executeNotebook(source, options);
      return { output: written, seconds };
    } finally {
      process.off("SIGINT", interrupt);
      progress.clear();
    }
  };
}
