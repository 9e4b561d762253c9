import { join } from "node:path";
import { z } from "zod";
import { writeAtomic, writeJson } from "../setup/atomic.js";
import { allRows, type Datasets } from "./dataset.js";
import { DataError } from "./errors.js";
import { formatJsonl, parseJsonl, readText } from "./jsonl.js";
import { countRows, countSources, type Manifest, textSha256 } from "./manifest.js";
import type { GeneralRow, PromptRow } from "./types.js";

const manifestSchema = z.object({
  version: z.literal(1),
  seed: z.number(),
  files: z.array(
    z.object({
      file: z.string(),
      sha256: z.string(),
      rows: z.number(),
      counts: z.record(z.string(), z.object({ safe: z.number().optional(), unsafe: z.number().optional() })),
    }),
  ),
  sources: z.array(
    z.object({
      name: z.string(),
      title: z.string(),
      licence: z.string(),
      origin: z.string(),
      carriedBy: z.string().optional(),
      sha256: z.string().optional(),
      rows: z.number(),
    }),
  ),
  dropped: z.record(z.string(), z.number()),
});

/** The files of a data folder in their order, with the rows that go into each. */
function parts(sets: Datasets): [file: string, rows: PromptRow[]][] {
  const { general } = sets;
  return [
    ["train1.jsonl", sets.train1],
    ["train2.jsonl", sets.train2],
    ["dev.jsonl", sets.dev],
    ["test.jsonl", sets.test],
    ["unseen.jsonl", sets.unseen],
    ["general-train1.jsonl", general.train1],
    ["general-train2.jsonl", general.train2],
    ["general-dev.jsonl", general.dev],
    ["general-test.jsonl", general.test],
    ["advbench-test.jsonl", sets.advbench.test],
    ["harmbench-test.jsonl", sets.harmbench.test],
  ];
}

/** The manifest that `writeDatasets` stores. */
export function manifestOf(sets: Datasets): Manifest {
  return {
    version: 1,
    seed: sets.seed,
    files: parts(sets).map(([file, rows]) => ({
      file,
      sha256: textSha256(formatJsonl(rows)),
      rows: rows.length,
      counts: countRows(rows),
    })),
    sources: countSources(allRows(sets), sets.given),
    dropped: sets.dropped,
  };
}

/**
 * Writes the sets into a folder (`runs/NAME/data`): JSON Lines, and `manifest.json` last, so that a folder with a manifest is whole.
 * The same sets give the same bytes.
 */
export function writeDatasets(dir: string, sets: Datasets): Manifest {
  for (const [file, rows] of parts(sets)) writeAtomic(join(dir, file), [formatJsonl(rows)]);
  const manifest = manifestOf(sets);
  writeJson(join(dir, "manifest.json"), manifest);
  return manifest;
}

/**
 * Reads a data folder back and compares every file with its recorded SHA-256.
 * @throws DataError naming the file that is missing or has changed
 */
export function loadDatasets(dir: string): Datasets {
  const manifest = loadManifest(dir);
  const rows = <T extends PromptRow>(file: string): T[] => {
    const path = join(dir, file);
    const entry = manifest.files.find((f) => f.file === file);
    if (!entry) throw new DataError(`${join(dir, "manifest.json")}: files: ${file} is not listed`);
    const text = readText(path);
    if (textSha256(text) !== entry.sha256) {
      throw new DataError(`${path}: has changed since it was written (SHA-256 differs from manifest.json): ${builtAgain(dir)}`);
    }
    return parseJsonl(text, path).map(({ value }) => value as unknown as T);
  };
  return {
    seed: manifest.seed,
    train1: rows("train1.jsonl"),
    train2: rows("train2.jsonl"),
    dev: rows("dev.jsonl"),
    test: rows("test.jsonl"),
    unseen: rows("unseen.jsonl"),
    general: {
      train1: rows<GeneralRow>("general-train1.jsonl"),
      train2: rows<GeneralRow>("general-train2.jsonl"),
      dev: rows<GeneralRow>("general-dev.jsonl"),
      test: rows<GeneralRow>("general-test.jsonl"),
    },
    advbench: { test: rows("advbench-test.jsonl") },
    harmbench: { test: rows("harmbench-test.jsonl") },
    given: manifest.sources.flatMap(({ rows: _, ...source }) => (source.sha256 ? [source] : [])),
    dropped: manifest.dropped,
  };
}

const builtAgain = (dir: string): string => `remove ${dir}, and the data is built again when the run is opened as before`;

/** The manifest of a data folder. @throws DataError when there is none, or it is damaged */
function loadManifest(dir: string): Manifest {
  const path = join(dir, "manifest.json");
  const text = readText(path);
  try {
    return manifestSchema.parse(JSON.parse(text)) as Manifest;
  } catch {
    throw new DataError(`${path}: is not a manifest of erpo's data: ${builtAgain(dir)}`);
  }
}
