import { type Cell, cellTags, type Notebook } from "./types.js";

/**
 * A notebook's metadata is anybody's: what a report reads of it is checked here, and left out where it has a wrong type.
 * @returns the notebook with metadata that can be relied on, and one line for each thing that was left out
 */
export function checkMetadata(notebook: Notebook): { notebook: Notebook; warnings: string[] } {
  const warnings: string[] = [];
  const metadata = kept(notebook.metadata, NOTEBOOK, (key, wanted) => warnings.push(`the notebook's metadata.${key} is no ${wanted}`));
  const cells = notebook.cells.map((cell, i) => {
    const warn = (key: string, wanted: string) => warnings.push(`cell ${i + 1}: metadata.${key} is no ${wanted}`);
    if (Array.isArray(cell.metadata.tags) && cellTags(cell).length < cell.metadata.tags.length) warn("tags", "list of texts");
    return { ...cell, metadata: kept(cell.metadata, CELL, warn) } as Cell;
  });
  return { notebook: { ...notebook, metadata, cells }, warnings };
}

type Check = readonly [wanted: string, holds: (value: unknown) => boolean];

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const text: Check = ["text", (value) => typeof value === "string"];
const list: Check = ["list", Array.isArray];
const record: Check = ["object", isRecord];
const textsIn = (...keys: string[]): Check => [
  `object with ${keys.join(", ")} as text`,
  (value) => isRecord(value) && keys.every((key) => value[key] === undefined || typeof value[key] === "string"),
];
const execution: Check = [
  "object with a record of the run",
  (value) => {
    if (!isRecord(value)) return false;
    const run = value.execution;
    return (
      run === undefined ||
      (isRecord(run) &&
        typeof run.started === "string" &&
        typeof run.seconds === "number" &&
        [run.parameters ?? {}, run.environment ?? {}].every(isRecord))
    );
  },
];

const NOTEBOOK: Record<string, Check> = {
  title: text,
  authors: list,
  kernelspec: textsIn("name", "display_name", "language"),
  language_info: textsIn("name", "version"),
  erpo: execution,
};

const CELL: Record<string, Check> = { tags: list, execution: record, label: text, "fig-cap": text, "fig-alt": text, "tbl-cap": text };

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
