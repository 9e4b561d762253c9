import { existsSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../data/errors.js";
import { readJson } from "../data/jsonl.js";
import { changedProfile, type Profile, profile, profileNames } from "./profile.js";

/** What a run is made from, in `run.json`. */
export interface RunRecord {
  format: 1;
  /** Its name. */
  profile: string;
  /** The whole profile where it is no built-in one. */
  settings?: Profile;
  seed: number;
  /** With the SHA-256 of its weights, and the digest of all that its answers depend on, which runs from before it was noted lack. */
  model: { name: string; sha256: string; digest?: string };
  /** Left out by runs of the default rules from before rules were a choice. */
  rules?: { name: string; digest: string };
  /** SHA-256 of data/manifest.json, which has those of all prompt files. */
  data: string;
  /** Where each part was really computed, in the order of first use. */
  environments: Environment[];
}

export interface Environment {
  node: string;
  platform: string;
  device: string;
  library: string;
  precision: string;
}

/**
 * What the run in a folder was made from.
 * @throws DataError when the folder has no run.json, or one that is broken or something else, such as a training's RUN.json
 */
export function readRunRecord(dir: string): RunRecord {
  const file = join(dir, "run.json");
  if (!existsSync(file))
    throw new DataError(`${dir}: holds no run.json: name a run's folder, such as runs/quick, which \`npm start\` makes`);
  const record = readJson<Partial<RunRecord>>(file);
  const { format, profile, seed, model } = record;
  if (format !== 1 || typeof profile !== "string" || typeof seed !== "number" || typeof model?.sha256 !== "string")
    throw new DataError(`${file}: not the record of a run: choose another folder`);
  return record as RunRecord;
}

/**
 * The profile of a recorded run. Knobs that its version did not have are as they are in the quick profile.
 * @throws DataError when it is neither a built-in one nor noted as a whole, or no profile of this version
 */
export function recordedProfile(dir: string, { profile: name, settings }: Pick<RunRecord, "profile" | "settings">): Profile {
  const file = join(dir, "run.json");
  if (settings === undefined) {
    if (profileNames.includes(name)) return profile(name);
    throw new DataError(`${file}: profile "${name}" is no built-in one, and what it says is not noted: choose another folder`);
  }
  try {
    return changedProfile(profile("quick"), settings);
  } catch (error) {
    throw new DataError(`${file}: ${(error as Error).message}`);
  }
}
