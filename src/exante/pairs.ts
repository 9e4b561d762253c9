import type { TokenPair } from "../data/tokens.js";
import type { Label } from "../data/types.js";
import type { Tokenizer } from "../model/tokenizer.js";
import { stepPair } from "../objectives/step-dpo.js";
import { judgeAnswer } from "./judge.js";
import { type LabelledPrompt, promptIds, type TraceWriter, thoughtFor } from "./rows.js";
import { isWhole, type ParsedTrace, parseTrace, type TraceStyle, textOf, writeThought } from "./trace.js";

/** What a pair teaches: refuse the harmful, help with the harmless, think no longer than needed. */
export type Goal = "safety" | "usefulness" | "efficiency";

/** Two completions of one prompt, as token ids, the better one first. */
export interface PreferencePair {
  prompt: LabelledPrompt;
  goal: Goal;
  /**
   * In what they differ: what is decided, what is answered behind one thought, whether the answer opens a thought again, whether there is a thought behind an answer's beginning, or how long the
   * thought is.
   */
  differs: "decision" | "answer" | "form" | "late" | "length";
  chosen: number[];
  rejected: number[];
  /** So many first tokens, the same in both, were put into the model's mouth: they are read, and not learned. */
  given?: number;
  /** Whether both sides were written by rule, because sampling gave none. */
  written: boolean;
}

/** A sampled completion and what the rules say of it. */
export interface CheckedSample {
  ids: number[];
  trace: ParsedTrace | null;
  /** Tokens up to and including `<answer>`; 0 where the trace is not valid. */
  thoughtTokens: number;
  /** A whole trace, the verdict is right by the label, the path follows from it, and the answer goes it. A first word that verification overruled is no fault. */
  correct: boolean;
}

/** Scores a sample by rules alone: format, verdict against the prompt's label, path, answer. */
export function checkSample(ids: number[], label: Label, tokenizer: Tokenizer): CheckedSample {
  const text = tokenizer.decode(ids);
  const trace = parseTrace(text);
  if (!trace) return { ids, trace, thoughtTokens: 0, correct: false };
  const judged = judgeAnswer(trace.answer);
  const goes = {
    refuse: label === "unsafe" && judged === "refusal",
    "safe completion": label === "unsafe" && judged !== "degenerate",
    comply: label === "safe" && judged === "compliance",
  };
  const correct = isWhole(trace) && judgesRightly(trace, label) && goes[trace.path];
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

const goalOf = ({ label }: LabelledPrompt): Goal => (label === "unsafe" ? "safety" : "usefulness");

const judgesRightly = ({ verdict }: ParsedTrace, label: Label): boolean => (verdict === "violates") === (label === "unsafe");

/** The first of the correct samples against the first that is wrong in what the pair is about; null where sampling gave no such two. */
function sampledPair(
  prompt: LabelledPrompt,
  differs: "decision" | "answer",
  samples: readonly CheckedSample[],
  isWrong: (sample: CheckedSample, label: Label) => boolean,
): PreferencePair | null {
  const right = samples.find((s) => s.correct);
  const wrong = samples.find((s) => isWrong(s, prompt.label));
  return right && wrong ? { prompt, goal: goalOf(prompt), differs, chosen: right.ids, rejected: wrong.ids, written: false } : null;
}

/**
 * A pair for safety (harmful prompt) or usefulness (harmless one): a correct sample against one whose verdict is wrong. Of samples behind one assessment it is a pair for
 * verification. No winner is written by rule: a terse one against losers in sentences taught the style (`notebooks/how-to/what-was-tried.md`).
 * @returns null where sampling gave no such two
 */
export const decisionPair = (prompt: LabelledPrompt, samples: readonly CheckedSample[]): PreferencePair | null =>
  sampledPair(prompt, "decision", samples, decidedAgainst);

/**
 * A pair for the answer: of samples behind the same thought, a correct one against one that does the other thing than its thought says.
 * @returns null where no sample does, or none is correct
 */
export const answerPair = (prompt: LabelledPrompt, samples: readonly CheckedSample[]): PreferencePair | null =>
  sampledPair(prompt, "answer", samples, answersAgainst);

/**
 * A pair for the answer's form: an answer that opens a thought again at token `at` against one of the samples that begin with its tokens before that and go on with words.
 * @returns null where no sample does
 */
export function formPair(
  prompt: LabelledPrompt,
  { ids }: CheckedSample,
  at: number,
  samples: readonly CheckedSample[],
  tokenizer: Tokenizer,
): PreferencePair | null {
  const goesOn = (sample: CheckedSample) =>
    sample.correct && reopensAt(sample, prompt.label, tokenizer) === undefined && sample.ids.findIndex((id, t) => id !== ids[t]) === at;
  const right = samples.find(goesOn);
  return right ? { prompt, goal: goalOf(prompt), differs: "form", chosen: right.ids, rejected: ids, written: false } : null;
}

/** A pair for the answer's form: a correct trace against its own tokens before token `at`, which is of the answer, and a thought that is opened there. */
export function brokenOffPair(prompt: LabelledPrompt, { ids }: CheckedSample, at: number, tokenizer: Tokenizer): PreferencePair {
  const rejected = [...ids.slice(0, at), ...tokenizer.encode("<assess>")];
  return { prompt, goal: goalOf(prompt), differs: "form", chosen: ids, rejected, written: false };
}

/**
 * A pair of two completions that begin with words of an answer, which were given: one that thinks then wins over one that goes on.
 * @param given tokens of these words
 * @returns null where what is thought, or answered behind it, is not correct
 */
export function latePair(
  prompt: LabelledPrompt,
  goesOn: readonly number[],
  thinks: readonly number[],
  given: number,
  tokenizer: Tokenizer,
): PreferencePair | null {
  if (!checkSample(thinks.slice(given), prompt.label, tokenizer).correct) return null;
  return { prompt, goal: goalOf(prompt), differs: "late", chosen: [...thinks], rejected: [...goesOn], given, written: false };
}

const TAG = /^<(assess|verify|calibrate|answer)\b/;

/** The token at which the answer of a whole trace with the right verdict opens a thought or an answer again; undefined where it does not. */
export function reopensAt({ ids, trace, thoughtTokens }: CheckedSample, label: Label, tokenizer: Tokenizer): number | undefined {
  if (!isWhole(trace) || !judgesRightly(trace, label)) return undefined;
  const answer = ids.slice(thoughtTokens).map((id) => tokenizer.decode([id]));
  const at = answer.findIndex((text, t) => text.includes("<") && TAG.test(answer.slice(t).join("").slice(text.indexOf("<"))));
  return at < 0 ? undefined : thoughtTokens + at;
}

/** A whole trace with the right verdict whose answer refuses a harmless prompt or helps with a harmful one. */
export function answersAgainst({ trace, correct }: CheckedSample, label: Label): boolean {
  const other = label === "unsafe" ? "compliance" : "refusal";
  return !correct && isWhole(trace) && judgesRightly(trace, label) && judgeAnswer(trace.answer) === other;
}

/** A whole trace with the wrong verdict: a clean loser, which differs in the decision and not in its form. */
function decidedAgainst({ trace }: CheckedSample, label: Label): boolean {
  return isWhole(trace) && !judgesRightly(trace, label);
}

/**
 * A pair for efficiency: of the correct samples the shortest thought against the longest, if that is longer by `ratio` (1.25 = a quarter). Only thoughts
 * are compared, up to and including `<answer>`: what is saved is thinking, and not what the answer says. Both cite a rule or neither does: else the cheapest way to be
 * short is to leave the check out. A refusal may win over a safe completion: with one path to a pair, 32 of 32 safe completions stayed, and as SmolLM2-135M answers behind them badly,
 * matched balanced accuracy was 0.78, and 0.83 with neither condition (full, seed 1).
 *
 * @returns null where no two are correct, since length must never be bought with a wrong decision, or all have about one length
 */
export function efficiencyPair(prompt: LabelledPrompt, samples: readonly CheckedSample[], ratio = 1.25): PreferencePair | null {
  const right = samples.filter(({ correct }) => correct).sort((a, b) => a.thoughtTokens - b.thoughtTokens);
  const thought = ({ ids, thoughtTokens }: CheckedSample) => ids.slice(0, thoughtTokens);
  for (const cites of [true, false]) {
    const [short, ...others] = right.filter(({ trace }) => (trace!.rule !== null) === cites);
    const long = others.at(-1);
    if (short && long && long.thoughtTokens >= ratio * short.thoughtTokens)
      return { prompt, goal: "efficiency", differs: "length", chosen: thought(short), rejected: thought(long), written: false };
  }
  return null;
}

/** Two thoughts written by rule, for where sampling gives too few pairs to train on: the right against the wrong decision, or the terse against the verbose wording. */
export function writtenPair(prompt: LabelledPrompt, goal: "decision" | "efficiency", { rules, tokenizer }: TraceWriter): PreferencePair {
  const write = (label: Label, style: TraceStyle) => tokenizer.encode(textOf(writeThought(thoughtFor(prompt, rules, label), style)));
  const { label } = prompt;
  const chosen = write(label, "terse");
  if (goal === "efficiency") return { prompt, goal, differs: "length", chosen, rejected: write(label, "verbose"), written: true };
  const rejected = write(label === "unsafe" ? "safe" : "unsafe", "terse");
  return { prompt, goal: goalOf(prompt), differs: "decision", chosen, rejected, written: true };
}

/** Whether two answers are compared, or an answer and a thought: the first token in which they part tells them apart. */
export const partsAtToken = ({ differs }: PreferencePair): boolean => differs === "answer" || differs === "form" || differs === "late";

/** A pair as training takes it: whole completions after the prompt. */
export function wholePair({ prompt, chosen, rejected, given = 0 }: PreferencePair, tokenizer: Tokenizer): TokenPair {
  const read = [...promptIds(prompt.prompt, tokenizer), ...chosen.slice(0, given)];
  return { prompt: read, chosen: chosen.slice(given), rejected: rejected.slice(given) };
}

/**
 * The step-level form: the steps (assessment, verification, calibration, answer) that both completions begin with join the prompt, and only the first step in
 * which they differ is compared. The loser ends there. The winner goes on with tokens of weight 0, which an NLL term still counts: a policy that learns another
 * verdict alone writes the old path behind it. Of two answers only the first token in which they part is compared: the words behind it are those of every refusal, and a
 * policy that unlearns them refuses nothing.
 * @returns null where one completion ends before they differ, or one answer is how the other begins
 */
export function stepLevelPair(pair: PreferencePair, tokenizer: Tokenizer): TokenPair | null {
  const steps = (ids: readonly number[]) => splitSteps(ids, tokenizer);
  const whole = wholePair(pair, tokenizer);
  const compared = stepPair(whole.prompt, steps(whole.chosen), steps(whole.rejected));
  if (!compared) return null;
  const shared = compared.prompt.length - whole.prompt.length;
  const chosen = whole.chosen.slice(shared);
  const length = { chosen: compared.chosen.length, rejected: compared.rejected.length };
  if (partsAtToken(pair)) {
    const parting = compared.rejected.findIndex((id, t) => id !== compared.chosen[t]);
    if (parting < 0 || parting >= compared.chosen.length) return null; // one answer is how the other begins
    length.chosen = length.rejected = parting + 1;
  }
  return comparedUpTo({ ...compared, chosen }, length);
}

/**
 * The verdict-level form of a pair of decisions: whole traces, compared up to the end of their verifications. What the loser writes behind a wrong verdict follows from it and is no fault: a policy that unlearns
 * it contradicts itself, and refuses behind "does not violate". The winner goes on with tokens of weight 0, which an NLL term still counts.
 */
export function verdictLevelPair(pair: PreferencePair, tokenizer: Tokenizer): TokenPair {
  const whole = wholePair(pair, tokenizer);
  const decided = (ids: readonly number[]) => splitSteps(ids, tokenizer).slice(0, 2).flat().length;
  return comparedUpTo(whole, { chosen: decided(whole.chosen), rejected: decided(whole.rejected) });
}

/** A pair of which so many first tokens of each side are compared: the loser ends there, and the winner goes on with tokens of weight 0. */
function comparedUpTo(pair: TokenPair, until: { chosen: number; rejected: number }): TokenPair {
  const rejected = pair.rejected.slice(0, until.rejected);
  return { ...pair, rejected, weights: { chosen: pair.chosen.map((_, t) => (t < until.chosen ? 1 : 0)), rejected: rejected.map(() => 1) } };
}

/** A step-level pair without what is behind the step that is compared; another pair as it is. */
export function comparedPart({ weights, ...pair }: TokenPair): TokenPair {
  if (!weights) return pair;
  const counted = (side: "chosen" | "rejected") => pair[side].filter((_, t) => weights[side][t]! > 0);
  return { ...pair, chosen: counted("chosen"), rejected: counted("rejected") };
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
