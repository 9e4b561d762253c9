import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Profile } from "../runs/profile.js";
import { packageRoot } from "../setup/paths.js";
import { assertWritable, defaultModel, wholeNumber } from "./output.js";

/** What every command that runs erpo's own notebooks is asked. */
export interface JobOptions {
  profile: string;
  seed: number;
  model: string;
  run?: string;
}

/** `--profile` of every command that asks how much is to be done. */
export const profileOption = (): Option =>
  new Option("--profile <name>", "how much to do: quick, full, tiny, or a JSON file that extends one of them")
    .argParser(profileChoice)
    .default("quick");

/** Adds the options of `JobOptions` to a command. */
export const withJobOptions = (command: Command): Command =>
  command
    .addOption(profileOption())
    .option("--seed <number>", "seed of every random choice", wholeNumber(0), 1)
    .option("--model <name>", "a built-in name, a .gguf file or a Hugging Face style directory", defaultModel)
    .option("--run <folder>", "where everything is kept (default: runs/<profile>)");

/** A profile's name or file, as it was given. */
function profileChoice(given: string): string {
  if (["quick", "full", "tiny"].includes(given) || given.endsWith(".json")) return given;
  throw new InvalidArgumentError("Allowed choices are quick, full, tiny and JSON files (NAME.json).");
}

/** A run's folder, checked, and the machine that is to work in it. */
export interface Job {
  dir: string;
  profile: Profile;
  /** What `measure` says of the device, and what the model multiplies each token with: see `notebookSeconds`. */
  gflops: number;
  parameters: number;
  /** The parameters of a notebook, whose paths are relative to its folder. */
  notebookParameters(notebook: string): Record<string, string | number>;
}

/** One line of what a job does, on standard error. */
export const say = (line: string): void => void process.stderr.write(`erpo: ${line}\n`);

/**
 * Makes the machine ready and checks, before anything is computed, that the model can be read and the folder is this run's.
 * @throws DataError when the folder holds another run or cannot be written; WeightsError when the model cannot be read
 */
export async function prepareJob({ profile: given, seed, model, run }: JobOptions): Promise<Job> {
  const { isProfileFile, profile } = await import("../runs/profile.js");
  const chosen = profile(given);
  const dir = resolve(run ?? join("runs", chosen.name));
  const { makeReady } = await import("../setup/ready.js");
  await makeReady(say);
  const { checkModel } = await import("../model/load.js");
  const config = await checkModel(model, { log: say });
  const { earlierRun } = await import("../runs/run.js");
  earlierRun(dir, chosen, seed); // before its notebooks are written over
  assertWritable(join(dir, "run.json"));
  const [{ measure }, { multipliedParameters }] = await Promise.all([import("../setup/doctor.js"), import("../model/footprint.js")]);
  const { gflops } = await measure();
  const [{ openDevice }, { checkHeap }] = await Promise.all([import("../backend/device.js"), import("./wasm-heap.js")]);
  checkHeap(await openDevice(), chosen, config);
  return {
    dir,
    profile: chosen,
    gflops,
    parameters: multipliedParameters(config),
    notebookParameters(notebook) {
      const fromNotebook = (path: string) => relative(dirname(notebook), resolve(path));
      const profileName = isProfileFile(given) ? fromNotebook(given) : given;
      return { runDir: fromNotebook(dir), profileName, seed, modelName: existsSync(model) ? fromNotebook(model) : model };
    },
  };
}

/** One of erpo's own notebooks, in whose folder it is run, whatever its executed copy is written to. */
export const ownNotebook = (name: string): string => join(packageRoot(), "notebooks", `${name}.ipynb`);

/** Runs notebooks one after the other, each saved after every cell. */
export async function notebookRunner(job: Job): Promise<(notebook: string, output: string) => Promise<string>> {
  const [{ executeNotebook }, { progressLine }] = await Promise.all([
    import("../../reports/execute/execute.js"),
    import("../../reports/execute/progress.js"),
  ]);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  return async (notebook, output) => {
    const line = progressLine(process.stderr);
    try {
      const options = { output, parameters: job.notebookParameters(notebook), signal: stop.signal, onProgress: line.show };
      const { output: written, seconds } = await executeNotebook(notebook, options);
      line.clear();
      say(`  ${seconds.toFixed(0)} s`);
      return written;
    } finally {
      line.clear();
    }
  };
}
