import * as tf from "@tensorflow/tfjs";
import { createRng } from "../../backend/random.js";
import { digestOf, type Identity, type IdentityValue } from "../../data/identity.js";
import { readAppended } from "../../data/jsonl.js";
import type { TokenRow } from "../../data/tokens.js";
import type { Label } from "../../data/types.js";
import { policyLogps } from "../../evaluation/policy-logps.js";
import type { Response } from "../../evaluation/respond.js";
import { promptTokens, type Question } from "../../generation/asking.js";
import { type Policy, policyIdentity } from "../../generation/policy.js";
import { sample } from "../../generation/sample.js";
import type { Tokenizer } from "../../model/tokenizer.js";
import { standsOn, type TrialResult } from "../../runs/evaluate.js";
import { keep } from "../../runs/keep.js";
import type { Run } from "../../runs/run.js";
import { type Pivot, pivots, pivotVerdict } from "./traces.js";

/** A place of a given reasoning at which a pivot stands, and what a policy would write there. */
export interface PivotScore {
  /** The row, and which of its pivots, from 0. */
  row: number;
  step: number;
  /** What stands there. */
  pivot: Pivot;
  /** Log-probs of the three, in the order of `pivots`, in nats. */
  logps: [number, number, number];
}

/** log P([UNSAFE]) - log P([SAFE]), in nats: above 0 the policy would rather call the step unsafe. */
export const unsafeLogOdds = ({ logps: [safe, unsafe] }: PivotScore): number => unsafe - safe;

/** Of a place where [SAFE] or [UNSAFE] stands: whether the policy finds it likelier than the other one; null at [RETHINK]. */
export const pivotRight = (score: PivotScore): boolean | null =>
  score.pivot === "[RETHINK]" ? null : unsafeLogOdds(score) > 0 === (score.pivot === "[UNSAFE]");

/** The ids of the pivots, in their order. */
export const pivotIds = (tokenizer: Tokenizer): number[] => pivots.map((pivot) => tokenizer.id(pivot)!);

/** Rows that are scored together. */
const together = 4;

/** What a policy would write at each pivot of given rows, behind their own tokens: teacher forcing. @param policy whose model has the pivots */
export async function pivotScores(policy: Policy, rows: readonly TokenRow[]): Promise<PivotScore[]> {
  const ids = pivotIds(policy.model.tokenizer);
  const places = rows.flatMap(({ completion }, row) =>
    completion
      .flatMap((id, place) => (ids.includes(id) ? [{ row, place, pivot: pivots[ids.indexOf(id)]! }] : []))
      .map((found, step) => ({ ...found, step })),
  );
  const scores: PivotScore[] = [];
  for (let at = 0; at < rows.length; at += together) {
    const own = places.filter(({ row }) => row >= at && row < at + together);
    if (own.length === 0) continue;
    const asked = own.flatMap(({ row, place }) => {
      const { prompt, completion } = rows[row]!;
      return ids.map((id) => ({ prompt: [...prompt, ...completion.slice(0, place)], completion: [id] }));
    });
    const logps = await policyLogps(policy, asked);
    own.forEach(
      ({ row, step, pivot }, k) => void scores.push({ row, step, pivot, logps: logps.slice(3 * k, 3 * k + 3) as PivotScore["logps"] }),
    );
  }
  return scores;
}

/** The same, kept in `methods/r2d/pivots/NAME.json`. @throws KeptError when the file holds another policy's numbers */
export async function keptPivotScores(run: Run, policy: Policy, rows: readonly TokenRow[]): Promise<PivotScore[]> {
  const identity: Identity = {
    recipe: "R2D, pivots",
    version: 1,
    policy: await policyIdentity(policy),
    rows: digestOf(rows as unknown as IdentityValue),
    precision: run.device.precision,
    ...standsOn(run, policy),
  };
  const kept = await keep(run, `methods/r2d/pivots/${policy.name}.json`, identity, async () => ({
    scores: await pivotScores(policy, rows),
  }));
  return kept.scores;
}

/** What the pivots of a kept answer say of its prompt. */
export interface Verdict {
  id: string;
  label: Label;
  /** Null where there are no pivots. */
  verdict: Label | null;
}

/** The verdicts of an evaluation's answers, whose completions the run keeps. */
export function pivotVerdicts(run: Run, { policy, trial, rows }: TrialResult): Verdict[] {
  const responses = readAppended(run.path(`evaluation/${policy}/${trial}.jsonl`)) as unknown as Response[];
  const completions = new Map(responses.map(({ id, completion }) => [id, completion]));
  return rows.map(({ id, label }) => ({ id, label, verdict: pivotVerdict(completions.get(id)!) }));
}

/** A token of a generation, and how likely each pivot was in its place. */
export interface FollowedToken {
  token: string;
  /** The pivot that was written here; null for another token. */
  pivot: Pivot | null;
  /** Probabilities of the three pivots, in the order of `pivots`. */
  probabilities: [number, number, number];
}

/** Writes an answer as the policy decodes, and looks at its model's probabilities of the pivots at each place. @param tokens of the answer at most */
export async function followPivots(policy: Policy, question: Question, tokens: number): Promise<FollowedToken[]> {
  const { model, adapter, asking } = policy;
  const { tokenizer, decoder } = model;
  const ids = pivotIds(tokenizer);
  const asked = promptTokens(tokenizer, asking, question);
  const written: number[] = [];
  for await (const completion of sample(policy, [question], { maxNewTokens: tokens, batchSize: 1, rng: createRng(0) }))
    written.push(...completion.ids);
  const seen = tf.tidy(() => {
    const row = [...asked, ...written.slice(0, -1)];
    const states = decoder.hidden(tf.tensor2d(row, [1, row.length], "int32"), { lora: adapter }); // [1, T, C]
    const last = tf.slice(tf.reshape(states, [row.length, -1]), [asked.length - 1, 0], [written.length, -1]) as tf.Tensor2D;
    return tf.gather(tf.softmax(decoder.logits(last, adapter)), tf.tensor1d(ids, "int32"), 1) as tf.Tensor2D; // [n, 3]
  });
  const probabilities = (await seen.array()) as FollowedToken["probabilities"][];
  seen.dispose();
  return written.map((id, t) => ({
    token: tokenizer.decode([id]),
    pivot: pivots[ids.indexOf(id)] ?? null,
    probabilities: probabilities[t]!,
  }));
}
