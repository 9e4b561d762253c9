import { z } from "zod";
import type { RunFiles } from "./files.js";

/** What one policy of a run answered in one trial (a suite or an attack). */
export interface Evaluation {
  /** Folder of the stage that was evaluated, or "base". */
  policy: string;
  /** File name of the trial, such as `look-alike-safe`. */
  trial: string;
  /** What a table calls it. */
  title: string;
  /** Whether refusing is right; null where the trial has prompts of both kinds. */
  harmful: boolean | null;
  /** By the prompt's id, in the order of the suite. */
  answers: Map<string, Answer>;
}

const answerSchema = z.object({
  id: z.string(),
  label: z.enum(["safe", "unsafe"]),
  category: z.string(),
  frame: z.string().optional(),
  judgement: z.enum(["refusal", "compliance", "degenerate"]),
  traceValid: z.boolean(),
  tokens: z.number(),
  thoughtTokens: z.number(),
});

const evaluationSchema = z.object({ title: z.string(), harmful: z.boolean().nullable(), rows: z.array(answerSchema) });

const responseSchema = z.object({ id: z.string(), input: z.string(), completion: z.string() });

/** A judged completion. */
export type Answer = z.infer<typeof answerSchema> & Partial<z.infer<typeof responseSchema>>;

/** exp of the mean negative log-probability of a token of the held-out answers, with its 95% interval. */
const perplexitySchema = z.object({ perplexity: z.number(), low: z.number(), high: z.number() });
export type Perplexity = z.infer<typeof perplexitySchema>;

/** The evaluations of a run that are through, and perplexities by policy. */
export function readEvaluations(files: RunFiles): { evaluations: Evaluation[]; perplexities: Map<string, Perplexity> } {
  const evaluations: Evaluation[] = [];
  const perplexities = new Map<string, Perplexity>();
  const paths = files.list("evaluation");
  for (const path of paths) {
    const [, policy, trial, suffix] = /^evaluation\/(.+)\/([^/]+)\.(jsonl?)$/.exec(path) ?? [];
    if (!policy || !trial || trial.endsWith(".identity")) continue;
    if (suffix === "jsonl") {
      if (!paths.includes(path.replace(/jsonl$/, "json"))) files.faults.push(`${path}: the evaluation is not through`);
      continue;
    }
    const data = files.parsed<Perplexity | z.infer<typeof evaluationSchema>>(
      path,
      trial === "perplexity" ? perplexitySchema : evaluationSchema,
    );
    if (!data) continue;
    if ("perplexity" in data) perplexities.set(policy, data);
    else evaluations.push({ policy, trial, title: data.title, harmful: data.harmful, answers: withTexts(files, path, data.rows) });
  }
  return { evaluations, perplexities };
}

/** The judged rows with what the model wrote, from the JSON Lines beside them. */
function withTexts(files: RunFiles, path: string, rows: readonly z.infer<typeof answerSchema>[]): Map<string, Answer> {
  const texts = new Map<string, z.infer<typeof responseSchema>>();
  for (const line of files.lines(path.replace(/json$/, "jsonl"))) {
    const { data } = responseSchema.safeParse(line);
    if (data) texts.set(data.id, data);
  }
  return new Map(rows.map((row) => [row.id, { ...row, ...texts.get(row.id) }]));
}
