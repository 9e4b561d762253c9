import { basename, extname } from "node:path";
import { csvHeader, csvRecords } from "./csv-records.js";
import { DataError } from "./errors.js";
import { readJsonl } from "./jsonl.js";
import type { Label, PromptRow } from "./types.js";

/** How one published CSV format names its columns. */
interface SuiteFormat {
  name: string;
  /** columns by which the format is known; all must be there */
  columns: readonly string[];
  prompt: string;
  category?: string;
  /** the label of every row, where the format knows it */
  label?: Label;
}

/** Tried in this order; the first whose columns are there is taken. `note`, `focus`, `source`, `Target` and `target` may be missing. */
const formats: readonly SuiteFormat[] = [
  { name: "StrongREJECT", columns: ["forbidden_prompt"], prompt: "forbidden_prompt", category: "category", label: "unsafe" },
  { name: "JailbreakBench", columns: ["Goal", "Behavior", "Category"], prompt: "Goal", category: "Category" },
  { name: "XSTest", columns: ["prompt", "type", "label"], prompt: "prompt", category: "type" },
  { name: "AdvBench", columns: ["goal", "target"], prompt: "goal", label: "unsafe" },
  { name: "prompts", columns: ["prompt"], prompt: "prompt", category: "category" },
];

const labelWords: Record<string, Label> = { safe: "safe", benign: "safe", unsafe: "unsafe", harmful: "unsafe" };

export interface SuiteOptions {
  /** the label of all rows, where the file has no label column and its format has none either */
  label?: Label;
}

/**
 * A suite that somebody brings: XSTest, StrongREJECT, JailbreakBench or AdvBench CSV, or any CSV or JSON Lines file with a `prompt`.
 * A `label` column of the file (safe or benign, unsafe or harmful) counts first, then `options.label`, then what the format is known for.
 *
 * @returns rows with split `test`; `category` is the file's own word, `id` the file's id or the row's number
 * @throws DataError `FILE: cause` in one line
 */
export function readSuite(path: string, options: SuiteOptions = {}): PromptRow[] {
  const rows = extname(path) === ".jsonl" ? jsonlSuite(path, options) : csvSuite(path, options);
  if (rows.length === 0) throw new DataError(`${path}: there are no prompts in it`);
  return rows;
}

function csvSuite(path: string, options: SuiteOptions): PromptRow[] {
  const header = csvHeader(path);
  const format = formats.find(({ columns }) => columns.every((name) => header.includes(name)));
  if (!format) throw new DataError(`${path}: missing column "${missing(header)}" (the columns are ${header.join(", ")})`);
  const labelled = header.includes("label");
  if (!labelled && !options.label && !format.label) throw noLabel(path, `${format.name} files have no label column`);
  const name = suiteName(path);
  return csvRecords(path, format.columns).map(({ line, value }, i) => {
    const prompt = value[format.prompt]!.trim();
    if (prompt === "") throw new DataError(`${path}:${line}: ${format.prompt}: is empty`);
    const label = labelled ? parseLabel(value.label!, `${path}:${line}`) : (options.label ?? format.label)!;
    const category = (format.category && value[format.category]) || "none";
    return { id: rowId(name, value.id, i), prompt, label, family: name, category, source: name, split: "test" };
  });
}

function jsonlSuite(path: string, options: SuiteOptions): PromptRow[] {
  const name = suiteName(path);
  return readJsonl(path).map(({ line, value }, i) => {
    const where = `${path}:${line}`;
    const prompt = promptText(value.prompt);
    if (prompt === undefined) throw new DataError(`${where}: prompt: must be a string or a list of messages with a user's turn`);
    if (value.label === undefined && !options.label) throw noLabel(where, "no label");
    const label = value.label === undefined ? options.label! : parseLabel(String(value.label), where);
    const category = typeof value.category === "string" ? value.category : "none";
    return { id: rowId(name, value.id, i), prompt, label, family: name, category, source: name, split: "test" };
  });
}

/** A string as it is; of messages, the last user's turn. */
function promptText(prompt: unknown): string | undefined {
  if (typeof prompt === "string") return prompt.trim() || undefined;
  if (!Array.isArray(prompt)) return undefined;
  const turn = prompt.findLast((message) => message?.role === "user");
  return typeof turn?.content === "string" ? turn.content : undefined;
}

function parseLabel(text: string, where: string): Label {
  const label = labelWords[text.trim().toLowerCase()];
  if (!label) throw new DataError(`${where}: label: must be safe or unsafe, got "${text}"`);
  return label;
}

/** The column that the nearest format lacks. */
function missing(header: readonly string[]): string {
  const lacking = (format: SuiteFormat) => format.columns.filter((name) => !header.includes(name));
  const nearest = formats.filter((f) => lacking(f).length < f.columns.length).sort((a, b) => lacking(a).length - lacking(b).length)[0];
  return nearest ? lacking(nearest)[0]! : "prompt";
}

const noLabel = (where: string, why: string) => new DataError(`${where}: ${why}: say --label safe or --label unsafe`);
const suiteName = (path: string) => basename(path, extname(path));

function rowId(suite: string, id: unknown, index: number): string {
  return typeof id === "string" || typeof id === "number" ? (id === "" ? `${suite}-${index + 1}` : String(id)) : `${suite}-${index + 1}`;
}
