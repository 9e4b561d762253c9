import type { Profile } from "../../runs/profile.js";

/** A part of a job that keeps the device busy. */
export interface PlannedWork {
  /** The folder in the run that its result goes to, or what is computed. */
  name: string;
  /** "train": forward and backward; "score": forward alone; "sample": token by token with a cache of keys and values. */
  kind: "train" | "score" | "sample";
  /** Rows that are on the device together; a preference pair is two. */
  rows: number;
  /** Tokens of the longest prompt and of the longest completion. */
  prompt: number;
  completion: number;
  /** Tokens that are run, of all rows together: prompts and completions, in "sample" the new tokens alone. */
  tokens: number;
}

/** The notebooks of the main job in their order, as their files in `notebooks/` are called without `.ipynb`. No other notebook is part of it. */
export const mainNotebooks = [
  "00-start-here",
  "01-ex-ante-data",
  "02-stage-1-sft",
  "03-stage-2-dpo",
  "04-stage-3-length-controlled",
  "05-evaluation",
] as const;

type MainNotebook = (typeof mainNotebooks)[number];

/** A notebook of the main job and what it computes. */
export interface PlannedNotebook {
  notebook: MainNotebook;
  work: PlannedWork[];
}

/** Tokens of the recipe's texts, from a run of the quick profile on SmolLM2. */
const texts = {
  prompt: 60, // the longest, chat template included
  persona: 400, // a prompt behind the longer of the two personas of the attacks
  answer: 16, // of a harmless prompt, what the base model is asked for
  naiveRow: 63,
  decisionRow: 56,
  answerRow: 53,
  pair: 217, // both of its rows
  trace: 105, // the longest thought and answer of a row of stage 1
  thought: 44,
  longestThought: 130, // then sampling gives it up
  sampled: 55, // thought and answer of a sample for pairs
  reference: 100, // thought and held-out answer; there are 48
} as const;

/** What the main job computes, in its order. Tokens are upper bounds: where a profile asks for more prompts than there are, it is less. */
export function plan({ stage1, stage2, stage3, evaluation, answerTokens }: Profile): PlannedNotebook[] {
  const work =
    (kind: PlannedWork["kind"]) =>
    (name: string, rows: number, completion: number, tokens: number, prompt: number = texts.prompt): PlannedWork => ({
      ...{ name, kind, rows: Math.ceil(rows), prompt, completion, tokens: Math.round(tokens) },
    });
  const [train, score, sample] = [work("train"), work("score"), work("sample")];
  const batch = (rows: number) => Math.min(rows, 96);

  const naive = 0.2 * stage1.decisionTokens;
  const naiveAnswers = naive / texts.naiveRow / 2; // every second prompt is harmless
  const answers = stage1.decisionTokens / texts.decisionRow / 2 - naiveAnswers; // some are known from the naive rows
  const looked = 2 * Math.min(20, evaluation.devPrompts);
  const readOut = 2 * evaluation.devPrompts * texts.decisionRow;
  const preferred = texts.longestThought + 8;
  const [pairs2, pairs3] = [4 * stage2.prompts * texts.pair, 4 * stage3.prompts * texts.pair];
  const gate = 2 * evaluation.gatePrompts;
  const { prompts, attackPrompts } = evaluation;
  const suites = (3 * answerTokens + 32) * prompts; // answers of one policy, general prompts' at length
  const attacks = (count: number) => count * attackPrompts * (3 * answerTokens + texts.thought); // of three policies, the last of which thinks
  const thoughts = 3 * (4 * prompts + 48) * texts.thought; // of three policies to suites and held-out answers

  const notebooks: Record<MainNotebook, PlannedWork[]> = {
    "00-start-here": [
      sample("answers", batch(2 * prompts), answerTokens, naiveAnswers * texts.answer + 4 * prompts * answerTokens),
      train("baseline-naive-sft", 8, texts.answer, naive),
    ],
    "01-ex-ante-data": [],
    "02-stage-1-sft": [
      sample("answers", batch(answers), texts.answer, answers * texts.answer),
      train("1-sft/decision", 8, texts.answer, stage1.decisionTokens),
      train("1-sft", 8, texts.trace, stage1.traceTokens),
      train("baseline-answers-only", 8, texts.answer, (stage1.decisionTokens * texts.answerRow) / texts.decisionRow),
      score("dev prompts", 32, 0, 3 * readOut),
      sample("traces to look at", looked, texts.longestThought + answerTokens, looked * (texts.thought + answerTokens)),
    ],
    "03-stage-2-dpo": [
      sample("samples for pairs", batch(2 * stage2.prompts), preferred, 3 * 2 * stage2.prompts * texts.sampled),
      score("pairs under the reference", 8, preferred, (3 / 4) * pairs2), // smaller groups of pairs are trained on more than once
      train("2-dpo", 16, preferred, pairs2),
      score("dev prompts", 32, 0, readOut),
    ],
    "04-stage-3-length-controlled": Array.from({ length: stage3.rounds }, (_, i) => i + 1).flatMap((round) => [
      sample(`samples for pairs ${round}`, batch(2 * stage3.prompts), preferred, stage3.samples * 2 * stage3.prompts * texts.sampled),
      score(`pairs under the reference ${round}`, 8, preferred, pairs3),
      train(`3-length-controlled/round-${round}`, 16, preferred, pairs3),
      sample(`gate ${round}`, batch(gate), texts.longestThought + 12, (round === 1 ? 2 : 1) * gate * texts.sampled), // the first judges stage 2 too
    ]),
    "05-evaluation": [
      sample(
        "suites and attacks",
        batch(4 * prompts + 3 * attackPrompts),
        texts.longestThought + Math.max(32, answerTokens),
        5 * suites - 2 * prompts * answerTokens + thoughts + attacks(3), // notebook 00 has asked the base model two suites
      ),
      sample("personas", batch(2 * attackPrompts), texts.longestThought + answerTokens, attacks(2), texts.persona),
      score("held-out answers", 48, texts.longestThought + 40, 5 * 48 * texts.reference),
    ],
  };
  return mainNotebooks.map((notebook) => ({ notebook, work: notebooks[notebook] }));
}
