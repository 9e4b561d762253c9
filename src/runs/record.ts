import { existsSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../data/errors.js";
import { readJson } from "../data/jsonl.js";

/** What a run is made from, in `run.json`. */
export interface RunRecord {
  format: 1;
  profile: string;
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
  if (!existsSync(file)) throw new DataError(`${dir}: holds no run.json: name a run's folder, such as runs/quick`);
  const record = readJson<Partial<RunRecord>>(file);
  const { format, profile, seed, model } = record;
  if (format !== 1 || typeof profile !== "string" || typeof seed !== "number" || typeof model?.sha256 !== "string")
    throw new DataError(`${file}: not the record of a run: choose another folder`);
  return record as RunRecord;
}
