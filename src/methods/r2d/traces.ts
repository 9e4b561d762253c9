import type { TokenRow } from "../../data/tokens.js";
import type { Label } from "../../data/types.js";
import { answerFor, type LabelledPrompt, promptIds, thoughtFor } from "../../exante/rows.js";
import type { RuleSet } from "../../exante/rules.js";
import type { Tokenizer } from "../../model/tokenizer.js";

/** The tokens that each step of reasoning ends in. */
export const pivots = ["[SAFE]", "[UNSAFE]", "[RETHINK]"] as const;

/** One of `pivots`: the sentence is safe; it is found unsafe; or it is suspicious, and care is needed. */
export type Pivot = (typeof pivots)[number];

/** A sentence of reasoning and the pivot that it ends in. */
export interface Step {
  text: string;
  pivot: Pivot;
}

/**
 * The reasoning that a prompt calls for, by template: it is read, said again in a few words, held against the nearest rule, and answered or declined. Nothing of a harmful answer is
 * in it. The pivot of a step says what is known by then: [UNSAFE] of an unsafe request and its rule, [SAFE] of everything else, a refusal included.
 *
 * @param suspicious the request is only suspected when it is read: that step ends in [RETHINK], whatever comes out
 * @throws RangeError where the prompt names a rule that the set does not have
 */
export function reasoning(prompt: LabelledPrompt, rules: RuleSet, suspicious: boolean): Step[] {
  const { sense, target, rule, path } = thoughtFor(prompt, rules);
  const found: Pivot = prompt.label === "unsafe" ? "[UNSAFE]" : "[SAFE]";
  const cited = rule && (rule.quote === "" ? rule.id : `${rule.quote} (${rule.id})`);
  const held = cited === null ? "No rule comes near." : `The nearest rule, ${cited}, is ${found === "[UNSAFE]" ? "broken" : "kept"}.`;
  const last = { comply: "I answer directly.", refuse: "I decline in a sentence.", "safe completion": "I answer with care." }[path];
  return [
    { text: firstStep, pivot: suspicious ? "[RETHINK]" : found },
    { text: `Asked: ${sense}; target: ${target}.`, pivot: found },
    { text: held, pivot: found },
    { text: last, pivot: "[SAFE]" },
  ];
}

/** What every reasoning begins with: its pivot depends on the request alone. */
export const firstStep = "I read the request.";

/** What stands before a reasoning and behind it: the tags of this project's traces, by which thoughts are told from answers. */
export const reasoningTags = ["<assess>", "</assess><answer>"] as const;

/** A reasoning as text, with its pivots or without. */
export const writeReasoning = (steps: readonly Step[], withPivots = true): string =>
  `${reasoningTags[0]}${steps.map(({ text, pivot }) => (withPivots ? text + pivot : text)).join(" ")}${reasoningTags[1]}`;

/** How a row is written. */
export interface PivotRowOptions {
  suspicious: boolean;
  /** Which wording of a refusal. */
  variant: number;
  /** Tokens after which an answer is cut. */
  answerTokens: number;
  /** Default: with them. */
  withPivots?: boolean;
}

/**
 * A training row: the prompt, its reasoning, and the answer's first words, or the reasoning alone where a safe prompt has no answer. All tokens count alike.
 * @param tokenizer one that has the pivots, where they are written
 */
export function reasoningRow(prompt: LabelledPrompt, rules: RuleSet, tokenizer: Tokenizer, options: PivotRowOptions): TokenRow {
  const { suspicious, variant, answerTokens, withPivots } = options;
  const thought = tokenizer.encode(writeReasoning(reasoning(prompt, rules, suspicious), withPivots));
  const answer = answerFor(prompt, variant, rules);
  return {
    prompt: promptIds(prompt.prompt, tokenizer),
    completion: [...thought, ...(answer === null ? [] : answerIds(answer, answerTokens, tokenizer))],
  };
}

/** An answer's first tokens; one that is short enough is closed. */
function answerIds(answer: string, most: number, tokenizer: Tokenizer): number[] {
  const ids = tokenizer.encode(answer);
  return ids.length > most ? ids.slice(0, most) : [...tokenizer.encode(`${answer}</answer>`), tokenizer.eosId];
}

/** The pivots of a completion's reasoning in their order. */
export function pivotsIn(completion: string): Pivot[] {
  const thought = completion.split("<answer>")[0]!;
  return [...thought.matchAll(/\[(?:SAFE|UNSAFE|RETHINK)\]/g)].map(([pivot]) => pivot as Pivot);
}

/** What a completion's pivots say of its prompt: unsafe where a step is; null where no step says [SAFE] or [UNSAFE]. */
export function pivotVerdict(completion: string): Label | null {
  const found = pivotsIn(completion);
  if (found.includes("[UNSAFE]")) return "unsafe";
  return found.includes("[SAFE]") ? "safe" : null;
}
