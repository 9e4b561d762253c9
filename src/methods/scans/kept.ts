import { needed, neededGeneral } from "../../data/dataset.js";
import { digestOf, type Identity, type IdentityValue } from "../../data/identity.js";
import type { PromptRow } from "../../data/types.js";
import { noAttack } from "../../evaluation/attacks.js";
import type { Question } from "../../generation/asking.js";
import { askedPrompt } from "../../generation/contexts.js";
import { type Policy, policyIdentity } from "../../generation/policy.js";
import { devPrompts } from "../../runs/dev.js";
import { aroundPrompt, standsOn } from "../../runs/evaluate.js";
import { keep } from "../../runs/keep.js";
import type { Profile } from "../../runs/profile.js";
import type { Run } from "../../runs/run.js";
import { bestThreshold, type Threshold, transitionScore } from "./classifier.js";
import { type Directions, directionsOf, projections, transitionCosines } from "./directions.js";
import { type PrincipalPlane, principalPlane } from "./plane.js";
import { type LayerScore, layerScores, selection } from "./selection.js";
import { affirmation, promptStates } from "./states.js";
import type { Steering } from "./steering.js";

/** Prompts that directions are made from, none of which is in a set that anything is chosen or reported on. */
export interface Anchors {
  harmful: PromptRow[];
  benign: PromptRow[];
}

/** Anchors of each kind: the paper's 64, or as many as the dev read-out has prompts of a label. */
export const anchorCount = ({ evaluation }: Profile): number => Math.min(64, evaluation.devPrompts);
/** Prompts of each kind on which layers are selected: 32 as in the rule's source, or as many as a gate looks at. */
export const validationCount = ({ evaluation }: Profile): number => Math.min(32, evaluation.gatePrompts);

/**
 * Random anchors: harmful prompts and general ones of train1. The paper's are of AdvBench and TruthfulQA; here AdvBench is a test suite.
 * @param draw which of several draws, from 1
 */
export function anchors(run: Run, draw = 1): Anchors {
  const rng = run.rng(`SCANS, anchors ${draw}`);
  const count = anchorCount(run.profile);
  const harmful = needed(run.data, "train1").filter(({ label }) => label === "unsafe");
  return {
    harmful: rng.fork("harmful").shuffle(harmful).slice(0, count),
    benign: rng.fork("benign").shuffle(neededGeneral(run.data, "train1")).slice(0, count),
  };
}

const asked = (policy: Policy, rows: readonly PromptRow[]) =>
  questions(rows).map((question) => askedPrompt(policy.model.tokenizer, policy.asking, question));

const questions = (rows: readonly PromptRow[]): Question[] => rows.map((row, i) => noAttack.ask(row, i));

const promptsOf = (rows: readonly PromptRow[]) => digestOf(rows.map((row) => [row.id, row.prompt, row.label, ...aroundPrompt(row)]));

async function identityOf(run: Run, policy: Policy, what: Identity): Promise<Identity> {
  return { ...what, policy: await policyIdentity(policy), affirmation, precision: run.device.precision, ...standsOn(run, policy) };
}

const folder = (policy: Policy, draw: number): string => `methods/scans/${policy.name}/draw-${draw}`;

/** Directions of a policy from its anchors, kept: `methods/scans/POLICY/draw-N/directions.json`. @throws KeptError when the file is from other anchors or another policy */
export async function keptDirections(run: Run, policy: Policy, draw = 1): Promise<{ directions: Directions; digest: string }> {
  const from = anchors(run, draw);
  const what = { recipe: "SCANS, directions", version: 1, harmful: promptsOf(from.harmful), benign: promptsOf(from.benign) };
  const identity = await identityOf(run, policy, what);
  const kept = await keep(run, `${folder(policy, draw)}/directions.json`, identity, async () => {
    const [harmful, benign] = [
      await promptStates(policy, asked(policy, from.harmful)),
      await promptStates(policy, asked(policy, from.benign)),
    ];
    return toJson(directionsOf(harmful, benign));
  });
  return { directions: fromJson(kept), digest: digestOf(kept as unknown as IdentityValue) };
}

/** Directions as JSON has them. */
export type StoredDirections = Record<"refusal" | "transition", number[][]> & Record<"gaps" | "norms", number[]>;

/** @returns the same numbers in plain lists */
export const toJson = ({ refusal, transition, gaps, norms }: Directions): StoredDirections => ({
  refusal: refusal.map((v) => [...v]),
  transition: transition.map((v) => [...v]),
  gaps: [...gaps],
  norms: [...norms],
});

/** The reverse of `toJson`. */
export const fromJson = ({ refusal, transition, gaps, norms }: StoredDirections): Directions => ({
  refusal: refusal.map((v) => Float32Array.from(v)),
  transition: transition.map((v) => Float32Array.from(v)),
  gaps,
  norms,
});

/** What layers are selected by, kept: prompts of train2 under the directions of the first draw. */
export async function keptLayerScores(run: Run, policy: Policy): Promise<LayerScore[]> {
  const { directions, digest } = await keptDirections(run, policy);
  const count = validationCount(run.profile);
  const rng = run.rng("SCANS, validation");
  const harmful = rng
    .fork("harmful")
    .shuffle(needed(run.data, "train2").filter(({ label }) => label === "unsafe"))
    .slice(0, count);
  const benign = rng.fork("benign").shuffle(neededGeneral(run.data, "train2")).slice(0, count);
  const what = {
    recipe: "SCANS, layers",
    version: 1,
    directions: digest,
    depth: selection.depth,
    harmful: promptsOf(harmful),
    benign: promptsOf(benign),
  };
  const kept = await keep(run, `${folder(policy, 1)}/layers.json`, await identityOf(run, policy, what), async () => ({
    scores: await layerScores(policy, directions, { harmful: questions(harmful), benign: questions(benign) }),
  }));
  return kept.scores;
}

/** Numbers of a prompt after every layer, [L] each: how far along the refusal direction it lies, and the cosine of its transition with the anchors'. */
export interface Reading {
  id: string;
  label: PromptRow["label"];
  projections: number[];
  cosines: number[];
}

/** Readings of a set of prompts, and where they lie in the planes of their principal components. */
export interface Readings {
  rows: Reading[];
  /** By layer, in the order of the rows. */
  planes: Record<number, PrincipalPlane>;
}

/**
 * Readings of prompts without an attack, one pass over them; kept under a name of the caller's.
 * @param layers whose states are projected on their principal components
 */
export async function keptReadings(
  run: Run,
  policy: Policy,
  set: { name: string; rows: readonly PromptRow[] },
  { draw = 1, layers = [] }: { draw?: number; layers?: readonly number[] } = {},
): Promise<Readings> {
  const { directions, digest } = await keptDirections(run, policy, draw);
  const what = { recipe: "SCANS, readings", version: 1, directions: digest, prompts: promptsOf(set.rows), layers };
  return keep(run, `${folder(policy, draw)}/readings-${set.name}.json`, await identityOf(run, policy, what), async () => {
    const states = await promptStates(policy, asked(policy, set.rows));
    return {
      rows: states.map((of, i) => ({
        ...{ id: set.rows[i]!.id, label: set.rows[i]!.label },
        ...{ projections: projections(of, directions), cosines: transitionCosines(of, directions) },
      })),
      planes: Object.fromEntries(layers.map((l) => [l, principalPlane(states.map(({ end }) => end[l]!))])),
    };
  });
}

/** The scores of readings by label: harmful prompts as positives. @param score of a prompt */
export const scoresOf = (rows: readonly Reading[], score: (row: Reading) => number) => ({
  positives: rows.filter(({ label }) => label === "unsafe").map(score),
  negatives: rows.filter(({ label }) => label === "safe").map(score),
});

/** SCANS for one policy, but for its strength. */
export interface Scans extends Omit<Steering, "strength" | "threshold"> {
  /** Of the anchors, from 1. */
  draw: number;
  threshold: Threshold;
  /** Readings of the dev prompts that the threshold was chosen on. */
  dev: Readings;
}

/** Prompts of the dev set on which the threshold is chosen. */
export const thresholdPrompts = (run: Run): PromptRow[] => devPrompts(run, run.profile.evaluation.devPrompts);

/** What SCANS needs for a policy, the base model's or a stage's: directions from its own states, and a threshold from its own scores on dev. */
export async function scansOf(run: Run, policy: Policy, layers: readonly number[], draw = 1): Promise<Scans> {
  const kept = await keptDirections(run, policy, draw);
  const dev = await keptReadings(run, policy, { name: "dev", rows: thresholdPrompts(run) }, { draw });
  const threshold = bestThreshold(scoresOf(dev.rows, ({ cosines }) => transitionScore(cosines, layers[0]!)));
  return { ...kept, draw, layers, threshold, dev };
}
