import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { packageRoot } from "../setup/paths.js";

const ruleSchema = z.object({
  id: z.string().regex(/^R\d+$/),
  risk: z.string(),
  title: z.string(),
  specification: z.string(),
  not: z.string(),
  action: z.enum(["refuse", "safe-completion"]),
  guidance: z.string(),
  refusal: z.string(),
  alternative: z.string().optional(),
});

/** One of the 14 written rules: what violates it, what only looks as if it did, and how to refuse or to complete safely. */
export type Rule = z.infer<typeof ruleSchema>;

let loaded: readonly Rule[] | undefined;

/** The rules R1..R14 in order (src/data/authored/rules.json). */
export function rules(): readonly Rule[] {
  loaded ??= z
    .array(ruleSchema)
    .length(14)
    .parse(JSON.parse(readFileSync(join(packageRoot(), "src/data/authored/rules.json"), "utf8")));
  return loaded;
}

/** @throws RangeError for an id that no rule has */
export function rule(id: string): Rule {
  const found = rules().find((r) => r.id === id);
  if (!found) throw new RangeError(`rule "${id}" does not exist: the rules are R1 to R14`);
  return found;
}
