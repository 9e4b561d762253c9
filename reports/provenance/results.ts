import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { isRecord } from "../../src/setup/json.js";
import type { Parameters } from "../execute/parameters.js";
import type { Check } from "./check.js";
import type { Provenance } from "./collect.js";

/** What a check asks of a run's folder. */
export interface KeptResults {
  /** The results that are noted there, with their records. */
  keptResults(dir: string): { path: string; record: { files: readonly string[]; identity: Readonly<Record<string, unknown>> } }[];
  /** Why a result no longer stands on what it was made from; undefined where it does. */
  staleReason(dir: string, path: string): string | undefined;
}

/**
 * The kept results that a notebook has used, of its experiment and of other runs that it has read: whether they stand on what they were made from, and whether the
 * notebook's parameters are those that the experiment's stages were trained with.
 *
 * A parameter belongs to the stages that have a field of its name: in their objective, in their optimizer, or their seed. It holds where one of them has its value:
 * a notebook may vary one of two stages. Parameters that no stage has a field for say nothing about a result.
 *
 * @param folder of the report
 * @param parameters of the notebook, declared and given
 */
export function resultChecks(
  { run, read = [], compared = [] }: Provenance,
  folder: string,
  parameters: Parameters,
  { keptResults, staleReason }: KeptResults,
): Check[] {
  const usedIn = (dir: string, files: ReadonlySet<string>) =>
    keptResults(dir).filter(({ record }) => record.files.some((file) => files.has(file)));
  const check = (dir: string, path: string, name: string): Check => {
    const reason = staleReason(dir, path);
    return { kind: "result", name, ...(reason === undefined ? { status: "same" } : { status: "differs", note: `it is stale: ${reason}` }) };
  };
  const dir = run && resolve(folder, dirname(run.file));
  const own = dir === undefined ? [] : usedIn(dir, new Set(Object.keys(run!.files)));
  const trained = own.flatMap(({ path, record }) =>
    isRecord(record.identity.objective) ? [{ path, settings: settingsOf(record.identity) }] : [],
  );
  const paths = [...read, ...compared].map(({ file }) => resolve(folder, file));
  const others = new Set(paths.flatMap((path) => runOf(path) ?? []));
  return [
    ...own.map(({ path }) => check(dir!, path, path)),
    ...[...others].flatMap((other) => {
      const files = new Set(paths.map((path) => relative(other, path).replaceAll("\\", "/")));
      return usedIn(other, files).map(({ path }) => check(other, path, join(relative(resolve(folder), other), path)));
    }),
    ...Object.entries(parameters).flatMap(([name, value]) => parameterCheck(name, value, trained)),
  ];
}

/** The folder of the run that a path lies in: the nearest one with a run.json. */
const runOf = (path: string): string | undefined => {
  const dir = dirname(path);
  return existsSync(join(dir, "run.json")) ? dir : dir === path ? undefined : runOf(dir);
};

interface Trained {
  path: string;
  settings: Record<string, unknown>;
}

function parameterCheck(name: string, value: unknown, trained: readonly Trained[]): Check[] {
  const having = trained.filter(({ settings }) => Object.hasOwn(settings, name));
  const [first] = having;
  if (!first) return [];
  const words = (it: unknown) => `${name} ${JSON.stringify(it)}`;
  if (having.some(({ settings }) => settings[name] === value)) return [{ kind: "parameter", name: words(value), status: "same" }];
  const note = `the notebook's parameters say ${words(value)}, but ${first.path} was trained with ${words(first.settings[name])}`;
  return [{ kind: "parameter", name, status: "differs", note }];
}

/** What a stage was trained with, by the names that parameters have. */
function settingsOf({ objective, optimizer, seed }: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const plain = (it: unknown) => Object.entries(isRecord(it) ? it : {}).filter(([, value]) => typeof value !== "object");
  return Object.fromEntries([...plain(optimizer), ...plain(objective), ...(seed === undefined ? [] : [["seed", seed] as const])]);
}
