import { z } from "zod";
import { DataError, wrong } from "../data/errors.js";
import { digestOf } from "../data/identity.js";

const text = (meaning: string) => z.string(wrong("must be text: put it in quotes")).trim().min(1, "is empty").describe(meaning);

const ruleSchema = z.strictObject({
  id: text("what a trace cites, such as M1")
    .regex(/^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/, "must be of letters and digits, with hyphens between them")
    .refine((id) => id !== "none", 'must not be "none", which is the category of safe prompts'),
  risk: text("the risk that the trace of a prompt that breaks the rule names first")
    .regex(/^[\p{Ll}\p{Lo}\p{M}\p{N}]+([ -][\p{Ll}\p{Lo}\p{M}\p{N}]+)*$/u, "must be of lower-case words")
    .refine((risk) => !risk.startsWith("none"), 'must not begin with "none", with which the trace of a safe prompt begins'),
  title: text("a heading"),
  specification: text("what violates the rule"),
  quote: text("the words of the specification that decide, as they stand there: a trace cites them; default: the title")
    .regex(/^[^<():\n]*$/, "must be without brackets, colons and <")
    .optional(),
  not: text("what only looks as if it did"),
  action: z.enum(["refuse", "safe-completion"], wrong("must be refuse or safe-completion")).describe("the path of an answer"),
  guidance: text("how an answer takes that path"),
  refusal: text('what a refusal names, after "I can\'t help with"'),
  alternative: text("a sentence that offers something safe instead").optional(),
});

const ruleSetSchema = z
  .strictObject({
    name: text("what messages and records call the set"),
    version: text("of the set's words, for people").optional(),
    licence: text("of the set's words").optional(),
    rules: z
      .array(ruleSchema, wrong("must be a list of rules"))
      .min(1, "there is no rule: a set has one or more")
      .describe("in their order"),
  })
  .superRefine(({ rules }, context) => {
    rules.forEach(({ quote, specification }, i) => {
      if (quote && !specification.toLowerCase().includes(quote.toLowerCase()))
        context.addIssue({
          code: "custom",
          path: ["rules", i, "quote"],
          message: "must be words of the specification, as they stand there",
        });
    });
    for (const field of ["id", "risk"] as const) {
      rules.forEach((rule, i) => {
        const earlier = rules.findIndex((other) => other[field] === rule[field]);
        if (earlier < i) context.addIssue({ code: "custom", path: ["rules", i, field], message: `"${rule[field]}" is there twice` });
      });
    }
  });

/** A written rule: what violates it, what only looks as if it did, and how to refuse or to complete safely. */
export type Rule = z.infer<typeof ruleSchema>;

/** What a rule set says: the fields of its file. */
export type RuleSetContent = z.input<typeof ruleSetSchema>;

/** Written rules that a model learns to verify requests against: a value that a run is made with. */
export interface RuleSet {
  name: string;
  version?: string;
  licence?: string;
  /** At least one. */
  rules: readonly Rule[];
  /** The rules' ids in their order. */
  ids: readonly string[];
  /** SHA-256 of the content, hexadecimal; neither comments nor the order of a file's fields change it, the order of the rules does. */
  digest: string;
  /** Whether the set has a rule of this id. */
  has(id: string): boolean;
  /** @throws RangeError for an id that no rule of the set has */
  get(id: string): Rule;
}

/**
 * A rule set of this content.
 * @throws DataError `rule set: FIELD: cause`
 */
export function ruleSet(content: RuleSetContent): RuleSet {
  const parsed = ruleSetSchema.safeParse(content);
  if (!parsed.success) {
    const { path, cause } = fault(parsed.error);
    throw new DataError(`rule set: ${path.join(".") || "content"}: ${cause}`);
  }
  const { rules } = parsed.data;
  const byId = new Map(rules.map((rule) => [rule.id, rule]));
  const ids = [...byId.keys()];
  return {
    ...parsed.data,
    ids,
    digest: digestOf(parsed.data),
    has: (id) => byId.has(id),
    get(id) {
      const rule = byId.get(id);
      if (!rule) throw new RangeError(`"${id}" is no rule of ${parsed.data.name}: it has ${ids.join(", ")}`);
      return rule;
    },
  };
}

/** A rule set whose rules are cited by their ids alone. */
export function withoutQuotes(set: RuleSet): RuleSet {
  const bare = (rule: Rule): Rule => ({ ...rule, quote: "" });
  return { ...set, rules: set.rules.map(bare), get: (id) => bare(set.get(id)), digest: digestOf([set.digest, "without quotes"]) };
}

/** The first thing that is wrong with a content, and where; null where nothing is. */
export function contentFault(content: unknown): { path: PropertyKey[]; cause: string } | null {
  const parsed = ruleSetSchema.safeParse(content);
  return parsed.success ? null : fault(parsed.error);
}

function fault({ issues }: z.ZodError): { path: PropertyKey[]; cause: string } {
  const issue = issues[0]!;
  if (issue.code === "unrecognized_keys") return { path: [...issue.path, issue.keys[0]!], cause: "there is no such field" };
  return { path: issue.path, cause: issue.code === "invalid_type" && issue.expected === "object" ? "must have fields" : issue.message };
}

/** The JSON Schema of a rule set's file: what src/exante/rules.schema.json holds. */
export function rulesJsonSchema(): object {
  return { title: "A rule set of erpo", ...z.toJSONSchema(ruleSetSchema, { io: "input" }) };
}
