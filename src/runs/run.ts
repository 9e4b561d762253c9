import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type AskedPrecision, type Device, openDevice } from "../backend/device.js";
import { createRng, type Rng } from "../backend/random.js";
import { buildDatasets, type Datasets } from "../data/dataset.js";
import { DataError } from "../data/errors.js";
import { type Source, textSha256 } from "../data/manifest.js";
import { givenSources, type PromptFiles } from "../data/own.js";
import { loadDatasets, writeDatasets } from "../data/store.js";
import { type TraceWriter, traceWeights } from "../exante/rows.js";
import { defaultRules } from "../exante/rule-file.js";
import { type RuleSet, withoutQuotes } from "../exante/rules.js";
import { type Policy, policy } from "../generation/policy.js";
import { loadAdapter } from "../model/adapter-io.js";
import { adaptedModel } from "../model/added-tokens.js";
import { WeightsError } from "../model/errors.js";
import { type LanguageModel, loadModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import { removeLeftovers, writeJson } from "../setup/atomic.js";
import { removeAbandonedLocks } from "../setup/lock.js";
import { readMetrics, type StepMetrics } from "../training/metrics.js";
import { beginBranch, parentsOf } from "./branch.js";
import { type KeptFolder, shareResult } from "./claim.js";
import { assertNoCopy } from "./copies.js";
import { loadPolicy } from "./policy-folder.js";
import { isBuiltIn, type Profile, profile, profileDifferences } from "./profile.js";
import { type Environment, type RunRecord, readRunRecord, recordedProfile } from "./record.js";
import { currentSha256 } from "./stale.js";

/** An experiment and its folder: everything that is computed is kept there, and a later start goes on from it. */
export interface Run extends KeptFolder {
  profile: Profile;
  seed: number;
  model: LanguageModel;
  device: Device;
  /** What requests are verified against. */
  rules: RuleSet;
  /** The rules and the model's tokenizer, as rows are written with them: where the profile says so, without the rules' quotes. */
  writer: TraceWriter;
  data: Datasets;
  /** A random stream of its own for each purpose; the same for the same seed. */
  rng(purpose: string): Rng;
  /** A path in the run's folder. */
  path(...parts: string[]): string;
  /** The adapter of a finished stage, such as "1-sft"; dispose it when done. @throws KeptError when the stage is missing or stale */
  adapter(stage: string): Promise<Lora>;
  /** The policy of a finished stage, or of a folder with a policy.json; "base" is the model as it came. It stays open with the run. @throws as `adapter` */
  policy(folder: string): Promise<Policy>;
  /** The steps of a stage's training so far. */
  metrics(stage: string): StepMetrics[];
  /**
   * A run in another folder that shares with this one whatever is the same, found by its identity, and computes the rest.
   * @param options.after a finished stage that the branch begins with: it is shared at once with all that it was made from, whatever the branch's seed
   * @param options.seed other randomness; default: this run's
   * @param options.profile another one, by name, file or value; default: this run's
   * @throws KeptError when `after` is missing or stale, or another one is in the branch; DataError when the folder holds another run, or this one was opened without the prompts that were given to it
   */
  branch(dir: string, options?: { after?: string; seed?: number; profile?: string | Profile }): Promise<Run>;
}

/** What a run is made from; what is left out has a default. */
export interface OpenRunOptions {
  /** A built-in name, a JSON file's path, or the profile itself (`profile`); default: "quick". */
  profile?: string | Profile;
  seed?: number;
  /** A built-in name, a .gguf file or a Hugging Face style directory; or a model that is loaded already: the run then computes in the precision in which the device is open. */
  model?: string | LanguageModel;
  /** The default rules R1 to R14, or others (`readRules`). */
  rules?: RuleSet;
  /**
   * Prompts of one's own, by the set that they become. Sets without a file are the built-in ones with the default rules, which those
   * name, and empty with others.
   */
  data?: PromptFiles;
  /** Receives lines for the reader, such as what is downloaded. */
  log?: (line: string) => void;
}

/**
 * Opens a run's folder, or begins one: loads the model, builds the prompt sets and notes what everything was made from.
 * @throws DataError when the folder holds a run of another profile, seed, model, rule set or other given prompts, its data files have changed, or a prompt
 * that is given is wrong, or a notebook that another run keeps would begin a run beside itself
 */
export async function openRun(dir: string, options: OpenRunOptions = {}): Promise<Run> {
  const { seed = 1, rules = defaultRules(), data: files = {}, log } = options;
  const chosen = profile(options.profile ?? "quick");
  if (existsSync(dir) && !statSync(dir).isDirectory()) throw new DataError(`${dir}: is a file: name a folder for the run`);
  const before = earlierRun(dir, chosen, seed);
  if (!before) assertNoCopy(dir);
  const made = before ? recordedProfile(dir, before) : chosen; // of the same values, and as it was called
  const rulesBefore = before && (before.rules ?? defaultRules());
  if (rulesBefore && rulesBefore.digest !== rules.digest)
    throw conflict(dir, "rules", rulesInWords(rulesBefore), rulesInWords(rules), "those rules");
  if (existsSync(dir)) {
    removeLeftovers(dir); // also of a run that was killed before it had a run.json
    removeAbandonedLocks(dir);
  }

  const { model: wanted = "smollm2-135m-instruct" } = options;
  const device = await openDevice(typeof wanted === "string" ? { precision: precisionOf(before), log } : { log });
  const model = typeof wanted === "string" ? await loadModel(wanted, { log }) : wanted;
  if (before && before.model.digest !== model.digest) {
    const { name } = before.model;
    const same = name === model.name ? "the model as it was" : `that model (${option("model", name)})`;
    throw conflict(dir, "model", modelInWords(before.model), modelInWords(model), same);
  }
  const rng = (purpose: string) => createRng(seed).fork(purpose);

  const dataDir = join(dir, "data");
  if (!existsSync(join(dataDir, "manifest.json"))) {
    const others = rules.digest === defaultRules().digest ? "built-in" : "empty";
    writeDatasets(dataDir, await buildDatasets({ seed, rng: rng("data"), own: { files, rules, others }, log }));
  }
  const data = loadDatasets(dataDir);
  checkGiven(dir, data.given, givenSources(files));

  const environment = environmentOf(device);
  const known = before?.environments ?? [];
  const record: RunRecord = {
    format: 1,
    profile: made.name,
    ...(isBuiltIn(made) ? {} : { settings: made }),
    seed,
    model: { name: model.name, sha256: model.sha256, digest: model.digest },
    rules: { name: rules.name, digest: rules.digest },
    data: textSha256(readFileSync(join(dataDir, "manifest.json"), "utf8")),
    environments: known.some((e) => JSON.stringify(e) === JSON.stringify(environment)) ? known : [...known, environment],
  };
  writeJson(join(dir, "run.json"), record);

  const path = (...parts: string[]) => join(dir, ...parts);
  const policies = new Map<string, Promise<Policy>>();
  const run: Run = {
    dir,
    parents: parentsOf(dir),
    profile: made,
    seed,
    model,
    device,
    rules,
    writer: writerOf(rules, model, made),
    data,
    rng,
    path,
    adapter: (stage) => stageAdapter(run, stage),
    policy(folder) {
      const key = folder === "base" ? folder : `${folder} ${currentSha256(run, folder)}`;
      const opened = policies.get(key) ?? openPolicy(run, folder);
      policies.set(key, opened);
      return opened;
    },
    metrics: (stage) => readMetrics(path(stage)),
    async branch(other, { after, seed: its = seed, profile: another = made } = {}) {
      if (after !== undefined) currentSha256(run, after);
      const now = givenSources(files);
      const absent = data.given.find(({ name }) => !now.some((source) => source.name === name));
      if (absent) throw new DataError(`${dir} was made with ${absent.title} (${absent.origin}): open it with them to branch it`);
      beginBranch(dir, other);
      const branch = await openRun(other, { profile: another, seed: its, model, rules, data: files, log });
      if (after !== undefined) shareResult(branch, dir, after);
      return branch;
    },
  };
  return run;
}

/**
 * Opens a run that there is, as its run.json says.
 * @param options.model default: the name in run.json
 * @throws DataError when there is none, or as `openRun`
 */
export async function reopenRun(dir: string, options: Pick<OpenRunOptions, "model" | "rules" | "log"> = {}): Promise<Run> {
  const record = readRunRecord(dir);
  const { seed, model } = record;
  try {
    return await openRun(dir, { profile: recordedProfile(dir, record), seed, ...options, model: options.model ?? model.name });
  } catch (error) {
    if (options.model !== undefined || !(error instanceof WeightsError) || error.file !== model.name) throw error;
    throw new DataError(`${error.message}; ${dir} was made with it: where it was a path, name that (--model, or \`model\` in code)`);
  }
}

/** Quotes, the verdict's weight and where it decides are the profile's. */
const writerOf = (rules: RuleSet, { tokenizer }: LanguageModel, { stage1 }: Profile): TraceWriter => ({
  rules: stage1.quotes ? rules : withoutQuotes(rules),
  tokenizer,
  weights: { ...traceWeights, verdict: stage1.verdictWeight },
  decides: stage1.decides,
});

async function openPolicy(run: Run, folder: string): Promise<Policy> {
  if (folder === "base") return policy({ model: run.model, name: folder });
  return { ...(await loadPolicy(run.path(folder), run.model)), name: folder };
}

/**
 * What the run in a folder was made from; undefined where there is none.
 * @throws DataError when it is a run of another profile or seed, or its run.json is broken or does not say which model it is of
 */
export function earlierRun(dir: string, profile: Profile, seed: number): RunRecord | undefined {
  if (!existsSync(join(dir, "run.json"))) return undefined;
  const record = readRunRecord(dir);
  const differences = profileDifferences(recordedProfile(dir, record), profile);
  if (differences.length > 0) {
    const its = record.settings ? "that profile (run.json has it as `settings`)" : `that profile (${option("profile", record.profile)})`;
    throw conflict(dir, "profile", record.profile, `${profile.name} (${atMost(3, differences)})`, its);
  }
  if (record.seed !== seed) throw conflict(dir, "seed", record.seed, seed, `that seed (${option("seed", record.seed)})`);
  if (!record.model.digest) {
    const problem = `holds a run that noted only the weights of its model ${record.model.name}, not its configuration and chat template`;
    throw new DataError(`${dir} ${problem}: choose another folder`);
  }
  return record;
}

/** @param same what it takes to open the run that is there */
const conflict = (dir: string, what: string, was: unknown, now: unknown, same: string) =>
  new DataError(`${dir} holds a run with ${what} ${was}, not ${now}: open it with ${same}, or choose another folder`);

/** An option as a cell gives it to `openRun` and as a command takes it: `{ seed: 2 }, or --seed 2`. */
const option = (name: string, value: string | number): string => `{ ${name}: ${JSON.stringify(value)} }, or --${name} ${value}`;

const atMost = (most: number, items: readonly string[]): string =>
  `${items.slice(0, most).join("; ")}${items.length > most ? "; ..." : ""}`;

const inWords = ({ name, sha256 }: { name: string; sha256: string }) => `${name} (SHA-256 ${sha256.slice(0, 12)})`;

/** @throws DataError where a file is given that the run's prompts were not made from */
function checkGiven(dir: string, before: readonly Source[], now: readonly Source[]): void {
  const words = ({ origin, sha256 = "" }: Source) => inWords({ name: origin, sha256 });
  for (const source of now) {
    const earlier = before.find(({ name }) => name === source.name);
    if (earlier?.sha256 !== source.sha256)
      throw conflict(dir, source.title, earlier ? words(earlier) : "from no file", words(source), "what it was made with");
  }
}

const modelInWords = ({ name, sha256, digest = "" }: RunRecord["model"]) =>
  `${name} (weights ${sha256.slice(0, 12)}, with configuration and template ${digest.slice(0, 12)})`;

const rulesInWords = ({ name, digest }: { name: string; digest: string }) => inWords({ name, sha256: digest });

/** A run goes on in the precision that it was begun in, on whatever processor; a new one takes BF16 where the processor multiplies it. */
function precisionOf(before: RunRecord | undefined): AskedPrecision {
  const [first] = before?.environments ?? [];
  if (!first) return "bf16";
  return first.precision === "f32" ? "f32" : "bf16 everywhere";
}

const environmentOf = (device: Device): Environment => ({
  node: process.version,
  platform: `${process.platform}-${process.arch}`,
  device: device.name,
  library: device.library,
  precision: device.precision,
});

/** The adapter in a stage's folder; where the stage was through and its file is damaged now, the error says how to get it back. */
async function stageAdapter(run: Run, stage: string): Promise<Lora> {
  const dir = run.path(stage);
  currentSha256(run, stage);
  try {
    return await loadAdapter(dir, adaptedModel(dir, run.model).config);
  } catch (error) {
    if (!existsSync(join(dir, "stage.json"))) throw error;
    throw new DataError(`${(error as Error).message}; or remove ${dir}, and the stage is trained again`);
  }
}
