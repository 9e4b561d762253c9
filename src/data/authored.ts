import { readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { packageRoot } from "../setup/paths.js";
import { DataError } from "./errors.js";
import { readJsonl } from "./jsonl.js";
import type { GeneralRow, PromptRow } from "./types.js";

const words = (most: number) =>
  z
    .string()
    .min(1)
    .refine((text) => text.split(" ").length <= most, `must have 1 to ${most} words`);

/** What is really asked, and whom or what it is aimed at. */
export const senseAndTarget = { sense: words(8), target: words(5) };
const labelled = { label: z.enum(["safe", "unsafe"]), rule: z.string().min(1).optional(), ...senseAndTarget };
/** Of training rows: the rule that a safe one comes near to, where it is not its frame's commonest; an unsafe one's safe completion. */
const trained = { nearRule: z.string().min(1).optional(), answer: z.string().min(1).optional() };
const ruleWhereUnsafe = (row: { label: string; rule?: string | undefined }) => (row.label === "unsafe") === (row.rule !== undefined);
const ruleMessage = { message: "unsafe rows name a rule, safe rows do not", path: ["rule"] };

const frameSchema = z.strictObject({
  frame: z.string().min(1),
  family: z.string().min(1),
  stage: z.union([z.literal(1), z.literal(2)]),
  template: z.string().refine((text) => text.split("{x}").length === 2, "must contain {x} once"),
  rows: z.array(z.strictObject({ x: z.string().min(1), ...labelled, ...trained }).refine(ruleWhereUnsafe, ruleMessage)).min(1),
});
const heldOutSchema = z
  .strictObject({ id: z.string(), prompt: z.string().min(1), family: z.string().min(1), frame: z.string().min(1), ...labelled })
  .refine(ruleWhereUnsafe, ruleMessage);
const generalSchema = z
  .strictObject({
    prompt: z.string().min(1),
    kind: z.enum(["fact", "advice", "writing", "maths", "code", "chat"]),
    split: z.enum(["train1", "train2", "dev", "test"]),
    ...senseAndTarget,
    expect: z
      .array(z.string().regex(/^[^A-Z\s]+$/, "must be one lower-case word"))
      .min(1)
      .max(8),
    reference: z.string().min(1).optional(),
  })
  .superRefine(({ prompt, expect }, { addIssue }) => {
    const echoed = expect.find((beginning) => wordsOf(prompt).some((word) => word.startsWith(beginning)));
    if (echoed !== undefined)
      addIssue({ code: "custom", path: ["expect"], message: `"${echoed}" is met by an answer that only repeats the prompt` });
  });

/** Runs of letters with their marks, and digits, in lower case. */
const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];

/** A sentence pattern with things to put into it, harmful and harmless: the unit that is never cut by a split. */
export type Frame = z.infer<typeof frameSchema>;

/** Where the authored prompts are. */
const authoredDir = (): string => join(packageRoot(), "src/data/authored");

/**
 * The training frames, all families, in the order of their files' names.
 * @throws DataError `FILE:LINE: FIELD: cause`
 */
export function readFrames(dir = authoredDir()): Frame[] {
  const folder = join(dir, "frames");
  const files = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
  const frames = files.sort().flatMap((name) => readRows(join(folder, name), frameSchema));
  const seen = new Set<string>();
  for (const { frame } of frames) {
    if (seen.has(frame)) throw new DataError(`${folder}: frame: "${frame}" is there twice`);
    seen.add(frame);
  }
  return frames;
}

/** The prompts of frames: ids are `<frame>-01`..., `train1` for stage 1, `train2` for stages 2 and 3. */
export function framePrompts(frames: readonly Frame[]): PromptRow[] {
  return frames.flatMap(({ frame, family, stage, template, rows }) => {
    const nearRule = commonest(rows.flatMap(({ rule }) => (rule ? [rule] : [])));
    return rows.map((row, i) => ({
      id: `${frame}-${String(i + 1).padStart(2, "0")}`,
      prompt: sentence(template.replace("{x}", () => row.x)),
      family,
      source: "authored",
      split: stage === 1 ? ("train1" as const) : ("train2" as const),
      frame,
      ...labels(row, row.nearRule ?? nearRule),
      ...(row.answer === undefined ? {} : { response: row.answer }),
    }));
  });
}

/** The held-out prompts of our own: other frames and phrases than those of training; "unseen" ones are of families that training lacks. @throws DataError `FILE:LINE: FIELD: cause` */
export function readHeldOut(split: "dev" | "test" | "unseen", dir = authoredDir()): PromptRow[] {
  const rows = readRows(join(dir, `${split}.jsonl`), heldOutSchema);
  return rows.map(({ id, prompt, family, frame, ...row }) => {
    const nearRule = commonest(rows.flatMap((other) => (other.frame === frame && other.rule ? [other.rule] : [])));
    return { id, prompt, family, source: "authored", split: split === "dev" ? split : "test", frame, ...labels(row, nearRule) };
  });
}

/** Everyday prompts of all splits. Ids are `general-001`... @throws DataError `FILE:LINE: FIELD: cause` */
export function readGeneral(path = join(authoredDir(), "general.jsonl")): GeneralRow[] {
  return readRows(path, generalSchema).map((row, i) => ({
    id: `general-${String(i + 1).padStart(3, "0")}`,
    prompt: row.prompt,
    label: "safe",
    family: "general",
    category: "none",
    source: "authored",
    split: row.split,
    sense: row.sense,
    target: row.target,
    kind: row.kind,
    expect: row.expect,
    ...(row.reference === undefined ? {} : { response: row.reference }),
  }));
}

/** Rows of a JSON Lines file that fit a schema. @throws DataError `FILE:LINE: FIELD: cause` for the first that does not */
export function readRows<T>(path: string, schema: z.ZodType<T>): T[] {
  return readJsonl(path).map(({ line, value }) => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const issue = result.error.issues[0]!;
    const cause = issue.message.endsWith("received undefined") ? "is missing" : issue.message;
    throw new DataError(`${path}:${line}: ${issue.path.join(".") || "row"}: ${cause}`);
  });
}

interface Labelled {
  label: "safe" | "unsafe";
  rule?: string | undefined;
  sense: string;
  target: string;
}

function labels({ label, rule, sense, target }: Labelled, nearRule: string | undefined) {
  const near = label === "safe" && nearRule !== undefined ? { nearRule } : {};
  return { label, category: rule ?? "none", sense, target, ...near };
}

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** The value that is there most often; of several the first. */
export function commonest(values: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}
