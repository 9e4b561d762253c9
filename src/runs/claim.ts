import { existsSync, linkSync, lstatSync, mkdirSync, realpathSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { digestOf, type Identity, type IdentityValue, identityDifferences } from "../data/identity.js";
import { readJson } from "../data/jsonl.js";
import { writeJson } from "../setup/atomic.js";
import { pathsBelow } from "../setup/folders.js";

/** A folder of kept results, and those that it branches from, the nearest first. */
export interface KeptFolder {
  readonly dir: string;
  readonly parents: readonly string[];
}

/** A result that was kept is not the one that is asked for: what differs, and the ways out, in one line. */
export class KeptError extends Error {
  override name = "KeptError";
}

/** What stands beside a result: `pairs.identity.json` beside `pairs.json`, `identity.json` in a stage's folder. */
export interface KeptRecord {
  format: 1;
  /** SHA-256 of the identity's canonical JSON. */
  digest: string;
  /** The result's files in the run's folder; the first is written last, so that where it is the result is whole. */
  files: string[];
  /** Everything that the result depends on. In `from` stand kept results of the same run, each with the SHA-256 that it had. */
  identity: Identity;
}

/**
 * Takes a place in the run's folder for a result: "whole" where it is there with this identity (or could be shared from a run that this one branches from), "open" where it is to be
 * computed or gone on with; the identity is then beside it.
 *
 * @param path the result's file, or its folder
 * @param files all of its files, relative to the run's folder; the first one is written last
 * @throws KeptError when something else is kept there
 */
export function claim(run: KeptFolder, path: string, files: readonly [string, ...string[]], identity: Identity): "whole" | "open" {
  if (isThere(run, path, files, identity)) return "whole";
  const [mark] = files;
  const digest = digestOf(identity as IdentityValue);
  for (const parent of run.parents) {
    if (readRecord(parent, path)?.digest !== digest || !existsSync(join(parent, mark))) continue;
    writeRecord(run.dir, path, { format: 1, digest, files: [...files], identity });
    for (const file of [...files].reverse()) if (existsSync(join(parent, file))) share(join(parent, file), join(run.dir, file));
    return "whole";
  }
  for (const file of files) unshare(join(run.dir, file));
  writeRecord(run.dir, path, { format: 1, digest, files: [...files], identity }); // also where it is there: its time says what is under way
  return "open";
}

/**
 * Whether a result is there with this identity: what `claim` finds, without taking the place.
 * @throws KeptError as `claim`
 */
export function isThere(run: KeptFolder, path: string, files: readonly [string, ...string[]], identity: Identity): boolean {
  const record = readRecord(run.dir, path);
  const present = files.some((file) => existsSync(join(run.dir, file)));
  if (present && !record) throw new KeptError(tooOld(run.dir, path));
  const isSame = record?.digest === digestOf(identity as IdentityValue);
  if (present && !isSame) throw conflict(run, path, record!.identity, identity);
  return isSame && existsSync(join(run.dir, files[0]));
}

/**
 * To be asked before a result is written: a process lets its own later calls in, since one that was interrupted may never let go, and a later one may have claimed the place for another result.
 * @throws KeptError when it has
 */
export function assertClaimed({ dir }: KeptFolder, path: string, identity: Identity): void {
  if (readRecord(dir, path)?.digest !== digestOf(identity as IdentityValue))
    throw new KeptError(`${path} is not kept: meanwhile its place was taken for another one, or emptied: ask for one at a time`);
}

/**
 * Shares a result of a run that this one branches from, and all that it was made from, as it is there: what a branch begins with.
 * @throws KeptError when this run holds another one in its place
 */
export function shareResult(run: KeptFolder, parent: string, path: string): void {
  const record = readRecord(parent, path);
  if (!record) throw new KeptError(tooOld(parent, path));
  claim(run, path, record.files as [string, ...string[]], record.identity);
  for (const other of Object.keys(record.identity.from ?? {})) shareResult(run, parent, other);
}

/** Whether a result is a file of JSON, and not a policy's folder. */
export const isJson = (path: string): boolean => /\.jsonl?$/.test(path);

/** Where the record of a result stands, relative to the run's folder. */
const recordFile = (path: string): string => (isJson(path) ? path.replace(/\.jsonl?$/, ".identity.json") : join(path, "identity.json"));

/** What is noted beside a result; undefined where nothing is. */
export function readRecord(dir: string, path: string): KeptRecord | undefined {
  const file = join(dir, recordFile(path));
  return existsSync(file) ? readJson<KeptRecord>(file) : undefined;
}

const writeRecord = (dir: string, path: string, record: KeptRecord): void => writeJson(join(dir, recordFile(path)), record);

/**
 * All results that are noted in a folder: their paths, in alphabetical order, with their records. A record that names files elsewhere is none of the folder's: it came
 * with a copy of a stage, or belongs to a run that lies in the folder.
 */
export function keptResults(dir: string): { path: string; record: KeptRecord }[] {
  if (!existsSync(dir)) return [];
  return pathsBelow(dir)
    .filter((file) => /(?:^|[/\\.])identity\.json$/.test(file))
    .map((file) => file.replaceAll("\\", "/"))
    .sort()
    .flatMap((file) => {
      const record = readJson<KeptRecord>(join(dir, file));
      const [mark = ""] = record.files;
      const path = file.endsWith("/identity.json") ? dirname(mark) : mark;
      return recordFile(path).replaceAll("\\", "/") === file ? [{ path, record }] : [];
    });
}

/** Folders of the stages that a run has been through with; none where there is no run. */
export const finishedStages = (dir: string): string[] =>
  keptResults(dir)
    .filter(({ path, record }) => !isJson(path) && existsSync(join(dir, record.files[0]!)))
    .map(({ path }) => path);

/**
 * One file in two folders: a hard link, or where the file system cannot, a symbolic one. Never a copy, which could drift. Of a file behind a link the file itself is
 * shared: the link's path would lead elsewhere from another folder.
 */
function share(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  const [file, folder] = [realpathSync(from), realpathSync(dirname(to))];
  const beside = `${to}.${process.pid}.tmp`;
  rmSync(beside, { force: true });
  try {
    linkSync(file, beside);
  } catch (error) {
    if (!["EXDEV", "EPERM", "EMLINK", "ENOTSUP"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    symlinkSync(relative(folder, file), beside);
  }
  renameSync(beside, to);
}

/** Takes a link to another run's file away, which writing would go through. */
function unshare(file: string): void {
  if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink()) rmSync(file);
}

/** `2-dpo was trained with beta 0.1, not 0.5: ...`. Plain values are named before digests, which follow from them. */
function conflict(run: KeptFolder, path: string, was: Identity, now: Identity): KeptError {
  const differences = identityDifferences(was as IdentityValue, now as IdentityValue);
  const [first, ...more] = [...differences].sort((a, b) => Number(isDigest(a.was)) - Number(isDigest(b.was)));
  if (!first) return new KeptError(`${path}: the record of what it was made from was changed by hand: ${waysOut(run.dir, path)}`);
  const verb = "objective" in was ? "trained" : "made";
  const [stood, stands] = [was, now].map(({ from }) => Object.keys(from ?? {}).join(" and ") || "the model as it came");
  const differs =
    first.field.startsWith("from.") && stood !== stands
      ? `from ${stood}, not from ${stands}`
      : `with ${lastName(first.field)} ${inWords(first.was)}, not ${inWords(first.now)}`;
  const others = more.filter((other) => !isDigest(other.was)).map(({ field }) => lastName(field));
  const also = others.length > 0 ? `, and with another ${others.slice(0, 3).join(", ")}${others.length > 3 ? ", ..." : ""}` : "";
  return new KeptError(`${path} was ${verb} ${differs}${also}: ${waysOut(run.dir, path)}`);
}

const tooOld = (dir: string, path: string): string =>
  `${join(dir, path)}: was kept by a version of erpo that did not note what it was made from: ${waysOut(dir, path)}`;

const waysOut = (dir: string, path: string): string => `use a branch (run.branch) or another folder, or remove ${whatIsThere(dir, path)}`;

/** What is to be removed so that a result is computed again: a policy's folder, or those of the result's files that are there. */
export function whatIsThere(dir: string, path: string): string {
  const files = isJson(path) ? (readRecord(dir, path)?.files ?? []).filter((file) => existsSync(join(dir, file))) : [];
  return (files.length > 0 ? files : [path]).map((file) => join(dir, file)).join(" and ");
}

/** The name that a reader knows a field by: "beta" of "objective.beta", the result's name of "from.1-sft". */
const lastName = (field: string): string => (field.startsWith("from.") ? field.slice("from.".length) : field.split(".").at(-1)!);

const isDigest = (value: IdentityValue | undefined): boolean => typeof value === "string" && /^(?:[0-9a-f]{16}|[0-9a-f]{64})$/.test(value);

function inWords(value: IdentityValue | undefined): string {
  if (value === undefined || value === null) return "none";
  if (isDigest(value)) return `of SHA-256 ${String(value).slice(0, 12)}`;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
