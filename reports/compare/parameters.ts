import { isRecord } from "../../src/setup/json.js";
import type { RunFolder } from "./run-folder.js";

/** A named setting and its value in every run, in the order of the runs; undefined where a run does not have it. */
export interface Setting {
  name: string;
  values: unknown[];
}

/** Settings sorted by whether all runs agree. */
export interface Settings {
  differing: Setting[];
  same: Setting[];
}

/** What the runs were told to do: run.json, the profile, settings of each stage, parameters of notebooks, prompt files. */
export function parameters(runs: readonly RunFolder[]): Settings {
  return sorted(runs.map(parametersOf));
}

/** What the runs' stages were trained on, as digests: it follows from the parameters and from the stages before. */
export function trainedOn(runs: readonly RunFolder[]): Settings {
  return sorted(runs.map(({ stages }) => named(stages.map(({ name, trainedOn }) => [name, trainedOn]))));
}

/** Code, software and devices, from run.json and the executed notebooks. */
export function environments(runs: readonly RunFolder[]): Settings {
  return sorted(runs.map(environmentOf));
}

/** Of each run a map from names to values -> settings in the order of their first appearance. */
function sorted(runs: readonly Map<string, unknown>[]): Settings {
  const names = [...new Set(runs.flatMap((run) => [...run.keys()]))];
  const all = names.map((name) => ({ name, values: runs.map((run) => run.get(name)) }));
  const agrees = ({ values }: Setting) => values.every((value) => JSON.stringify(value) === JSON.stringify(values[0]));
  return { differing: all.filter((setting) => !agrees(setting)), same: all.filter(agrees) };
}

/** Parameters of a notebook that say where to work, or repeat run.json. */
const repeated = new Set(["runDir", "profileName", "seed", "modelName"]);

function parametersOf({ record, stages, notebooks, data }: RunFolder): Map<string, unknown> {
  const { format: _, environments: __, data: ___, settings: ______, ...told } = record; // each stage has its profile
  const profile = Object.assign({}, ...stages.map((stage) => stage.profile));
  const { name: ____, estimate: _____, ...budget } = profile;
  const own = (parameters: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(parameters).filter(([name]) => !repeated.has(name)));
  return new Map([
    ...flat(told),
    ...flat(budget, "profile."),
    ...named(notebooks.map(({ stem, parameters }) => [stem, own(parameters)])),
    ...named(stages.map(({ name, settings }) => [name, settings])),
    ...flat(data, "data/"),
  ]);
}

function environmentOf({ record, notebooks }: RunFolder): Map<string, unknown> {
  const devices = Array.isArray(record.environments) ? record.environments.filter(isRecord) : [];
  const executions = notebooks.flatMap(({ execution }) => (isRecord(execution?.environment) ? [execution.environment] : []));
  const of = (sources: readonly object[]) => {
    const keys = [...new Set(sources.flatMap(Object.keys))];
    return keys.map((key): [string, unknown] => [key, several(sources.map((source) => (source as Record<string, unknown>)[key]))]);
  };
  const code = of(executions).filter(([key]) => !["node", "platform"].includes(key) || devices.length === 0);
  return new Map([...code, ...of(devices)]);
}

/** One value, or the different ones of a run that was stopped and went on elsewhere. */
function several(values: readonly unknown[]): unknown {
  const distinct = [...new Set(values.filter((value) => value !== undefined))];
  return distinct.length > 1 ? distinct.map(String).join(", then ") : distinct[0];
}

const named = (parts: readonly [string, Record<string, unknown>][]): Map<string, unknown> =>
  new Map(parts.flatMap(([name, values]) => flat(values, `${name}: `)));

/** Nested objects with dots between the names; lists stay values. */
function flat(values: Record<string, unknown>, before = ""): [string, unknown][] {
  return Object.entries(values).flatMap(([name, value]): [string, unknown][] =>
    isRecord(value) ? flat(value, `${before}${name}.`) : [[before + name, value]],
  );
}

/** A value for a table: digests by their first twelve digits, long texts cut. */
export function written(value: unknown): string {
  if (value === undefined || value === null) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return written(value.map(written).join(", "));
  const text = String(value).replace(/\b([0-9a-f]{12})[0-9a-f]{28,}\b/g, "$1");
  return text.length > 90 ? `${text.slice(0, 89)}…` : text;
}
