import { existsSync, lstatSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { IdentityValue } from "../data/identity.js";
import { readJson } from "../data/jsonl.js";
import { pathsBelow } from "../setup/folders.js";
import { readMetrics } from "../training/metrics.js";
import { parentsOf } from "./branch.js";
import { keptResults } from "./claim.js";
import { type RunRecord, readRunRecord } from "./record.js";

/** A run in a table of runs. */
export interface RunSummary {
  dir: string;
  profile: string;
  seed: number;
  /** The run that it branches from. */
  branchOf?: string;
  /** What the main job's stages were trained with and is not the default, by stage: `{ "2-dpo": { beta: 0.5 } }`. */
  parameters: Record<string, Record<string, IdentityValue>>;
  /** The last step of the stage that was trained last. Rewards are in nats times beta. */
  last?: { stage: string; step: number; loss: number; margin?: number };
  /** Area under the ROC curve of the decision on the dev set, of the stage that it was read from last. */
  dev?: { stage: string; auc: number };
  /** Bytes on disk. A file that several runs share by a hard link is counted once, in the run that the others branch from. */
  bytes: number;
  /** When anything in it was last changed, ms since 1970. */
  changed: number;
}

/** Folders below which a run is looked for: a sweep's are two below its output. */
const maxDepth = 3;

/**
 * The runs in a folder and in the folders below it, in alphabetical order; the folder itself, if it is one.
 * @param defaults of a stage's objective by name: parameters with these values are left out
 * @param onStray gets a line on each run.json that is no run's
 */
export function listRuns(folder: string, defaults: StageDefaults, onStray: (line: string) => void = () => {}): RunSummary[] {
  const records = new Map(runsBelow(folder, maxDepth, onStray));
  const dirs = [...records.keys()];
  const counted = new Set<string>();
  const byDepth = [...dirs].sort((a, b) => parentsOf(a).length - parentsOf(b).length);
  const sizes = new Map(byDepth.map((dir) => [dir, diskUse(dir, counted)]));
  return dirs.map((dir) => {
    const { profile, seed } = records.get(dir)!;
    const [parent] = parentsOf(dir);
    const last = lastStep(dir);
    const dev = lastDev(dir);
    const branchOf = parent === undefined ? {} : { branchOf: parent };
    return {
      dir,
      profile,
      seed,
      ...branchOf,
      parameters: parametersOf(dir, defaults),
      ...(last && { last }),
      ...(dev && { dev }),
      ...sizes.get(dir)!,
    };
  });
}

function runsBelow(folder: string, depth: number, onStray: (line: string) => void): [dir: string, record: RunRecord][] {
  if (existsSync(join(folder, "run.json"))) {
    try {
      return [[folder, readRunRecord(folder)]];
    } catch (error) {
      onStray((error as Error).message);
    }
  }
  if (depth === 0) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith(".") && entry.name !== "node_modules")
    .map(({ name }) => join(folder, name))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .flatMap((dir) => runsBelow(dir, depth - 1, onStray));
}

/** What kind of loss it is, how it weighs tokens and what it measures against are the stage's recipe: no parameters. */
const notParameters = new Set(["loss", "weights", "reference"]);

/** Whether a related method keeps it: it tells what that method compares, and nothing of the main job. */
const ofMethod = (path: string): boolean => path.startsWith("methods/");

/** What the settings of a stage's objective are unless somebody varies them. */
type StageDefaults = (stage: string) => Readonly<Record<string, IdentityValue>>;

function parametersOf(dir: string, defaults: StageDefaults): RunSummary["parameters"] {
  const kept = keptResults(dir).filter(({ path }) => !ofMethod(path));
  const trained = kept.flatMap(({ path, record }): [string, Record<string, IdentityValue>][] => {
    const objective = (record.identity.objective ?? {}) as Record<string, IdentityValue>;
    const own = Object.entries(objective).filter(
      ([name, value]) => typeof value !== "object" && !notParameters.has(name) && value !== defaults(path)[name],
    );
    return own.length > 0 ? [[path, Object.fromEntries(own)]] : [];
  });
  return Object.fromEntries(trained);
}

const modified = (file: string): number => statSync(file).mtimeMs;

/** Files of a name in the folder of a stage or of a round, the one that was written last at the end. */
function stageFiles(dir: string, name: string): { stage: string; file: string }[] {
  const skipped = /(?:^|\/)(?:data|evaluation|notebooks|reports|checkpoint-\d+)\//;
  return pathsBelow(dir)
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => file.endsWith(`/${name}`) && !skipped.test(file))
    .map((file) => ({ stage: file.slice(0, -name.length - 1), file: join(dir, file) }))
    .sort((a, b) => modified(a.file) - modified(b.file));
}

function lastStep(dir: string): RunSummary["last"] {
  const newest = stageFiles(dir, "metrics.jsonl").at(-1);
  const row = newest && readMetrics(join(dir, newest.stage)).at(-1);
  if (!row) return undefined;
  const margin = row["rewards/margins"];
  return { stage: newest.stage, step: row.step, loss: row.loss, ...(margin !== undefined && { margin }) };
}

function lastDev(dir: string): RunSummary["dev"] {
  const newest = stageFiles(dir, "dev.json").at(-1);
  return newest && { stage: newest.stage, auc: readJson<{ auc: { value: number } }>(newest.file).auc.value };
}

/** @param counted files that were counted before, and are now */
function diskUse(dir: string, counted: Set<string>): { bytes: number; changed: number } {
  let [bytes, changed] = [0, 0];
  for (const name of pathsBelow(dir)) {
    const found = lstatSync(join(dir, name), { throwIfNoEntry: false });
    if (!found) continue; // removed meanwhile
    const { dev, ino, blocks, mtimeMs, ctimeMs } = found;
    changed = Math.max(changed, Math.min(mtimeMs, ctimeMs)); // a link changes the one of a file that is older
    const key = `${dev} ${ino}`;
    if (counted.has(key)) continue;
    counted.add(key);
    bytes += 512 * blocks;
  }
  return { bytes, changed };
}
