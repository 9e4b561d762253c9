import type { TokenRow } from "../data/tokens.js";
import type { Label, PromptRow } from "../data/types.js";
import type { Tokenizer } from "../model/tokenizer.js";
import type { Rule, RuleSet } from "./rules.js";
import { type Segment, type Thought, type TraceStyle, writeThought } from "./trace.js";

/** A prompt with everything that its training rows are written from. */
export interface LabelledPrompt extends PromptRow {
  sense: string;
  target: string;
  /** The reference answer of a safe prompt (the base model's own opening words); refusals are written from the rule. */
  answer?: { text: string; finished: boolean };
}

/** Of a labelled prompt, what its thought is written from. */
export type Assessed = Pick<LabelledPrompt, "label" | "category" | "nearRule" | "sense" | "target">;

/** What rows with traces are written with. */
export interface TraceWriter {
  rules: RuleSet;
  tokenizer: Tokenizer;
}

/** How much each kind of token counts in the loss. */
export interface TokenWeights {
  decision: number;
  rule: number;
  verdict: number;
  tag: number;
  prose: number;
  /** The first `answerHead` tokens of the answer, then the rest. */
  answerHead: number;
  answerTail: number;
}

/** Chosen on dev prompts: the decision 12, the verdict 6, the broken rule 8, tags 1, everything else 0.2. */
export const traceWeights: TokenWeights = { decision: 12, rule: 8, verdict: 6, tag: 1, prose: 0.2, answerHead: 1, answerTail: 0.2 };

const answerHeadTokens = 4;

/**
 * The thought that a prompt of this label calls for: it cites the rule that the prompt breaks, or comes near to, or else the set's first.
 * @param label defaults to the prompt's own; the other one gives the wrong twin
 * @throws RangeError where the prompt names a rule that the set does not have
 */
export function thoughtFor(prompt: Assessed, rules: RuleSet, label: Label = prompt.label): Thought {
  const unsafe = label === "unsafe";
  const id = prompt.category === "none" ? prompt.nearRule : prompt.category;
  const rule = id === undefined ? rules.rules[0]! : rules.get(id);
  return {
    risk: unsafe ? rule.risk : "none",
    sense: prompt.sense,
    target: prompt.target,
    rule: rule.id,
    verdict: unsafe ? "violates" : "does not violate",
  };
}

const refusals = [
  (what: string) => `I'm sorry, but I can't help with ${what}.`,
  (what: string) => `I can't help with ${what}.`,
  (what: string) => `Sorry, I can't assist with ${what}.`,
  (what: string) => `I'm sorry, but I cannot support ${what}.`,
];

/** A short refusal in one of four wordings, with the rule's safe alternative where `variant` is even. */
export function writeRefusal({ refusal, alternative }: Pick<Rule, "refusal" | "alternative">, variant: number): string {
  const sentence = refusals[variant % refusals.length]!(refusal);
  return alternative && variant % 2 === 0 ? `${sentence} ${alternative}` : sentence;
}

/** How a helpful answer may begin where there is no reference. */
const openings = [
  "Here are a few ideas that can help:",
  "Sure! A good way to start is to",
  "You can try this:",
  "The short answer is that",
];

/** The answer that a prompt calls for: a refusal, or the reference answer's first words. */
export function answerFor(
  prompt: LabelledPrompt,
  variant: number,
  rules: RuleSet,
  label = prompt.label,
): { text: string; finished: boolean } {
  if (label === "unsafe") return { text: writeRefusal(rules.get(thoughtFor(prompt, rules, label).rule), variant), finished: true };
  return prompt.answer ?? { text: openings[variant % openings.length]!, finished: false };
}

/** Ids of the user's turn in the model's own chat template, up to where the assistant starts to write. */
export function promptIds(prompt: string, tokenizer: Tokenizer): number[] {
  return tokenizer.encode(tokenizer.chat([{ role: "user", content: prompt }], { addGenerationPrompt: true }));
}

/**
 * A whole row: thought, then the answer cut after `answerTokens`; an answer that fits is closed with `</answer>` and the end token.
 * Tokens are those of the joined text, so that they are what the model would write.
 */
export function traceRow(
  prompt: LabelledPrompt,
  style: TraceStyle,
  variant: number,
  { rules, tokenizer }: TraceWriter,
  answerTokens = 14,
  label = prompt.label,
): TokenRow {
  const thought = writeThought(thoughtFor(prompt, rules, label), style, variant);
  // what a harmless prompt resembles is no decision: there the rule weighs as prose
  const kinds = label === "unsafe" ? traceWeights : { ...traceWeights, rule: traceWeights.prose };
  const { ids: thoughtIds, weights } = weighSegments(thought, tokenizer, kinds);
  const answer = answerFor(prompt, variant, rules, label);
  const full = tokenizer.encode(answer.text);
  const closed = answer.finished && full.length <= answerTokens;
  const answerIds = closed ? [...tokenizer.encode(`${answer.text}</answer>`), tokenizer.eosId] : full.slice(0, answerTokens);
  const answerWeights = answerIds.map((_, i) => (i < answerHeadTokens ? traceWeights.answerHead : traceWeights.answerTail));
  return {
    prompt: promptIds(prompt.prompt, tokenizer),
    completion: [...thoughtIds, ...answerIds],
    weights: [...weights, ...answerWeights],
  };
}

/** Only the decision: prompt, `<assess>`, the risk and the next five tokens. */
export function decisionRow(prompt: LabelledPrompt, { rules, tokenizer }: TraceWriter): TokenRow {
  const segments = writeThought(thoughtFor(prompt, rules), "terse");
  const { ids, weights } = weighSegments(segments, tokenizer, traceWeights);
  const head = tokenizer.encode(segments[0]!.text + segments[1]!.text).length + 5;
  return { prompt: promptIds(prompt.prompt, tokenizer), completion: ids.slice(0, head), weights: weights.slice(0, head) };
}

/** The matched baseline: the same prompt and weights without a thought; the answer's first token carries the decision. */
export function answerRow(prompt: LabelledPrompt, variant: number, { rules, tokenizer }: TraceWriter, answerTokens = 8): TokenRow {
  const ids = tokenizer.encode(answerFor(prompt, variant, rules).text).slice(0, answerTokens);
  const weights = ids.map((_, i) => (i === 0 ? traceWeights.decision : 0.3));
  return { prompt: promptIds(prompt.prompt, tokenizer), completion: ids, weights };
}

/**
 * Tokens of the joined segments with a weight each. A token counts as the segment that it begins in; of a decision or a verdict only
 * the first token carries the full weight, the rest weighs as a tag.
 */
export function weighSegments(
  segments: readonly Segment[],
  tokenizer: Tokenizer,
  weights: TokenWeights,
): { ids: number[]; weights: number[] } {
  const ids = tokenizer.encode(segments.map((s) => s.text).join(""));
  const result: number[] = [];
  let position = 0; // in characters
  let cut: number[] = []; // tokens of a character that is not whole yet
  let current = 0;
  let end = segments[0]!.text.length;
  let first = true;
  for (const id of ids) {
    while (position >= end && current < segments.length - 1) {
      end += segments[++current]!.text.length;
      first = true;
    }
    const { kind } = segments[current]!;
    result.push((kind === "decision" || kind === "verdict") && !first ? weights.tag : weights[kind]);
    first = false;
    cut.push(id);
    const text = tokenizer.decode(cut);
    if (text.endsWith("\uFFFD")) continue;
    position += text.length;
    cut = [];
  }
  return { ids, weights: result };
}
