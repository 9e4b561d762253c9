import { existsSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import type { LessonRun } from "../../reports/course/copies.js";
import { DataError } from "../data/errors.js";
import { isFoundByName } from "../model/built-in.js";
import { isBuiltIn } from "../runs/profile.js";
import { type RunRecord, readRunRecord, recordedProfile } from "../runs/record.js";

/**
 * How lessons in a folder open a run, as its run.json says.
 * @param model what loads its model, where that is a file or a folder
 * @throws DataError when there is no run, or only a path leads to its model and none is given
 */
export function lessonRun(run: string, folder: string, model?: string): LessonRun {
  const record = readRunRecord(run);
  const profile = recordedProfile(run, record);
  const from = (path: string) => relative(resolve(folder), resolve(path)).split(sep).join("/");
  const modelName = model === undefined ? knownModel(run, record) : existsSync(model) ? from(model) : model;
  const known = isBuiltIn(profile);
  const name = `${profile.name}.json`;
  return {
    parameters: { runDir: from(run), profileName: known ? profile.name : name, seed: record.seed, modelName },
    ...(!known && { profileFile: { name, text: `${JSON.stringify({ extends: "quick", ...profile }, null, 2)}\n` } }),
  };
}

/** The name that a run's model has on every machine: a built-in one, or `owner/name` on the hub. */
function knownModel(run: string, { model: { name } }: RunRecord): string {
  if (isFoundByName(name)) return name;
  throw new DataError(`${join(run, "run.json")}: its model ${name} is a file or folder of that name: say where it is (--model)`);
}
