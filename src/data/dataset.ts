import type { Rng } from "../backend/random.js";
import { framePrompts, readFrames, readGeneral, readHeldOut } from "./authored.js";
import { sexualisesMinors } from "./care.js";
import { DataError } from "./errors.js";
import { textSha256 } from "./manifest.js";
import { groupTexts } from "./near-duplicates.js";
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
  general: Record<Split, GeneralRow[]>;
  /** harmful only, for reporting */
  advbench: { test: PromptRow[] };
  harmbench: { test: PromptRow[] };
  /** rows left out, by reason */
  dropped: Record<string, number>;
}

/** AdvBench prompts that are reported on. */
export const advBenchTestSize = 100;

/** Share of the malicious uses that stages 2 and 3 get. */
const stage2Share = 0.25;

export interface BuildOptions {
  /** recorded in the manifest: what `rng` was made from */
  seed: number;
  rng: Rng;
  log?: (line: string) => void;
}

/**
 * Builds all sets from the authored prompts and the packages. Training rows that are near-duplicates of any held-out prompt
 * are left out, and counted; likewise held-out rows near to a set that is reported on, and stage 2's rows near to stage 1's.
 *
 * @throws DataError when an authored test prompt is in the training frames, a prompt has both labels, or a file is damaged
 */
export async function buildDatasets({ seed, rng, log }: BuildOptions): Promise<Datasets> {
  const dropped: Record<string, number> = {};
  const drop = (reason: string, n: number) => {
    if (n > 0) dropped[reason] = (dropped[reason] ?? 0) + n;
  };
  const take = (name: string, { rows, leftOut }: PackageRows) => {
    for (const [reason, n] of Object.entries(leftOut)) drop(`${name}: ${reason}`, n);
    return rows;
  };
  const without = <T extends PromptRow>(name: string, rows: readonly T[], heldOut: readonly PromptRow[]) => {
    const { kept, dropped: near } = separate(rows, heldOut);
    drop(name, near.length);
    return kept;
  };

  const general = distinct(readGeneral()).kept;
  const generalOf = (split: Split) => general.filter((row) => row.split === split);
  const advbench = sampleDistinct(take("advbench", await advBench(log)), advBenchTestSize);
  const harmbench = take("harmbench", await harmBench(log));

  const reported = [...readHeldOut("test"), ...generalOf("test"), ...advbench, ...harmbench];
  const dev = without("dev: near a test prompt", readHeldOut("dev"), reported);
  const generalDev = without("general dev: near a test prompt", generalOf("dev"), reported);
  const heldOut = [...reported, ...dev, ...generalDev];

  const authored = framePrompts(readFrames());
  assertDisjoint([...authored, ...generalOf("train1"), ...generalOf("train2")], heldOut);
  const malicious = take("do-not-answer", await doNotAnswer(log));
  const parts = splitByGroup(malicious, { train1: 1 - stage2Share, train2: stage2Share }, rng.fork("do-not-answer"));
  const stage = (split: "train1" | "train2") => {
    const rows = [...authored.filter((row) => row.split === split), ...parts[split].map((row) => ({ ...row, split }))];
    const { kept, copies } = distinct(rows);
    drop(`${split}: copies`, copies);
    return without(`${split}: near a held-out prompt`, kept, heldOut);
  };
  const train1 = stage("train1");
  const train2 = without("train2: near a prompt of train1", stage("train2"), train1);
  const generalTrain1 = without("general train1: near a held-out prompt", generalOf("train1"), heldOut);
  const generalTrain2 = without("general train2: near a held-out prompt", generalOf("train2"), heldOut);

  const sets: Datasets = {
    seed,
    train1,
    train2,
    dev,
    test: reported.filter((row) => row.source === "authored" && row.family !== "general"),
    general: { train1: generalTrain1, train2: generalTrain2, dev: generalDev, test: generalOf("test") },
    advbench: { test: advbench },
    harmbench: { test: harmbench },
    dropped,
  };
  for (const row of allRows(sets)) {
    if (sexualisesMinors(row.prompt)) throw new DataError(`${row.id}: speaks of young people and of sex: remove it`);
  }
  return sets;
}

/** All rows of all sets, training first. */
export function allRows(sets: Datasets): PromptRow[] {
  const { general } = sets;
  const own = [...sets.train1, ...sets.train2, ...general.train1, ...general.train2, ...sets.dev, ...general.dev];
  return [...own, ...sets.test, ...general.test, ...sets.advbench.test, ...sets.harmbench.test];
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
