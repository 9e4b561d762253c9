import type { Rng } from "../backend/random.js";
import { framePrompts, readFrames, readGeneral, readHeldOut } from "./authored.js";
import { sexualisesMinors } from "./care.js";
import { DataError } from "./errors.js";
import { type Source, textSha256 } from "./manifest.js";
import { groupTexts } from "./near-duplicates.js";
import { givenSources, type PromptFiles, type RuleNames, readOwnGeneral, readPrompts } from "./own.js";
import { advBench, doNotAnswer, harmBench, type PackageRows } from "./packages.js";
import { assertDisjoint, distinct, separate, splitByGroup } from "./splits.js";
import type { GeneralRow, PromptRow, Split } from "./types.js";

/** Every prompt set of an experiment. No set has a near-duplicate in a set that it is measured on. */
export interface Datasets {
  seed: number;
  /** stage 1: look-alikes and their contrasts in the same frames, and malicious uses */
  train1: PromptRow[];
  /** stages 2 and 3: the same families in other frames */
  train2: PromptRow[];
  /** own look-alikes and contrasts for choices */
  dev: PromptRow[];
  /** own look-alikes and contrasts for reporting */
  test: PromptRow[];
  /** own look-alikes and contrasts in families that training lacks, for reporting */
  unseen: PromptRow[];
  general: Record<Split, GeneralRow[]>;
  /** harmful only, for reporting */
  advbench: { test: PromptRow[] };
  harmbench: { test: PromptRow[] };
  /** files that were given for sets, with their digests */
  given: Source[];
  /** rows left out, by reason */
  dropped: Record<string, number>;
}

/** AdvBench prompts that are reported on. */
const advBenchTestSize = 100;

/** Share of the malicious uses that stages 2 and 3 get. */
const stage2Share = 0.25;

/** What prompt sets are built from. */
export interface BuildOptions {
  /** recorded in the manifest: what `rng` was made from */
  seed: number;
  rng: Rng;
  /** Prompts of one's own; left out: all sets are the built-in ones. */
  own?: OwnPrompts;
  /** Receives lines for the reader, such as what is downloaded. */
  log?: (line: string) => void;
}

/** Prompts that are given in files, and the rules that they may name. */
export interface OwnPrompts {
  files: PromptFiles;
  /** the rules that their categories name */
  rules: RuleNames;
  /** what the sets are that no file is given for: the built-in ones name the default rules */
  others: "built-in" | "empty";
}

/** Prompts as they were written, before the sets are held apart. */
interface RawPrompts {
  train1: PromptRow[];
  train2: PromptRow[];
  dev: PromptRow[];
  test: PromptRow[];
  unseen: PromptRow[];
  general: GeneralRow[];
  advbench: PromptRow[];
  harmbench: PromptRow[];
}

/** Counts rows that are left out. */
type Drop = (reason: string, rows: number) => void;

/**
 * Builds all sets from the authored prompts and the packages, or from prompts of one's own. Training rows that are near-duplicates of any
 * held-out prompt are left out, and counted; likewise held-out rows near to a set that is reported on, and stage 2's rows near to stage 1's.
 *
 * @throws DataError when a test prompt is a training prompt too, a prompt has both labels, a file is damaged, or no row of a label is left of
 * a file that was given
 */
export async function buildDatasets({ seed, rng, own, log }: BuildOptions): Promise<Datasets> {
  const dropped: Record<string, number> = {};
  const drop: Drop = (reason, n) => {
    if (n > 0) dropped[reason] = (dropped[reason] ?? 0) + n;
  };
  const single = <T extends PromptRow>(name: string, rows: readonly T[]) => {
    const { kept, copies } = distinct(rows);
    drop(`${name}: copies`, copies);
    return kept;
  };
  const without = <T extends PromptRow>(name: string, rows: readonly T[], heldOut: readonly PromptRow[]) => {
    const { kept, dropped: near } = separate(rows, heldOut);
    drop(name, near.length);
    return kept;
  };

  const builtIn = own?.others === "empty" ? noPrompts : await builtInPrompts(rng, drop, log);
  const raw = own ? { ...builtIn, ...ownPrompts(own) } : builtIn;
  const general = single("general", raw.general);
  const generalOf = (split: Split) => general.filter((row) => row.split === split);

  const test = single("test", raw.test);
  const unseen = single("unseen", raw.unseen);
  const reported = [...test, ...unseen, ...generalOf("test"), ...raw.advbench, ...raw.harmbench];
  const dev = without("dev: near a test prompt", single("dev", raw.dev), reported);
  const generalDev = without("general dev: near a test prompt", generalOf("dev"), reported);
  const heldOut = [...reported, ...dev, ...generalDev];

  assertDisjoint([...raw.train1, ...raw.train2, ...generalOf("train1"), ...generalOf("train2")], heldOut);
  const stage = (split: "train1" | "train2") => without(`${split}: near a held-out prompt`, single(split, raw[split]), heldOut);
  const train1 = stage("train1");
  const train2 = without("train2: near a prompt of train1", stage("train2"), train1);
  const generalTrain1 = without("general train1: near a held-out prompt", generalOf("train1"), heldOut);
  const generalTrain2 = without("general train2: near a held-out prompt", generalOf("train2"), heldOut);

  const sets: Datasets = {
    seed,
    train1,
    train2,
    dev,
    test,
    unseen,
    general: { train1: generalTrain1, train2: generalTrain2, dev: generalDev, test: generalOf("test") },
    advbench: { test: raw.advbench },
    harmbench: { test: raw.harmbench },
    given: own ? givenSources(own.files) : [],
    dropped,
  };
  checkRows(sets, own?.files ?? {});
  return sets;
}

const noPrompts: RawPrompts = { train1: [], train2: [], dev: [], test: [], unseen: [], general: [], advbench: [], harmbench: [] };

/** The authored prompts and those of the packages. */
async function builtInPrompts(rng: Rng, drop: Drop, log?: (line: string) => void): Promise<RawPrompts> {
  const take = (name: string, { rows, leftOut }: PackageRows) => {
    for (const [reason, n] of Object.entries(leftOut)) drop(`${name}: ${reason}`, n);
    return rows;
  };
  const advbench = sampleDistinct(take("advbench", await advBench(log)), advBenchTestSize);
  const harmbench = take("harmbench", await harmBench(log));
  const malicious = take("do-not-answer", await doNotAnswer(log));
  const parts = splitByGroup(malicious, { train1: 1 - stage2Share, train2: stage2Share }, rng.fork("do-not-answer"));
  const frames = framePrompts(readFrames());
  const stage = (split: "train1" | "train2") => [
    ...frames.filter((row) => row.split === split),
    ...parts[split].map((row) => ({ ...row, split })),
  ];
  return {
    train1: stage("train1"),
    train2: stage("train2"),
    dev: readHeldOut("dev"),
    test: readHeldOut("test"),
    unseen: readHeldOut("unseen"),
    general: readGeneral(),
    advbench,
    harmbench,
  };
}

/** The sets that files are given for. */
function ownPrompts({ files, rules }: OwnPrompts): Partial<RawPrompts> {
  const sets: Partial<RawPrompts> = {};
  for (const split of ["train1", "train2", "dev", "test"] as const) {
    if (files[split] !== undefined) sets[split] = readPrompts(files[split], split, rules);
  }
  if (files.general !== undefined) sets.general = readOwnGeneral(files.general);
  return sets;
}

/** @throws DataError for an id that two rows have, a row that no set may have, and a given set that has lost a label */
function checkRows(sets: Datasets, files: PromptFiles): void {
  const ids = new Set<string>();
  for (const { id, source, prompt } of allRows(sets)) {
    if (ids.has(id)) throw new DataError(`${id} (${source}): another row has this id: give each its own`);
    ids.add(id);
    if (sexualisesMinors(prompt)) throw new DataError(`${id}: speaks of young people and of sex: remove it`);
  }
  for (const split of ["train1", "train2", "dev", "test"] as const) {
    for (const label of ["safe", "unsafe"]) {
      if (files[split] === undefined || sets[split].some((row) => row.label === label)) continue;
      throw new DataError(`${files[split]}: no ${label} prompts are left without copies and near-duplicates: a set needs both labels`);
    }
  }
}

/**
 * A set that is needed now.
 * @throws DataError where it is empty, since own rules have no built-in prompts, with what to give
 */
export function needed(sets: Datasets, name: "train1" | "train2" | "dev" | "test"): PromptRow[] {
  if (sets[name].length === 0) throw noRows(name, name);
  return sets[name];
}

/** The same for everyday prompts. */
export function neededGeneral(sets: Datasets, split: Split): GeneralRow[] {
  if (sets.general[split].length === 0) throw noRows(`general ${split}`, "general");
  return sets.general[split];
}

const noRows = (set: string, file: string) =>
  new DataError(`this run has no ${set} prompts: give some to a new run with openRun(dir, { data: { ${file}: "FILE.jsonl" } })`);

/** All rows of all sets, training first. */
export function allRows(sets: Datasets): PromptRow[] {
  const { general } = sets;
  const own = [...sets.train1, ...sets.train2, ...general.train1, ...general.train2, ...sets.dev, ...general.dev];
  return [...own, ...sets.test, ...sets.unseen, ...general.test, ...sets.advbench.test, ...sets.harmbench.test];
}

/**
 * `size` rows, one of each group of near-duplicates, in their file's order: those whose ids have the smallest SHA-256. So the sample
 * is the same in every run, whatever its seed.
 */
function sampleDistinct(rows: readonly PromptRow[], size: number): PromptRow[] {
  const roots = groupTexts(rows.map(({ prompt }) => prompt));
  const single = rows.filter((_, i) => roots[i] === i);
  if (single.length < size) throw new DataError(`${rows[0]?.source}: ${single.length} distinct prompts, ${size} are needed`);
  const byHash = single.map((row) => ({ row, hash: textSha256(row.id) })).sort((a, b) => (a.hash < b.hash ? -1 : 1));
  const chosen = new Set(byHash.slice(0, size).map(({ row }) => row));
  return single.filter((row) => chosen.has(row));
}
