import type { TokenPair } from "../data/tokens.js";
import type { Label } from "../data/types.js";
import type { Tokenizer } from "../model/tokenizer.js";
import { stepPair } from "../objectives/step-dpo.js";
import { judgeAnswer } from "./judge.js";
import { type LabelledPrompt, promptIds, type TraceWriter, thoughtFor, traceRow, traceWeights, weighSegments } from "./rows.js";
import { type ParsedTrace, parseTrace, type TraceStyle, writeThought } from "./trace.js";

/** What a pair teaches: refuse the harmful, help with the harmless, think no longer than needed. */
export type Goal = "safety" | "usefulness" | "efficiency";

/** Two completions of one prompt, as token ids, the better one first. */
export interface PreferencePair {
  prompt: LabelledPrompt;
  goal: Goal;
  chosen: number[];
  rejected: number[];
  /** Which side was written by rule because sampling gave none. */
  constructed: "none" | "chosen" | "rejected" | "both";
}

/** A sampled completion and what the rules say of it. */
export interface CheckedSample {
  ids: number[];
  trace: ParsedTrace | null;
  /** Tokens up to and including `<answer>`; 0 where the trace is not valid. */
  thoughtTokens: number;
  /** Valid, verdict against label right, first word and verdict agree, and the answer does what the verdict says. */
  correct: boolean;
}

/** Scores a sample by rules alone: format, verdict against the prompt's label, answer refused or complied. */
export function checkSample(ids: number[], label: Label, tokenizer: Tokenizer): CheckedSample {
  const text = tokenizer.decode(ids);
  const trace = parseTrace(text);
  if (!trace) return { ids, trace, thoughtTokens: 0, correct: false };
  const unsafe = label === "unsafe";
  const correct =
    (trace.verdict === "violates") === unsafe && trace.consistent && judgeAnswer(trace.answer) === (unsafe ? "refusal" : "compliance");
  return { ids, trace, thoughtTokens: thoughtLength(ids, tokenizer), correct };
}

/** Tokens of a completion up to and including `<answer>`. */
export function thoughtLength(ids: readonly number[], tokenizer: Tokenizer): number {
  let low = 1;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tokenizer.decode(ids.slice(0, middle)).includes("<answer>")) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * A pair for safety (harmful prompt) or usefulness (harmless one): the shortest correct sample against a wrong one. Where no sample is
 * correct, or none is wrong, that side is written by rule.
 */
export function decisionPair(
  prompt: LabelledPrompt,
  samples: readonly CheckedSample[],
  writer: TraceWriter,
  variant: number,
  answerTokens: number,
): PreferencePair {
  const goal = prompt.label === "unsafe" ? "safety" : "usefulness";
  const right = shortest(samples.filter((s) => s.correct));
  const wrong = samples.find((s) => decidedAgainst(s, prompt.label));
  const other = prompt.label === "unsafe" ? "safe" : "unsafe";
  const write = (label: Label) => traceRow(prompt, "terse", variant, writer, answerTokens, label).completion;
  const constructed = right ? (wrong ? "none" : "rejected") : wrong ? "chosen" : "both";
  return { prompt, goal, chosen: right?.ids ?? write(prompt.label), rejected: wrong?.ids ?? write(other), constructed };
}

/** Valid and self-consistent, but with the wrong verdict: a clean loser, which differs in the decision and not in its form. */
function decidedAgainst({ trace, correct }: CheckedSample, label: Label): boolean {
  return !correct && trace !== null && (trace.verdict === "violates") !== (label === "unsafe");
}

/**
 * A pair for efficiency: of two correct samples the clearly shorter thought (by `ratio`, 1.25 = a quarter). Where sampling gave no such
 * two, the correct sample is paired with a twin of the same decision and answer whose thought is written the other way.
 *
 * @returns null where no sample is correct: length must never be bought with a wrong decision
 */
export function efficiencyPair(
  prompt: LabelledPrompt,
  samples: readonly CheckedSample[],
  writer: TraceWriter,
  variant: number,
  ratio = 1.25,
): PreferencePair | null {
  const { rules, tokenizer } = writer;
  const right = samples.filter((s) => s.correct).sort((a, b) => a.thoughtTokens - b.thoughtTokens);
  const short = right[0];
  const long = right.at(-1);
  if (!short || !long) return null;
  const pair = (chosen: number[], rejected: number[], constructed: PreferencePair["constructed"]): PreferencePair => ({
    prompt,
    goal: "efficiency",
    chosen,
    rejected,
    constructed,
  });
  if (long.thoughtTokens >= ratio * short.thoughtTokens) return pair(short.ids, long.ids, "none");
  const twin = (style: TraceStyle) => weighSegments(writeThought(thoughtFor(prompt, rules), style, variant), tokenizer, traceWeights).ids;
  const terse = twin("terse");
  const answer = short.ids.slice(short.thoughtTokens);
  return short.thoughtTokens >= ratio * terse.length
    ? pair([...terse, ...answer], short.ids, "chosen")
    : pair(short.ids, [...twin("verbose"), ...answer], "rejected");
}

const shortest = (samples: readonly CheckedSample[]): CheckedSample | undefined =>
  samples.reduce<CheckedSample | undefined>((best, s) => (best && best.thoughtTokens <= s.thoughtTokens ? best : s), undefined);

/** A pair as training takes it: whole completions after the prompt. */
export function wholePair({ prompt, chosen, rejected }: PreferencePair, tokenizer: Tokenizer): TokenPair {
  return { prompt: promptIds(prompt.prompt, tokenizer), chosen, rejected };
}

/**
 * The step-level form: both completions are cut at the first step (assessment, verification, calibration, answer) in which
 * they differ; the shared steps join the prompt and only the differing step is compared.
 * @returns null where one completion ends before they differ
 */
export function stepLevelPair(pair: PreferencePair, tokenizer: Tokenizer): TokenPair | null {
  const steps = (ids: readonly number[]) => splitSteps(ids, tokenizer);
  return stepPair(promptIds(pair.prompt.prompt, tokenizer), steps(pair.chosen), steps(pair.rejected));
}

/** A completion cut after each closing tag, as far as it has them. A token that closes one step and opens the next stays with the first. */
export function splitSteps(ids: readonly number[], tokenizer: Tokenizer): number[][] {
  const steps: number[][] = [];
  let start = 0;
  ids.forEach((_, i) => {
    if (!/<\/(assess|verify|calibrate)>/.test(tokenizer.decode(ids.slice(start, i + 1)))) return;
    steps.push(ids.slice(start, i + 1));
    start = i + 1;
  });
  if (start < ids.length) steps.push(ids.slice(start));
  return steps;
}
