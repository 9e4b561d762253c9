import { longestThought } from "../../exante/answer-stop.js";
import type { Profile } from "../../runs/profile.js";
import { answerSampling, stage1 as knobs, pairs } from "./recipe.js";
import { stages } from "./stages.js";

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
  /** Whether `besideStages` computes it, where a second process runs beside the notebooks. */
  beside?: true;
}

/** A part of a job in which small networks act in an environment and learn from it: its time is that of dispatching small products. */
export interface PlannedSteps {
  name: string;
  kind: "act";
  /** Seeds that are on the device together, and steps of each. */
  rows: number;
  steps: number;
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

/** The one notebook of a profile whose `notebooks` is "demo". */
export const demoNotebook = "demo";

/** A notebook of a profile's job and what it computes. */
export interface PlannedNotebook {
  notebook: MainNotebook | typeof demoNotebook;
  work: PlannedWork[];
}

/** Tokens of the recipe's texts and numbers of its prompts, from a run of the quick profile on SmolLM2. */
const texts = {
  prompt: 60, // the longest, chat template included
  persona: 400, // a prompt behind the longer of the two personas of the attacks
  answer: 64, // the longest whole one that the base model is asked for
  opening: 16, // what it is asked for where a row ends before
  naiveRow: 90,
  decisionRow: 58,
  longestRow: 200, // thought and answer
  terseThought: 50,
  verboseThought: 120,
  longestThought, // then sampling gives it up
  reference: 100, // thought and held-out answer; there are 48
  decisions: 348_000, // all rows of 1a
  openings: 290_000, // those of the baseline's first phase
  stage2Prompts: 1235,
  heldOut: 690, // test prompts, and those of families that training lacks
} as const;

/** What a profile's job computes, in its order. Tokens are upper bounds: where a profile asks for more prompts than there are, it is less. */
export function plan({ notebooks: job, stage1, stage2, stage3, evaluation, answerTokens }: Profile): PlannedNotebook[] {
  const work =
    (kind: PlannedWork["kind"]) =>
    (name: string, rows: number, completion: number, tokens: number, prompt: number = texts.prompt): PlannedWork => ({
      ...{ name, kind, rows: Math.ceil(rows), prompt, completion, tokens: Math.round(tokens) },
    });
  const [train, score, sample] = [work("train"), work("score"), work("sample")];
  const batch = (rows: number) => Math.min(rows, 96);
  const beside = (part: PlannedWork): PlannedWork => ({ ...part, beside: true });

  const naive = 0.12 * stage1.traceTokens;
  const naiveAnswers = naive / texts.naiveRow / 2; // every second prompt is harmless
  const decisions = Math.min(stage1.decisionTokens, texts.decisions); // of a pass
  const openings = decisions / texts.decisionRow / 2;
  const answers = (0.8 * stage1.traceTokens) / knobs.shortestRow; // as many as might be needed, and those that are asked again
  const shown = 2 * Math.min(20, evaluation.devPrompts);
  const readOut = 2 * evaluation.devPrompts * texts.decisionRow;
  const mined = 2 * stage2.prompts;
  const looked = Math.min(texts.stage2Prompts / 2, pairs.answerFactor * stage2.prompts);
  const preferred = texts.longestThought + 8;
  const thought = texts.terseThought + stage1.verbose * (texts.verboseThought - texts.terseThought);
  const sampled = thought + 2; // with a few tokens of the answer, in one that is short
  const verified = thought - 21; // what follows an assessment
  const [stepPair, thoughtPair] = [2 * thought + 45, 2 * thought + 35]; // both rows, which share the prompt; those of a step share the steps before, and there are 0.75 for each prompt
  const [pairs2, pairs3] = [0.75 * mined * stepPair, 0.85 * 2 * stage3.prompts * thoughtPair];
  const [ofAnswers, besideDecisions] = [0.24 * looked * stepPair, 0.19 * looked * stepPair]; // all of them, and those that a step has room for
  const said = answerSampling.answerTokens;
  const judged = 3 * evaluation.gatePrompts; // prompts of both labels, and everyday ones, which have whole answers
  const gateTokens = evaluation.gatePrompts * (2 * sampled + thought + 50);
  const { prompts, attackPrompts } = evaluation;
  const suites = (3 * answerTokens + 48) * prompts; // answers of one policy, general prompts' at length
  const thoughts = (4 * prompts + 48) * thought; // of one policy to suites and held-out answers
  const ofLast = (asked: number) => asked * (answerTokens + thought); // the last stage thinks
  const ofOthers = (asked: number) => asked * 2 * answerTokens; // the base model and the baseline do not
  const examined = batch(4 * prompts + 3 * attackPrompts);
  const longest = texts.longestThought + Math.max(48, answerTokens);

  const sft = [
    train("1-sft/decision", knobs.batchSize, texts.opening, stage1.decisionPasses * decisions),
    beside(sample("answers", batch(answers), texts.answer, answers * texts.answer)),
    train("1-sft", knobs.traceBatch, texts.longestRow, stage1.traceTokens),
  ];
  const dpo = [
    score("prompts to choose from", 32, 0, Math.min(texts.stage2Prompts, mined * pairs.mineFactor) * texts.decisionRow),
    sample("samples for pairs", batch(mined), preferred, 2 * mined * (sampled + verified)),
    sample("traces whose answers are looked at", batch(looked), preferred + said, looked * (thought + said)),
    sample("answers behind terse thoughts, and others", batch(looked), said, 1.6 * looked * said, texts.prompt + texts.terseThought),
    sample("answers' beginnings, and thoughts behind them", batch(mined), preferred + said, 0.5 * mined * (2 * said + 0.6 * thought)),
    score("pairs under the reference", 8, preferred, pairs2 + ofAnswers),
    train("2-dpo", 2 * pairs.batchSize, preferred, pairs2 + besideDecisions),
  ];
  const gate2 = [
    beside(sample("gate of stage 2, before", batch(judged), texts.longestThought + 48, gateTokens)),
    sample("gate of stage 2, after", batch(judged), texts.longestThought + 48, gateTokens),
  ];
  const rounds = Array.from({ length: stage3.rounds }, (_, i) => i + 1).flatMap((round) => [
    sample(`samples for pairs ${round}`, batch(2 * stage3.prompts), preferred, stage3.samples * 2 * stage3.prompts * sampled),
    score(`pairs under the reference ${round}`, 8, preferred, pairs3),
    train(`3-length-controlled/round-${round}`, 16, preferred, pairs3),
    sample(`gate ${round}`, batch(judged), texts.longestThought + 48, gateTokens),
  ]);
  if (job === "demo") {
    const answered = 2 * suites + 4 * prompts * thought; // of the base model, and of stage 3, which thinks
    const last = sample("suites", batch(4 * prompts), longest, answered);
    const questions = sample("questions", 1, texts.longestThought + 24, 6 * 2 * (thought + 2 * 24)); // two, of both policies; one row alone takes six times as long per token
    return [{ notebook: demoNotebook, work: [...sft, ...dpo, ...gate2, ...rounds, questions, score("dev prompts", 32, 0, readOut), last] }];
  }

  const notebooks: Record<MainNotebook, PlannedWork[]> = {
    "00-start-here": [
      sample("answers", batch(2 * prompts), texts.answer, naiveAnswers * texts.answer + 4 * prompts * answerTokens),
      train("baseline-naive-sft", 8, texts.opening, naive),
    ],
    "01-ex-ante-data": [],
    "02-stage-1-sft": [
      ...sft,
      beside(sample("first words", batch(openings), texts.opening, openings * texts.opening)),
      beside(
        train(
          "baseline-answers-only/decision",
          knobs.batchSize,
          texts.opening,
          stage1.decisionPasses * Math.min(stage1.decisionTokens, texts.openings),
        ),
      ),
      beside(train("baseline-answers-only", knobs.traceBatch, texts.answer, 0.63 * stage1.traceTokens)),
      score("dev prompts", 32, 0, 2 * readOut),
      sample("traces to look at", shown, texts.longestThought + answerTokens, shown * (thought + answerTokens)),
      sample("forced first words", batch(2 * evaluation.gatePrompts), preferred, 4 * evaluation.gatePrompts * sampled),
    ],
    "03-stage-2-dpo": [...dpo, score("dev prompts", 32, 0, readOut), ...gate2],
    "04-stage-3-length-controlled": rounds,
    "05-evaluation": [
      sample("suites and attacks", examined, longest, suites + thoughts + ofLast(prompts) + ofLast(4 * attackPrompts)),
      sample("personas", batch(2 * attackPrompts), longest, ofLast(2 * attackPrompts), texts.persona),
      beside(
        sample(
          "suites and attacks, before the last stage",
          examined,
          longest,
          4 * suites - 2 * prompts * answerTokens + 2 * thoughts + ofOthers(prompts) + ofOthers(4 * attackPrompts), // notebook 00 has asked the base model two suites
        ),
      ),
      beside(sample("personas, before", batch(2 * attackPrompts), longest, ofOthers(2 * attackPrompts), texts.persona)),
      beside(sample("decisions by mass", batch(4 * prompts), longest, 3 * suites + 2 * 4 * prompts * thought)), // of three policies, two of which think
      sample("seconds", 8, texts.longestThought + answerTokens, 8 * 3 * (3 * answerTokens + 2 * thought)),
      beside(score("held-out answers", 48, texts.longestThought + 40, 5 * 48 * texts.reference)),
      beside(score("decisions", 32, 0, 3 * texts.heldOut * texts.decisionRow + 2 * readOut)),
    ],
  };
  return mainNotebooks.map((notebook) => ({ notebook, work: notebooks[notebook] }));
}

/**
 * What is left to compute of a job that was stopped, or of a branch. Of the stages everything up to their last finished training is kept, and so it is of what a second process may compute.
 * @param finished folders of the stages that the run has
 */
export function leftToCompute(planned: readonly PlannedNotebook[], finished: readonly string[]): PlannedNotebook[] {
  const all = planned.flatMap(({ work }) => work);
  const left = new Set(
    [false, true].flatMap((second) => {
      const parts = all.filter(({ beside = false }) => beside === second);
      const answered = (name: string) => second && name === "answers" && finished.includes(stages.sft); // stage 1 is trained on them
      return parts.slice(1 + parts.findLastIndex(({ kind, name }) => answered(name) || (kind === "train" && finished.includes(name))));
    }),
  );
  return planned.map(({ notebook, work }) => ({ notebook, work: work.filter((part) => left.has(part)) }));
}
