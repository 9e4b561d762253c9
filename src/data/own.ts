import { basename } from "node:path";
import { z } from "zod";
import { commonest, readGeneral, readRows, senseAndTarget } from "./authored.js";
import { DataError, wrong } from "./errors.js";
import { readText } from "./jsonl.js";
import { type Source, textSha256 } from "./manifest.js";
import type { GeneralRow, PromptRow } from "./types.js";

/** Prompts of one's own, by the set that they become: paths of JSON Lines files. */
export interface PromptFiles {
  /** `label`, `prompt`, `category` (a rule's id, or "none" where safe), `sense`, `target`; `family`, `frame` and `id` may be missing */
  train1?: string;
  train2?: string;
  dev?: string;
  test?: string;
  /** `prompt`, `kind`, `split`, `sense`, `target` and `expect`, as src/data/authored/general.jsonl has them */
  general?: string;
}

/** The sets that may come from a file. */
const ownNames = ["train1", "train2", "dev", "test", "general"] as const;

type OwnSplit = Exclude<(typeof ownNames)[number], "general">;

/** The rules that own prompts are checked against. */
export interface RuleNames {
  name: string;
  ids: readonly string[];
}

/** Words of a thought, which has no `<` but those of its tags. */
const plain = (field: z.ZodString) => field.regex(/^[^<\n]*$/, 'must be one line without "<"');

const promptSchema = ({ name, ids }: RuleNames) =>
  z
    .strictObject({
      id: z.string().min(1).optional(),
      prompt: z.string(wrong("must be text")).min(1, "is empty"),
      label: z.enum(["safe", "unsafe"], wrong("must be safe or unsafe")),
      category: z.string(wrong(`must be "none" or one of ${ids.join(", ")}`)),
      sense: plain(senseAndTarget.sense),
      target: plain(senseAndTarget.target),
      family: z.string().min(1).default("own"),
      frame: z.string().min(1).optional(),
    })
    .superRefine(({ label, category }, { addIssue }) => {
      const refuse = (message: string) => addIssue({ code: "custom", path: ["category"], message });
      if (category !== "none" && !ids.includes(category)) refuse(`"${category}" is no rule of ${name}: it has ${ids.join(", ")}`);
      else if (label === "unsafe" && category === "none") refuse(`an unsafe prompt names the rule that it breaks: ${ids.join(", ")}`);
      else if (label === "safe" && category !== "none") refuse(`a safe prompt breaks no rule: "none", not "${category}"`);
    });

/**
 * The prompts of a file. A safe one comes near to the rule that most unsafe ones of its frame break.
 * @throws DataError `FILE:LINE: FIELD: cause`
 */
export function readPrompts(path: string, split: OwnSplit, rules: RuleNames): PromptRow[] {
  const rows = readRows(path, promptSchema(rules));
  if (rows.length === 0) throw new DataError(`${path}: there are no prompts in it`);
  const broken = rows.flatMap(({ frame, category }) => (category === "none" ? [] : [{ frame, category }]));
  return rows.map((row, i) => {
    const ofFrame = row.label === "safe" && row.frame !== undefined ? broken.filter(({ frame }) => frame === row.frame) : [];
    const nearRule = commonest(ofFrame.map(({ category }) => category));
    const id = row.id ?? `own-${split}-${String(i + 1).padStart(3, "0")}`;
    return { ...row, id, source: `own ${split}`, split, ...(nearRule ? { nearRule } : {}) };
  });
}

/** Everyday prompts of a file. @throws DataError `FILE:LINE: FIELD: cause` */
export const readOwnGeneral = (path: string): GeneralRow[] =>
  readGeneral(path).map((row) => ({ ...row, id: `own-${row.id}`, source: "own general" }));

/** What a manifest says of the files: their names and digests. @throws DataError where one cannot be read, or is given for what is no set */
export function givenSources(files: PromptFiles): Source[] {
  const stray = Object.keys(files).find((set) => !(ownNames as readonly string[]).includes(set));
  if (stray !== undefined) throw new DataError(`data: "${stray}" is no set of prompts; there is: ${ownNames.join(", ")}`);
  return ownNames.flatMap((set) => {
    const path = files[set];
    if (path === undefined) return [];
    const title = `own prompts for ${set}`;
    return [
      { name: `own ${set}`, title, licence: "not stated", origin: basename(path), carriedBy: "a file", sha256: textSha256(readText(path)) },
    ];
  });
}
