import type { Rng } from "../../backend/random.js";
import {
  answerPair,
  answersAgainst,
  brokenOffPair,
  type CheckedSample,
  checkSample,
  formPair,
  type PreferencePair,
  reopensAt,
} from "../../exante/pairs.js";
import { type LabelledPrompt, thoughtFor } from "../../exante/rows.js";
import { textOf, writeThought } from "../../exante/trace.js";
import type { Tokenizer } from "../../model/tokenizer.js";
import type { Run } from "../../runs/run.js";
import { pieces, present } from "../../setup/lists.js";
import type { MinedPrompt } from "./mined.js";
import { answerSampling, pairs as knobs } from "./recipe.js";
import { type Start, samplesOfStage1 } from "./stage2-samples.js";

/** A prompt and a trace that the policy has written of it, or its answer behind a thought by rule. */
export interface Traced {
  prompt: LabelledPrompt;
  sample: CheckedSample;
}

/** The policy's own traces of safe prompts whose first word is right. */
export async function ownTraces(run: Run, decided: readonly MinedPrompt[], signal?: AbortSignal): Promise<Traced[]> {
  const right = decided.flatMap(({ prompt, margin }) => (prompt.label === "safe" && margin >= 0 ? [prompt] : []));
  const most = knobs.answerFactor * run.profile.stage2.prompts;
  return traces(run, "own", run.rng("stage 2 answers").shuffle(right).slice(0, most), () => "", signal);
}

async function traces(run: Run, name: string, prompts: LabelledPrompt[], start: Start, signal?: AbortSignal): Promise<Traced[]> {
  const drawn = await samplesOfStage1(run, prompts, name, { start, temperature: 0, ...answerSampling, signal });
  return prompts.map((prompt, i) => ({ prompt, sample: checkSample(drawn[i]!, prompt.label, run.model.tokenizer) }));
}

/**
 * Pairs of answers to the prompts of the policy's own traces, behind its own thoughts and behind terse ones. Where an answer goes against its thought it loses to another behind the
 * same thought; where it opens a thought again it loses to one that goes on from the words before. Where few do, sound answers win over what they would be if a thought were opened in them.
 */
export async function answerPairs(run: Run, own: readonly Traced[], signal?: AbortSignal): Promise<PreferencePair[]> {
  const { tokenizer } = run.model;
  const asked = own.map(({ prompt }) => prompt);
  const traced = [...own, ...(await traces(run, "terse", asked, (prompt) => terseThought(run, prompt), signal))];

  const most = Math.ceil(knobs.againstShare * run.profile.stage2.prompts);
  const against = traced.filter(({ prompt, sample }) => answersAgainst(sample, prompt.label)).slice(0, most);
  const answers = await goneOn(run, "answers", against, ({ sample }) => sample.trace!.thought, signal);
  const reopened = traced.flatMap((one) => {
    const at = reopensAt(one.sample, one.prompt.label, tokenizer);
    return at === undefined ? [] : [{ ...one, at }];
  });
  const closed = await goneOn(run, "closed", reopened, ({ sample, at }) => tokenizer.decode(sample.ids.slice(0, at)), signal);
  const forms = present(reopened.map(({ prompt, sample, at }, i) => formPair(prompt, sample, at, closed[i]!, tokenizer)));
  const sound = soundTraces(own, tokenizer).slice(0, Math.max(0, most - forms.length));
  return [
    ...present(against.map(({ prompt, sample }, i) => answerPair(prompt, [sample, ...answers[i]!]))),
    ...forms,
    ...brokenOffPairs(sound, run.rng("stage 2 forms"), tokenizer),
  ];
}

/** Sound answers that win over what they would be if a thought were opened somewhere in them. */
export const brokenOffPairs = (sound: readonly Traced[], rng: Rng, tokenizer: Tokenizer): PreferencePair[] =>
  sound.map(({ prompt, sample }) => {
    const within = rng.integer(0, tokenizer.encode(sample.trace!.answer).length - 1);
    return brokenOffPair(prompt, sample, sample.thoughtTokens + within, tokenizer);
  });

/** The traces whose answers are correct and open no thought. */
export const soundTraces = (traces: readonly Traced[], tokenizer: Tokenizer): Traced[] =>
  traces.filter(({ prompt, sample }) => sample.correct && reopensAt(sample, prompt.label, tokenizer) === undefined);

/** The thought that a prompt calls for, in few words: what stage 3 will make of the policy's own. */
const terseThought = (run: Run, prompt: LabelledPrompt): string => textOf(writeThought(thoughtFor(prompt, run.rules), "terse"));

/** Samples that go on from a part of each trace. */
async function goneOn<T extends Traced>(
  run: Run,
  name: string,
  traces: readonly T[],
  part: (trace: T) => string,
  signal?: AbortSignal,
): Promise<CheckedSample[][]> {
  const repeated = traces.flatMap((trace) => Array.from({ length: knobs.answerSamples }, () => trace));
  const prompts = repeated.map(({ prompt }) => prompt);
  const start = (_: LabelledPrompt, i: number) => part(repeated[i]!);
  const drawn = await samplesOfStage1(run, prompts, name, { start, temperature: knobs.temperature, ...answerSampling, signal });
  return pieces(
    drawn.map((ids, i) => checkSample(ids, prompts[i]!.label, run.model.tokenizer)),
    knobs.answerSamples,
  );
}
