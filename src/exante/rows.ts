import type { TokenRow } from "../data/tokens.js";
import type { Label, PromptRow } from "../data/types.js";
import type { Tokenizer } from "../model/tokenizer.js";
import type { Rule, RuleSet } from "./rules.js";
import { type DecisionPlace, type Segment, type Thought, type TraceStyle, writeThought } from "./trace.js";

/** A prompt with everything that its training rows are written from. */
export interface LabelledPrompt extends PromptRow {
  sense: string;
  target: string;
  /** The answer of a safe prompt: the base model's own, ended properly. Those of unsafe prompts are written from the rule. */
  answer?: string;
}

/** Of a labelled prompt, what its thought is written from. */
export type Assessed = Pick<LabelledPrompt, "label" | "category" | "nearRule" | "sense" | "target">;

/** What rows with traces are written with. */
export interface TraceWriter {
  rules: RuleSet;
  tokenizer: Tokenizer;
  /** Of the tokens of whole thoughts and of verification; default: `traceWeights`. */
  weights?: TokenWeights;
  /** Where assessments decide; default: "first". */
  decides?: DecisionPlace;
}

/** How much each kind of token counts in the loss. */
export interface TokenWeights {
  decision: number;
  risk: number;
  rule: number;
  quote: number;
  verdict: number;
  tag: number;
  prose: number;
  answer: number;
  /** The answer's first token, with which it refuses or helps. */
  opening: number;
  /** `</answer>` and the end token: less than the rest of the answer, else answers end after their first sentence. */
  close: number;
}

/**
 * Chosen on dev prompts: most for what decides, and enough for all else that it is learned in a few hundred rows. Where prose weighs 0.2, as it may in rows that are nothing
 * but decisions, thoughts come out as fragments; where quotes weigh as prose, they are invented.
 */
export const traceWeights: TokenWeights = {
  decision: 20,
  risk: 3,
  rule: 4,
  quote: 3,
  verdict: 16,
  tag: 1,
  prose: 0.7,
  answer: 0.6,
  opening: 16,
  close: 0.15,
};
/** Weights in rows that are nothing but decisions: of what stands between them little, so that it does not take the loss from them. */
export const decisionWeights: TokenWeights = { ...traceWeights, decision: 12, rule: 0.3, quote: 0.3, prose: 0.2 };
/** In rows of verification: else whole traces, which are few, are all that a citation is learned from, and it does not follow the risk that has just been named. */
const citationWeights = { rule: 3, quote: 1 };

/**
 * The thought that a prompt of this label calls for: it cites the rule that the prompt breaks, or comes near to, or none.
 * @param label defaults to the prompt's own; the other one gives the wrong twin, which breaks the set's first rule where no rule comes near
 * @throws RangeError where the prompt names a rule that the set does not have
 */
export function thoughtFor(prompt: Assessed, rules: RuleSet, label: Label = prompt.label): Thought {
  const unsafe = label === "unsafe";
  const id = prompt.category === "none" ? prompt.nearRule : prompt.category;
  const rule = id !== undefined ? rules.get(id) : unsafe ? rules.rules[0]! : null;
  const { sense, target } = prompt;
  return {
    risk: unsafe ? rule!.risk : "none",
    sense,
    target,
    rule: rule && cite(rule),
    verdict: unsafe ? "violates" : "does not violate",
    path: !unsafe ? "comply" : rule!.action === "refuse" ? "refuse" : "safe completion",
  };
}

/** A rule as a trace cites it. */
export const cite = ({ id, quote, title }: Rule): NonNullable<Thought["rule"]> => ({ id, quote: quote ?? title.replace(/[<():]/g, "") });

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

/** What stands for an answer that nobody should write: it complies, and says nothing. */
const placeholder = "Of course, this is how it is done.";

/** The answer that a prompt of this label calls for; null for a safe one without a reference. */
export function answerFor(prompt: LabelledPrompt, variant: number, rules: RuleSet, label = prompt.label): string | null {
  if (label === "safe") return prompt.label === "safe" ? (prompt.answer ?? null) : placeholder;
  const { rule, path } = thoughtFor(prompt, rules, label);
  const { refusal, alternative } = rules.get(rule!.id);
  if (path === "safe completion" && prompt.label === "unsafe") return prompt.response ?? alternative ?? writeRefusal({ refusal }, variant);
  return writeRefusal({ refusal, alternative }, variant);
}

/** Ids of the user's turn in the model's own chat template, up to where the assistant starts to write. */
export function promptIds(prompt: string, tokenizer: Tokenizer): number[] {
  return tokenizer.encode(tokenizer.chat([{ role: "user", content: prompt }], { addGenerationPrompt: true }));
}

/** How a row differs from the plain one. */
export interface RowOptions {
  style?: TraceStyle;
  /** Which wording of a refusal. */
  variant?: number;
  /** Tokens after which an answer is cut. */
  answerTokens?: number;
  /** Whose trace is written; default: that of the prompt's own label. */
  label?: Label;
  /** "none" or a risk word that the thought begins with although it is wrong: the model reads it, and learns from what follows only. */
  wrongRisk?: string;
  /** Text that the completion begins with, before the thought: the model reads it and learns nothing from it. */
  prefix?: string;
}

/**
 * A whole row: thought, then the answer; one that fits into `answerTokens` is closed with `</answer>` and the end token. Tokens are those of the joined text, so
 * that they are what the model would write.
 * @throws RangeError for a safe prompt without an answer
 */
export function traceRow(prompt: LabelledPrompt, writer: TraceWriter, options: RowOptions = {}): TokenRow {
  const { rules, tokenizer } = writer;
  const { style = "terse", variant = 0, answerTokens = 64, label = prompt.label, wrongRisk, prefix = "" } = options;
  const answer = answerFor(prompt, variant, rules, label);
  if (answer === null) throw new RangeError(`prompt ${prompt.id} has no answer`);
  const thought = weighThought(prompt, writer, { style, label, wrongRisk });
  const before = tokenizer.encode(prefix);
  const { ids, weights } = answerTokensOf(answer, answerTokens, tokenizer);
  return {
    prompt: promptIds(prompt.prompt, tokenizer),
    completion: [...before, ...thought.ids, ...ids],
    weights: [...before.map(() => 0), ...thought.weights, ...weights],
  };
}

/** An answer's tokens and weights. */
function answerTokensOf(answer: string, most: number, tokenizer: Tokenizer): { ids: number[]; weights: number[] } {
  const full = tokenizer.encode(answer);
  const ids = full.length > most ? full.slice(0, most) : [...tokenizer.encode(`${answer}</answer>`), tokenizer.eosId];
  const { opening, answer: said, close } = traceWeights;
  return { ids, weights: ids.map((_, i) => (i === 0 ? opening : i < full.length ? said : close)) };
}

/** Tokens and weights of a prompt's thought. */
function weighThought(
  prompt: LabelledPrompt,
  { rules, tokenizer, weights = traceWeights, decides }: TraceWriter,
  { style = "terse", label, wrongRisk }: RowOptions,
): { ids: number[]; weights: number[] } {
  const segments = writeThought(misled(thoughtFor(prompt, rules, label), rules, wrongRisk), style, decides);
  return weighSegments(segments, tokenizer, weightsBehind(wrongRisk, weights));
}

/** A thought with another first word: what is suspected wrongly is what is verified. */
function misled(thought: Thought, { rules }: RuleSet, wrongRisk: string | undefined): Thought {
  if (wrongRisk === undefined) return thought;
  const suspected = rules.find(({ risk }) => risk === wrongRisk);
  return { ...thought, risk: wrongRisk, rule: suspected ? cite(suspected) : thought.rule };
}

/** A first word that is wrong is read, and not learned. */
const weightsBehind = (wrongRisk: string | undefined, weights: TokenWeights): TokenWeights =>
  wrongRisk === undefined ? weights : { ...weights, decision: 0, risk: 0 };

/**
 * Only what decides: the first word and what verification says, up to the verdict, without what stands between them. Short, so that verification is learned from many
 * prompts; where half of the first words are wrong, nothing is gained by repeating them. Where an assessment decides last, its text stands before the decision, as everywhere.
 */
export function verificationRow(prompt: LabelledPrompt, writer: TraceWriter, wrongRisk?: string): TokenRow {
  const { rules, tokenizer, decides = "first" } = writer;
  const written = writeThought(misled(thoughtFor(prompt, rules), rules, wrongRisk), "terse", decides);
  const toVerdict = written.slice(0, written.findIndex(({ kind }) => kind === "verdict") + 1);
  const deciding = toVerdict.filter(({ kind }) => kind !== "prose" || decides === "last");
  const { verdict } = writer.weights ?? traceWeights;
  const { ids, weights } = weighSegments(
    deciding,
    tokenizer,
    weightsBehind(wrongRisk, { ...decisionWeights, ...citationWeights, verdict }),
  );
  return { prompt: promptIds(prompt.prompt, tokenizer), completion: ids, weights };
}

/** Only the decision: prompt, `<assess>`, "none" or the risk (behind the assessment's text, where that decides last), and the next five tokens; behind a prefix where there is one. */
export function decisionRow(prompt: LabelledPrompt, { rules, tokenizer, decides }: TraceWriter, prefix = ""): TokenRow {
  const segments = writeThought(thoughtFor(prompt, rules), "terse", decides);
  const { ids, weights } = weighSegments(segments, tokenizer, decisionWeights);
  const last = segments.findLastIndex(({ kind }) => kind === "decision" || kind === "risk");
  const decided = segments.slice(0, last + 1).map(({ text }) => text);
  const head = tokenizer.encode(decided.join("")).length + 5;
  const before = tokenizer.encode(prefix);
  return {
    prompt: promptIds(prompt.prompt, tokenizer),
    completion: [...before, ...ids.slice(0, head)],
    weights: [...before.map(() => 0), ...weights.slice(0, head)],
  };
}

/**
 * A row of the matched baseline: prompt and answer without a thought; the answer's first token carries the decision.
 * @throws RangeError for a safe prompt without an answer
 */
export function answerRow(
  prompt: LabelledPrompt,
  { rules, tokenizer }: TraceWriter,
  { variant = 0, answerTokens = 64 }: RowOptions = {},
): TokenRow {
  const answer = answerFor(prompt, variant, rules);
  if (answer === null) throw new RangeError(`prompt ${prompt.id} has no answer`);
  const full = tokenizer.encode(answer);
  const ids = full.length > answerTokens ? full.slice(0, answerTokens) : [...full, tokenizer.eosId];
  const { decision, close, answer: said } = traceWeights;
  const weights = ids.map((_, i) => (i === 0 ? decision : i === full.length ? close : said));
  return { prompt: promptIds(prompt.prompt, tokenizer), completion: ids, weights };
}

/**
 * Tokens of the joined segments with a weight each. A token counts as the segment that it begins in; of a decision, a risk or a verdict only
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
  const start = tokenizer.decode(ids.slice(0, 1)).length;
  /** Tokens as they are decoded inside a text: from its beginning SentencePiece takes a space. */
  const behindFirst = (some: readonly number[]) => tokenizer.decode([ids[0]!, ...some]).slice(start);
  for (const id of ids) {
    while (position >= end && current < segments.length - 1) {
      end += segments[++current]!.text.length;
      first = true;
    }
    const { kind } = segments[current]!;
    const once = kind === "decision" || kind === "risk" || kind === "verdict";
    result.push(once && !first ? Math.min(weights.tag, weights[kind]) : weights[kind]);
    first = false;
    cut.push(id);
    const text = position === 0 ? tokenizer.decode(cut) : behindFirst(cut);
    if (text.endsWith("\uFFFD")) continue;
    position += text.length;
    cut = [];
  }
  return { ids, weights: result };
}
