import { isRecord } from "../../src/setup/json.js";
import type { Cell, Notebook } from "./types.js";

/**
 * A notebook's metadata is anybody's: what a report reads of it is checked here, and left out where it has a wrong type.
 * @returns the notebook with metadata that can be relied on, and one line for each thing that was left out
 */
export function checkMetadata(notebook: Notebook): { notebook: Notebook; warnings: string[] } {
  const warnings: string[] = [];
  const metadata = kept(notebook.metadata, NOTEBOOK, (key, wanted) => warnings.push(`the notebook's metadata.${key} is no ${wanted}`));
  const cells = notebook.cells.map((cell, i) => {
    const warn = (key: string, wanted: string) => warnings.push(`cell ${i + 1}: metadata.${key} is no ${wanted}`);
    return { ...cell, metadata: kept(cell.metadata, CELL, warn) } as Cell;
  });
  return { notebook: { ...notebook, metadata, cells }, warnings };
}

type Check = readonly [wanted: string, holds: (value: unknown) => boolean];
const text: Check = ["text", (value) => typeof value === "string"];
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === "string");
const texts: Check = ["list of texts", isTexts];
const times: Check = ["object of times", (value) => isRecord(value) && isTexts(Object.values(value))];
const people: Check = [
  "list of names",
  (value) => Array.isArray(value) && value.every((author) => typeof (isRecord(author) ? author.name : author) === "string"),
];
const textsIn = (...keys: string[]): Check => [
  `object with ${keys.join(", ")} as text`,
  (value) => isRecord(value) && isTexts(keys.filter((key) => key in value).map((key) => value[key])),
];
const isFileDigest = (value: unknown): boolean => isRecord(value) && isTexts([value.file, value.sha256]);
const isUsedRun = (value: unknown): boolean =>
  isRecord(value) &&
  typeof value.folder === "string" &&
  isRecord(value.files) &&
  isTexts(Object.values(value.files)) &&
  isRecord(value.lengths) &&
  Object.values(value.lengths).every((length) => typeof length === "number");
const run: Check = [
  "object with the record of a run",
  (value) => {
    if (!isRecord(value) || value.execution === undefined) return isRecord(value);
    if (!isRecord(value.execution)) return false;
    const { started, seconds, complete = true, kernel = "", folder = "", cached = "" } = value.execution;
    const { source_sha256 = "", outputs_sha256 = "" } = value.execution;
    const { parameters = {}, environment = {}, device = {}, runs = [], files = [], compared = [] } = value.execution;
    return (
      Array.isArray(runs) &&
      runs.every(isUsedRun) &&
      [files, compared].every((list) => Array.isArray(list) && list.every(isFileDigest)) &&
      isTexts([started, source_sha256, outputs_sha256, kernel, folder, cached]) &&
      typeof seconds === "number" &&
      typeof complete === "boolean" &&
      [parameters, environment, device].every(isRecord) &&
      Object.values(environment as object).every((item) => typeof item === "string" || typeof item === "boolean")
    );
  },
];

const NOTEBOOK: Record<string, Check> = {
  title: text,
  authors: people,
  kernelspec: textsIn("name", "display_name", "language"),
  language_info: textsIn("name", "version"),
  erpo: run,
};

const CELL: Record<string, Check> = { tags: texts, execution: times, label: text, "fig-cap": text, "fig-alt": text, "tbl-cap": text };

function kept<T extends Record<string, unknown>>(
  metadata: T,
  checks: Record<string, Check>,
  warn: (key: string, wanted: string) => void,
): T {
  const result = { ...metadata };
  for (const [key, [wanted, holds]] of Object.entries(checks)) {
    if (metadata[key] === undefined || holds(metadata[key])) continue;
    warn(key, wanted);
    delete result[key];
  }
  return result;
}
