import { basename } from "node:path";
import { z } from "zod";
import { DataError, wrong } from "../data/errors.js";
import { type IdentityValue, identityDifferences } from "../data/identity.js";
import { readJson } from "../data/jsonl.js";
import { traceWeights } from "../exante/rows.js";
import type { DecisionPlace } from "../exante/trace.js";
import { isRecord } from "../setup/json.js";

/**
 * How much of everything a run does, and the parts of the recipe that ablations change. Budgets are counted in tokens and prompts, never in seconds, so that a run does
 * the same work on every machine.
 */
export interface Profile {
  /** A folder's name: of letters, digits, dots, hyphens and underscores. */
  name: string;
  /** What `erpo start` runs: "all", the six notebooks of the main job with baselines and attacks; "demo", one that trains the stages and holds the last against the base model. */
  notebooks: "all" | "demo";
  /** LoRA rank and the first of the adapted layers as a share of the depth; alpha is twice the rank. */
  rank: number;
  firstLayer: number;
  stage1: Stage1Settings;
  /** Prompts of each label that pairs are made from. */
  stage2: { prompts: number; rate: number };
  /** With `efficiency` false no pair is of a short and a long thought: rounds compare right with wrong verdicts alone. With 0 rounds stage 3 is the policy that it would begin with. */
  stage3: { rounds: number; prompts: number; samples: number; rate: number; efficiency: boolean };
  /** Prompts of each suite and of each attack; of the dev set, of each label, for its read-out and for the answers that the gate judges. */
  evaluation: { prompts: number; attackPrompts: number; devPrompts: number; gatePrompts: number };
  /** Completions are cut after this many answer tokens. */
  answerTokens: number;
  /**
   * Whose answers to harmless prompts are learned: of a model by name or path, such as an instruct model for one that was not trained on chats. Null: the model's own, and with "gemma-3-270m" those of
   * "smollm2-135m-instruct".
   */
  answersOf: string | null;
}

/** What stage 1 learns from. */
export interface Stage1Settings {
  /** Tokens (prompt and completion, all rows together) of each phase, and its peak learning rate. The decisions are gone through in passes of so many tokens. */
  decisionTokens: number;
  decisionPasses: number;
  decisionRate: number;
  traceTokens: number;
  traceRate: number;
  /** Share of 1b's thoughts that are in sentences: more than half, so that the model by itself thinks at length, and not all, so that its samples have lengths to choose from. */
  verbose: number;
  /**
   * Share of the correction rows, which begin with a wrong first word, that are written, in 1a and in 1b; in the others' places stand rows with the right first word. 0: none. At 0.5 rows begin with a
   * wrong word about as often as the policy does; at 1 verdicts overrule too many right ones.
   */
  corrections: number;
  /** Whether verification quotes the rule's words before its number: `WORDS (R1): violates`, else `R1: violates`. */
  quotes: boolean;
  /** Where an assessment decides. "last" is an ablation of stage 1: the later stages read the first word. */
  decides: DecisionPlace;
  /** Weight of the verdict's first token in the loss; a tag's is 1. */
  verdictWeight: number;
}

/** What a profile changes of another one: what it does not name is as there. */
export type ProfileChange = { [Field in keyof Profile]?: Profile[Field] extends object ? Partial<Profile[Field]> : Profile[Field] };

/** For two CPU cores, in 20 minutes at 240 GFLOP/s. Decisions are learned from 250,000 tokens of prompts, each once; all of them have 348,000. */
const quick: Profile = {
  name: "quick",
  notebooks: "all",
  rank: 16,
  firstLayer: 1 / 3,
  stage1: {
    ...{ decisionTokens: 250_000, decisionPasses: 1, decisionRate: 2e-3, traceTokens: 100_000, traceRate: 1e-3 },
    ...{ verbose: 0.5, corrections: 0.5, quotes: true, decides: "first", verdictWeight: traceWeights.verdict },
  },
  stage2: { prompts: 48, rate: 2e-4 },
  stage3: { rounds: 2, prompts: 24, samples: 4, rate: 3e-4, efficiency: true },
  evaluation: { prompts: 60, attackPrompts: 20, devPrompts: 100, gatePrompts: 40 },
  answerTokens: 32,
  answersOf: null,
};

/**
 * All prompts and every stage at length: for a GPU of 16 GB and up, or an hour or two of two CPU cores. Decisions are learned twice: the first word's AUC on dev is .944 and .951 then (seeds 1 and 2),
 * and .928 and .936 after one pass.
 */
const full: Profile = {
  ...quick,
  name: "full",
  stage1: { ...quick.stage1, decisionTokens: 360_000, decisionPasses: 2, traceTokens: 250_000 },
  stage2: { prompts: 110, rate: 2e-4 },
  stage3: { ...quick.stage3, rounds: 3, prompts: 60, samples: 4, rate: 1e-4 },
  evaluation: { prompts: 230, attackPrompts: 100, devPrompts: 220, gatePrompts: 220 },
  answerTokens: 48,
};

/**
 * For a class and for the impatient: three minutes of two CPU cores at 240 GFLOP/s, in one notebook, without baselines. Two thirds of stage 1's tokens are whole traces: of 180 dev prompts 94 are said to
 * violate a rule, and 93 of these thoughts go on to a path that refuses or completes safely (seed 1). After 45,000 tokens of decisions and 30,000 of traces 3 of 74 did, and the others wrote the rule
 * again or "comply"; the first word's AUC is .744 then and .708 here. All thoughts are terse: with sentences among them so few steps do not teach which path `<calibrate>` may name.
 */
const demo: Profile = {
  ...quick,
  name: "demo",
  notebooks: "demo",
  stage1: { ...quick.stage1, decisionTokens: 22_000, decisionRate: 4e-3, traceTokens: 44_000, traceRate: 3e-3, verbose: 0 },
  stage2: { prompts: 6, rate: 2e-4 },
  stage3: { ...quick.stage3, rounds: 1, prompts: 8, samples: 2 },
  evaluation: { prompts: 30, attackPrompts: 10, devPrompts: 60, gatePrompts: 8 },
  answerTokens: 16,
};

/** For tests: every stage runs, nothing is learned. */
const tiny: Profile = {
  ...quick,
  name: "tiny",
  rank: 2,
  stage1: { ...quick.stage1, decisionTokens: 3_000, decisionRate: 1e-3, traceTokens: 4_000, traceRate: 1e-3, corrections: 1 },
  stage2: { prompts: 8, rate: 1e-4 },
  stage3: { ...quick.stage3, rounds: 2, prompts: 8, samples: 2, rate: 1e-4 },
  evaluation: { prompts: 4, attackPrompts: 2, devPrompts: 4, gatePrompts: 4 },
  answerTokens: 8,
};

const builtIn: readonly Profile[] = [quick, full, demo, tiny];

/** The names of the built-in profiles. */
export const profileNames: readonly string[] = builtIn.map(({ name }) => name);

/** Whether what stands for a profile is a file's path, and not a name. */
export const isProfileFile = (given: string): boolean => given.endsWith(".json");

/**
 * The profile that is meant by a built-in name, by the path of a JSON file, or by itself. A file names the built-in profile that it extends, "quick" unless it says so, and what it
 * changes: `{"extends": "quick", "name": "no-corrections", "stage1": {"corrections": 0}}`; its name is the file's unless it has one.
 * @throws RangeError for a name that no profile has; DataError `FILE: FIELD: cause`
 */
export function profile(given: string | Profile): Profile {
  if (typeof given !== "string") return checked(given, "profile");
  const found = builtIn.find((p) => p.name === given);
  if (found) return found;
  if (!isProfileFile(given)) throw new RangeError(`profile "${given}" does not exist: choose ${choices}, or a .json file`);
  const { extends: base = quick.name, ...changes } = readJson<{ extends?: string }>(given);
  const extended = builtIn.find((p) => p.name === base);
  if (!extended) throw new DataError(`${given}: extends: "${base}" is no built-in profile: choose ${choices}`);
  return checked(merged(extended, { name: basename(given, ".json"), ...changes }), given);
}

const choices = `${profileNames.slice(0, -1).join(", ")} or ${profileNames.at(-1)}`;

/**
 * A profile that is another one but for what is named.
 * @throws DataError `profile: FIELD: cause` for a field that no profile has, or a value that it cannot have; also where it would be another one under a built-in name
 */
export const changedProfile = (base: Profile, change: ProfileChange): Profile => checked(merged(base, change), "profile");

/** Whether a profile is a built-in one, which its name stands for. */
export const isBuiltIn = (given: Profile): boolean =>
  builtIn.some((p) => p.name === given.name && profileDifferences(p, given).length === 0);

/** What two profiles differ in, whatever they are called: `stage1.corrections 0.5, not 0`, one text per field. */
export function profileDifferences({ name: _, ...was }: Profile, { name: __, ...now }: Profile): string[] {
  const differences = identityDifferences(was as unknown as IdentityValue, now as unknown as IdentityValue);
  return differences.map((difference) => `${difference.field} ${difference.was}, not ${difference.now}`);
}

/** Whether stage 1 learns enough for a notebook to hold its claims against its numbers, as with every built-in profile but tiny. */
export const trainsEnough = ({ stage1: { decisionTokens, traceTokens } }: Profile): boolean =>
  decisionTokens >= demo.stage1.decisionTokens && traceTokens >= demo.stage1.traceTokens;

/** As deep as both have fields. */
function merged(base: object, change: object): object {
  const fields = Object.entries(change).map(([name, value]) => {
    const before = (base as Record<string, unknown>)[name];
    return [name, isRecord(before) && isRecord(value) ? merged(before, value) : value];
  });
  return { ...base, ...Object.fromEntries(fields) };
}

const number = (words: string, holds: (x: number) => boolean) => {
  const cause = `must be ${words}`;
  return z.number(wrong(cause)).refine(holds, cause);
};
const count = number("a whole number of 1 or more", (x) => Number.isInteger(x) && x >= 1);
const share = number("a number from 0 to 1", (x) => x >= 0 && x <= 1);
const rate = number("a number above 0", (x) => x > 0);
const either = z.boolean(wrong("must be true or false"));

const schema: z.ZodType<Profile> = z.strictObject({
  name: z
    .string(wrong("must be text"))
    .regex(/^[\w-][\w.-]*$/, "must be of letters, digits, dots, hyphens and underscores: it names a folder"),
  notebooks: z.enum(["all", "demo"], wrong('must be "all" or "demo"')),
  rank: count,
  firstLayer: share.refine((x) => x < 1, "must be below 1: some layers are adapted"),
  stage1: z.strictObject({
    ...{ decisionTokens: count, decisionPasses: count, decisionRate: rate, traceTokens: count, traceRate: rate },
    ...{
      verbose: share,
      corrections: share,
      quotes: either,
      decides: z.enum(["first", "last"], wrong('must be "first" or "last"')),
      verdictWeight: number("a number of 0 or more", (x) => x >= 0),
    },
  }),
  stage2: z.strictObject({ prompts: count, rate }),
  stage3: z.strictObject({
    rounds: number("a whole number of 0 or more", (x) => Number.isInteger(x) && x >= 0),
    ...{ prompts: count, samples: count, rate, efficiency: either },
  }),
  evaluation: z.strictObject({ prompts: count, attackPrompts: count, devPrompts: count, gatePrompts: count }),
  answerTokens: count,
  answersOf: z.string(wrong("must be a model's name or path, or null")).min(1, "must be a model's name or path, or null").nullable(),
});

/** @param where what the message begins with */
function checked(content: object, where: string): Profile {
  const parsed = schema.safeParse(content);
  if (!parsed.success) throw new DataError(`${where}: ${fault(parsed.error.issues[0]!)}`);
  const namesake = builtIn.find(({ name }) => name === parsed.data.name);
  const [difference] = namesake ? profileDifferences(namesake, parsed.data) : [];
  if (!difference) return parsed.data;
  throw new DataError(`${where}: name: "${namesake!.name}" is a built-in profile (with ${difference}): choose another name`);
}

/** Which field is wrong, and why; of one that there is not, which there are. */
function fault(issue: z.core.$ZodIssue): string {
  const path = issue.path.map(String);
  if (issue.code !== "unrecognized_keys") {
    const cause = issue.code === "invalid_type" && issue.expected === "object" ? "must have fields" : issue.message;
    return `${path.join(".") || "content"}: ${cause}`;
  }
  const allowed = Object.keys(path.reduce<object>((at, name) => at[name as keyof typeof at], quick));
  return `${[...path, issue.keys[0]!].join(".")}: there is no such field; there are ${allowed.join(", ")}`;
}
