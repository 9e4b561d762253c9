import { existsSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../data/errors.js";
import { readJson } from "../data/jsonl.js";
import { isFoundByName } from "../model/built-in.js";

/**
 * The model that a policy's folder says it is of, in policy.json or with the adapter.
 * @throws DataError where it says none, or only what its file or folder was called
 */
export function policyModel(dir: string): string {
  const name = noted(dir);
  if (name === undefined) throw new DataError(`${dir}: holds no policy.json or adapter_config.json that names its model: give --model`);
  if (isFoundByName(name) || existsSync(name)) return name;
  throw new DataError(`${dir}: its model ${name} is a file or folder of that name: say where it is (--model)`);
}

function noted(dir: string): string | undefined {
  const read = <T>(name: string): T | undefined => (existsSync(join(dir, name)) ? readJson<T>(join(dir, name)) : undefined);
  const name =
    read<{ model?: { name?: unknown } }>("policy.json")?.model?.name ??
    read<{ base_model_name_or_path?: unknown }>("adapter_config.json")?.base_model_name_or_path;
  return typeof name === "string" && name !== "" ? name : undefined;
}
