import { basename, extname } from "node:path";
import { csvHeader, csvRecords, missingColumn } from "./csv-records.js";
import { DataError } from "./errors.js";
import { readFirstJsonl, readJsonl } from "./jsonl.js";
import { begunTurn, messagesSchema } from "./messages.js";
import type { ChatMessage, Label, PromptRow } from "./types.js";

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

/** Tried in this order; the first whose columns are there is taken. Other columns may be there or not. */
const formats: readonly SuiteFormat[] = [
  { name: "StrongREJECT", columns: ["forbidden_prompt"], prompt: "forbidden_prompt", label: "unsafe" },
  { name: "JailbreakBench", columns: ["Goal", "Behavior", "Category"], prompt: "Goal", category: "Category" },
  { name: "XSTest", columns: ["prompt", "type", "label"], prompt: "prompt", category: "type" },
  { name: "AdvBench", columns: ["goal", "target"], prompt: "goal", label: "unsafe" },
  { name: "prompts", columns: ["prompt"], prompt: "prompt" },
];

/** Columns or fields of any file that are taken where they are there. */
const optionalFields = ["label", "family", "category", "frame", "id", "system", "prefill"];

const labelWords: ReadonlyMap<string, Label> = new Map([
  ["safe", "safe"],
  ["benign", "safe"],
  ["unsafe", "unsafe"],
  ["harmful", "unsafe"],
]);

/** How a suite is read. */
export interface SuiteOptions {
  /** the label of all rows, where the file has no label column and its format has none either */
  label?: Label;
  /** So many rows at most, >= 1, from the first: only as much of the file is read. All of them unless told. */
  rows?: number | undefined;
}

/**
 * A suite that somebody brings: XSTest, StrongREJECT, JailbreakBench or AdvBench CSV, or any CSV or JSON Lines file with a `prompt`.
 * A `label` column of the file (safe or benign, unsafe or harmful) counts first, then `options.label`, then what the format is known for. Columns or fields `family`,
 * `category`, `frame` (what prompts of one template share), `id`, `system` (a system turn) and `prefill` (how the model's own turn begins) are taken where they are there. In JSON Lines a prompt may be messages:
 * the last user's turn is the prompt, what stands before it is asked with it, and an assistant's turn behind it is the prefill.
 *
 * @returns rows with split `test`; `family` is the file's own word, or the file's name; `category` its own word, or "none"; `id` its id, or the row's number
 * @throws DataError `FILE: cause` in one line; also for an option that is out of range, a column that is one of these but for capitals or a plural, and for an id that two rows have
 */
export function readSuite(path: string, options: SuiteOptions = {}): PromptRow[] {
  const { label, rows: most } = options;
  if (label !== undefined && label !== "safe" && label !== "unsafe")
    throw new DataError(`${path}: the label must be safe or unsafe, got "${label}"`);
  if (most !== undefined && !(Number.isInteger(most) && most >= 1))
    throw new DataError(`${path}: the number of rows must be a whole number >= 1, got ${most}`);
  const rows = extname(path).toLowerCase() === ".jsonl" ? jsonlSuite(path, options) : csvSuite(path, options);
  if (rows.length === 0) throw new DataError(`${path}: there are no prompts in it`);
  return rows;
}

function csvSuite(path: string, options: SuiteOptions): PromptRow[] {
  const header = csvHeader(path);
  const format = formats.find(({ columns }) => columns.every((name) => header.includes(name)));
  if (!format) throw missingColumn(path, missing(header), header);
  assertNames(header, path, format);
  const labelled = header.includes("label");
  if (!labelled && !options.label && !format.label) throw noLabel(path, `${format.name} files have no label column`);
  const name = suiteName(path);
  const lines = new Map<string, number>();
  return csvRecords(path, format.columns, { rows: options.rows }).map(({ line, value }, i) => {
    const where = `${path}:${line}`;
    if (value[format.prompt]!.trim() === "") throw new DataError(`${where}: ${format.prompt}: is empty`);
    const label = labelled ? parseLabel(value.label!, where) : (options.label ?? format.label)!;
    const category = value.category || (format.category && value[format.category]);
    return once(lines, line, suiteRow(name, i, label, { ...value, prompt: value[format.prompt], category }, where), where);
  });
}

function jsonlSuite(path: string, options: SuiteOptions): PromptRow[] {
  const name = suiteName(path);
  const lines = new Map<string, number>();
  return (options.rows === undefined ? readJsonl(path) : readFirstJsonl(path, options.rows)).map(({ line, value }, i) => {
    const where = `${path}:${line}`;
    assertNames(Object.keys(value), where);
    if (value.label === undefined && !options.label) throw noLabel(where, "no label");
    const label = value.label === undefined ? options.label! : parseLabel(String(value.label), where);
    return once(lines, line, suiteRow(name, i, label, value, where), where);
  });
}

/** Answers are told apart by their prompts' ids. @param lines of the ids so far */
function once(lines: Map<string, number>, line: number, row: PromptRow, where: string): PromptRow {
  const first = lines.get(row.id);
  if (first !== undefined)
    throw new DataError(`${where}: id: "${row.id}" is that of line ${first} too: give each prompt its own, or none at all`);
  lines.set(row.id, line);
  return row;
}

/** A name that is nearly one of a field would be passed over without a word. */
function assertNames(names: readonly string[], where: string, format?: SuiteFormat): void {
  for (const name of names) {
    const field = optionalFields.find((field) => name !== field && [field, `${field}s`].includes(name.trim().toLowerCase()));
    if (field && !names.includes(field) && name !== format?.category)
      throw new DataError(`${where}: "${name}" is not read: call it "${field}", or something else`);
  }
}

/** A row of its fields, which are named as in JSON Lines. */
function suiteRow(suite: string, index: number, label: Label, fields: Record<string, unknown>, where: string): PromptRow {
  const word = (name: string) => {
    const value = fields[name];
    if (value === undefined || value === null || value === "") return undefined;
    if (typeof value !== "string" && typeof value !== "number") throw new DataError(`${where}: ${name}: must be a string`);
    return String(value);
  };
  const frame = word("frame");
  return {
    id: word("id") ?? `${suite}-${index + 1}`,
    ...conversation(fields.prompt, word("system"), word("prefill"), where),
    label,
    family: word("family") ?? suite,
    category: word("category") ?? "none",
    source: suite,
    split: "test",
    ...(frame === undefined ? {} : { frame }),
  };
}

/** The last user's turn, what stands before it, and how the model's turn begins. */
function conversation(prompt: unknown, system: string | undefined, prefill: string | undefined, where: string) {
  const wrong =
    "must be a string or a list of messages {role, content} that ends with a user's turn, or with the beginning of the model's own";
  const parsed = messagesSchema.safeParse(typeof prompt === "string" ? [{ role: "user", content: prompt.trim() }] : prompt);
  if (!parsed.success) throw new DataError(`${where}: prompt: ${wrong}`);
  const { messages, prefill: begun } = begunTurn(parsed.data);
  const asked = messages.at(-1);
  if (asked?.role !== "user" || asked.content.trim() === "") throw new DataError(`${where}: prompt: ${wrong}`);
  if (system !== undefined && messages[0]!.role === "system")
    throw new DataError(`${where}: system: the messages have a system turn already`);
  if (prefill !== undefined && begun !== undefined)
    throw new DataError(`${where}: prefill: the last message is the assistant's, which begins the model's turn already`);
  const before: ChatMessage[] = [...(system === undefined ? [] : [{ role: "system" as const, content: system }]), ...messages.slice(0, -1)];
  const begins = prefill ?? begun;
  return { prompt: asked.content, ...(before.length > 0 ? { before } : {}), ...(begins === undefined ? {} : { prefill: begins }) };
}

function parseLabel(text: string, where: string): Label {
  const label = labelWords.get(text.trim().toLowerCase());
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
