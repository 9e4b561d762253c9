import type { Rng } from "../../backend/random.js";
import { needed } from "../../data/dataset.js";
import { digestOf, type IdentityValue } from "../../data/identity.js";
import type { TokenPair } from "../../data/tokens.js";
import {
  type CheckedSample,
  checkSample,
  decisionPair,
  efficiencyPair,
  type PreferencePair,
  partsAtToken,
  splitSteps,
  stepLevelPair,
  verdictLevelPair,
  wholePair,
  writtenPair,
} from "../../exante/pairs.js";
import { type LabelledPrompt, thoughtFor } from "../../exante/rows.js";
import { decisionSegments, textOf } from "../../exante/trace.js";
import type { Tokenizer } from "../../model/tokenizer.js";
import { keep } from "../../runs/keep.js";
import { balancedPrompts } from "../../runs/prompts.js";
import type { Run } from "../../runs/run.js";
import { sampleKept } from "../../runs/samples.js";
import { currentSha256 } from "../../runs/stale.js";
import { grouped, present } from "../../setup/lists.js";
import { balanced } from "../../training/batches.js";
import { referenceLogps } from "../../training/preference.js";
import { answerPairs, brokenOffPairs, ownTraces, soundTraces, type Traced } from "./answer-pairs.js";
import { latePairs } from "./late-pairs.js";
import { decidedPrompts, mine } from "./mined.js";
import { pairs as knobs, numbered, pairsVersion, sampling } from "./recipe.js";
import { type Start, samplesOfStage1 } from "./stage2-samples.js";
import { roundStage, stages } from "./stages.js";

/**
 * What two completions are compared by: all of them; all of them, but two decisions up to the end of their verifications; or the first step in which they differ. Two answers are always compared by the
 * token in which they part.
 */
export type PairLevel = "trace" | "verdict" | "step";

/**
 * Stage 2's pairs with their reference log-probs, kept in 2-dpo/pairs.json. Stage 1's policy decides all prompts of its set. Of those that it gets wrong or nearly so it
 * writes on from the wrong first word, which is its own where it errs, and from the right one. Of those that it gets right come pairs of
 * answers (`answerPairs`) and of thoughts behind the beginnings of answers (`latePairs`).
 * @throws KeptError when they were made otherwise; RangeError where the profile's assessments decide last
 */
export async function stage2Pairs(run: Run, level: PairLevel = "step", signal?: AbortSignal): Promise<StoredPairs> {
  const { tokenizer } = run.model;
  const { prompts: count } = run.profile.stage2;
  const decided = await decidedPrompts(run, stages.sft, count);
  const mined = mine(decided, count, run.rng("stage 2"));
  const prompts = mined.map(({ prompt }) => prompt);
  const draw = (name: string, start: Start, temperature: number) =>
    samplesOfStage1(run, prompts, name, { start, temperature, ...sampling, signal });
  const behind = async (first: "wrong" | "right") => {
    const drawn = [await draw(first, (p) => firstWord(run, p, first === "right"), 0)];
    const assessed = drawn[0]!.map((ids) => splitSteps(ids, tokenizer)[0]!);
    for (const file of numbered(`after-${first}`, knobs.verifySamples)) {
      drawn.push(await draw(file, (_, i) => tokenizer.decode(assessed[i]!), knobs.temperature));
    }
    return prompts.map(({ label }, i) => drawn.map((ids) => checkSample(ids[i]!, label, tokenizer)));
  };
  const [wrong, right] = [await behind("wrong"), await behind("right")];
  const pairs = mined.flatMap(({ prompt, margin }, i) => {
    const own = wrong[i]!.filter(({ correct }) => !correct);
    return present([
      margin < 0 ? decisionPair(prompt, [...own, ...right[i]!]) : null,
      ...[wrong, right].map((of) => decisionPair(prompt, of[i]!)),
    ]);
  });
  const own = await ownTraces(run, decided, signal);
  const beside = [...(await answerPairs(run, own, signal)), ...(await latePairs(run, decided, own, signal))];
  const all = [...enough(run, "decision", prompts, pairs), ...beside];
  return keptPairs(run, `${stages.dpo}/pairs.json`, all, stages.sft, level, signal);
}

/** The pairs, and written ones of each label for which there are too few of a kind for the batches of a stage's least steps. */
function enough(run: Run, kind: "decision" | "efficiency", prompts: readonly LabelledPrompt[], pairs: PreferencePair[]): PreferencePair[] {
  const isOfKind = ({ goal }: PreferencePair) => (goal === "efficiency") === (kind === "efficiency");
  const others = new Set(pairs.filter((pair) => !isOfKind(pair)).map(({ goal, prompt }) => `${goal} ${prompt.label}`));
  const least = knobs.leastSteps * Math.floor(knobs.batchSize / (2 + others.size));
  const missing = (["safe", "unsafe"] as const).flatMap((label) => {
    const there = pairs.filter((pair) => isOfKind(pair) && pair.prompt.label === label).length;
    const own = prompts.filter((prompt) => prompt.label === label);
    const count = own.length === 0 ? 0 : Math.max(0, least - there);
    return Array.from({ length: count }, (_, i) => writtenPair(own[i % own.length]!, kind, run.writer));
  });
  return [...pairs, ...missing];
}

/** The beginning of a thought with the right or the wrong first word. */
export function firstWord(run: Run, prompt: LabelledPrompt, right: boolean): string {
  const risk = right === (prompt.label === "unsafe") ? thoughtFor(prompt, run.rules, "unsafe").risk : "none";
  return `<assess>${textOf(decisionSegments(risk))}`;
}

/**
 * Pairs of a round, from samples of the current policy: shorter thoughts of right samples and sound answers behind the shortest (unless the profile has no efficiency pairs), and decisions where they differ. Decisions
 * are left out unless each label has four: 5 of unsafe prompts alone moved the first words of all dev prompts towards "risk" by 1.1 to 1.4 nats (quick, seed 1).
 * @throws KeptError when they were made otherwise
 */
export async function roundPairs(
  run: Run,
  round: number,
  current: string,
  level: PairLevel = "verdict",
  signal?: AbortSignal,
): Promise<StoredPairs> {
  const stage = roundStage(round);
  const { tokenizer } = run.model;
  const { prompts: count, samples: perPrompt, efficiency } = run.profile.stage3;
  const prompts = roundPrompts(run, (round - 1) * count, count);
  const drawn: number[][][] = [];
  for (let k = 1; k <= perPrompt; k++) {
    const spec = {
      path: `${stage}/samples-${k}.jsonl`,
      stage: current,
      start: () => "",
      temperature: knobs.temperature,
      ...sampling,
      signal,
    };
    drawn.push(await sampleKept(run, prompts, spec));
  }
  const sampled = prompts.map((prompt, i) => ({ prompt, samples: drawn.map((ids) => checkSample(ids[i]!, prompt.label, tokenizer)) }));
  const pairs = sampled.flatMap(({ prompt, samples }) =>
    present([efficiency ? efficiencyPair(prompt, samples, knobs.lengthRatio) : null, decisionPair(prompt, samples)]),
  );
  if (!efficiency) return keptPairs(run, `${stage}/pairs.json`, enough(run, "decision", prompts, pairs), current, level, signal);
  const fewer = Math.min(...(["safety", "usefulness"] as const).map((goal) => pairs.filter((pair) => pair.goal === goal).length));
  const kept = fewer >= knobs.batchSize / 2 ? pairs : pairs.filter(({ goal }) => goal === "efficiency"); // one or two would come again in every batch
  const forms = brokenOffPairs(tersest(sampled, tokenizer), run.rng(`stage 3 forms ${round}`), tokenizer);
  return keptPairs(run, `${stage}/pairs.json`, [...enough(run, "efficiency", prompts, kept), ...forms], current, level, signal);
}

/** Of each safe prompt the sound trace with the shortest thought, where there is one. */
const tersest = (sampled: readonly { prompt: LabelledPrompt; samples: CheckedSample[] }[], tokenizer: Tokenizer): Traced[] =>
  sampled
    .filter(({ prompt }) => prompt.label === "safe")
    .flatMap(({ prompt, samples }) => {
      const traces = samples.map((sample) => ({ prompt, sample }));
      return soundTraces(traces, tokenizer)
        .sort((a, b) => a.sample.thoughtTokens - b.sample.thoughtTokens)
        .slice(0, 1);
    });

/** Pairs as they are trained on, and what each was made for. */
export interface StoredPairs {
  tokens: TokenPair[];
  goals: PreferencePair["goal"][];
  differs: PreferencePair["differs"][];
  labels: LabelledPrompt["label"][];
  written: boolean[];
  ids: string[];
}

/** The pairs at their level, with log-probs under the policy that they were sampled from. */
async function keptPairs(
  run: Run,
  path: string,
  pairs: readonly PreferencePair[],
  reference: string,
  level: PairLevel,
  signal?: AbortSignal,
): Promise<StoredPairs> {
  const { tokenizer } = run.model;
  const made = pairs.flatMap((pair) => {
    const tokens = comparable(pair, level, tokenizer);
    return tokens === null ? [] : [{ pair, tokens }];
  });
  const tokens = made.map((row) => row.tokens);
  const goals = made.map(({ pair }) => pair.goal);
  const identity = {
    recipe: "ERPO, pairs",
    version: pairsVersion,
    level,
    pairs: digestOf(tokens as unknown as IdentityValue),
    goals: digestOf(goals),
    referenceBatch: knobs.referenceBatch,
    model: run.model.digest,
    precision: run.device.precision,
    from: { [reference]: currentSha256(run, reference) },
  };
  return keep(run, path, identity, async () => {
    const { adapter } = await run.policy(reference);
    return {
      tokens: await referenceLogps(run.model, tokens, adapter, { batchSize: knobs.referenceBatch, signal }),
      goals,
      differs: made.map(({ pair }) => pair.differs),
      labels: made.map(({ pair }) => pair.prompt.label),
      written: made.map(({ pair }) => pair.written),
      ids: made.map(({ pair }) => pair.prompt.id),
    };
  });
}

/** A pair at its level; null where it differs in nothing that is compared there. */
function comparable(pair: PreferencePair, level: PairLevel, tokenizer: Tokenizer): TokenPair | null {
  if (level === "step" || partsAtToken(pair)) return stepLevelPair(pair, tokenizer);
  return level === "verdict" && pair.differs === "decision" ? verdictLevelPair(pair, tokenizer) : wholePair(pair, tokenizer);
}

/** `count` prompts of each label from stage 2's set and the everyday prompts, after the first `skip` of each; from the top again where the set ends. */
function roundPrompts(run: Run, skip: number, count: number): LabelledPrompt[] {
  const all = balancedPrompts([...needed(run.data, "train2"), ...run.data.general.train2], run.rng("stage 3"));
  return Array.from({ length: 2 * count }, (_, i) => all[(2 * skip + i) % all.length]!);
}

/**
 * Batches of equally many pairs of each goal and label, and beside them so many of answers, of their form and of late thoughts as the recipe says, where there are such. Most of those are of
 * safe prompts, and in the place of decisions they would leave fewer of safe prompts than of unsafe ones.
 */
export function pairBatches({ goals, differs, labels }: StoredPairs, rng: Rng): number[][] {
  const all = [...goals.keys()];
  const decisions = all.filter((i) => !(differs[i]! in knobs.beside));
  const groups = [...grouped(decisions, (i) => `${goals[i]} ${labels[i]}`).values()];
  const batches = balanced(groups, knobs.batchSize - (knobs.batchSize % groups.length), rng);
  const beside = Object.entries(knobs.beside).map(([what, count]) => ({
    pairs: rng.shuffle(all.filter((i) => differs[i] === what)),
    count,
  }));
  const taken = (i: number) =>
    beside.flatMap(({ pairs, count }) =>
      Array.from({ length: Math.min(count, pairs.length) }, (_, k) => pairs[(i * count + k) % pairs.length]!),
    );
  return batches.map((batch, i) => [...batch, ...taken(i)]);
}
