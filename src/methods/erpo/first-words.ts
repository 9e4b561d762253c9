import type { Rng } from "../../backend/random.js";
import { needed } from "../../data/dataset.js";
import { digestOf, type IdentityValue } from "../../data/identity.js";
import type { TokenPair } from "../../data/tokens.js";
import type { Label } from "../../data/types.js";
import { noneToken, riskToken } from "../../evaluation/readout.js";
import { type LabelledPrompt, promptIds } from "../../exante/rows.js";
import { firstWordDecides } from "../../runs/dev.js";
import { keep } from "../../runs/keep.js";
import { balancedPrompts } from "../../runs/prompts.js";
import type { Run } from "../../runs/run.js";
import { currentSha256 } from "../../runs/stale.js";
import { balanced } from "../../training/batches.js";
import { referenceLogps } from "../../training/preference.js";
import { pairs as knobs, version } from "./recipe.js";
import { stages } from "./stages.js";

/** Pairs of first words. */
export interface FirstWordPairs {
  prompts: LabelledPrompt[];
  /** A pair of each, with reference log-probs. */
  tokens: TokenPair[];
  /** How much likelier the reference has the right word than the wrong one, in nats: below 0 its policy is wrong. */
  margins: number[];
}

/**
 * Stage 2's pairs of the first word of an assessment: the prompt ends with `<assess>`, the winner is "risk" or "none" by the label, and the loser is the other. Their reference log-probs say, too,
 * which prompts stage 1's policy gets wrong. Kept in 2-dpo/first-words.json.
 * @throws KeptError when they were made otherwise; RangeError where the profile's assessments decide last
 */
export async function firstWordPairs(run: Run, signal?: AbortSignal): Promise<FirstWordPairs> {
  firstWordDecides(run);
  const { tokenizer } = run.model;
  const prompts = balancedPrompts(needed(run.data, "train2"), run.rng("stage 2 pool")).slice(0, 2 * run.profile.stage2.pool);
  const [begun, risk, none] = [tokenizer.encode("<assess>"), riskToken(tokenizer), noneToken(tokenizer)];
  const pairs = prompts.map(({ prompt, label }): TokenPair => {
    const [right, wrong] = label === "unsafe" ? [risk, none] : [none, risk];
    return { prompt: [...promptIds(prompt, tokenizer), ...begun], chosen: [right], rejected: [wrong] };
  });
  const identity = {
    recipe: "ERPO, first words",
    version,
    pairs: digestOf(pairs as unknown as IdentityValue),
    referenceBatch: knobs.wordBatch,
    model: run.model.digest,
    precision: run.device.precision,
    from: { [stages.sft]: currentSha256(run, stages.sft) },
  };
  const { tokens } = await keep(run, `${stages.dpo}/first-words.json`, identity, async () => {
    const { adapter } = await run.policy(stages.sft);
    return { tokens: await referenceLogps(run.model, pairs, adapter, { batchSize: knobs.wordBatch, signal }) };
  });
  return { prompts, tokens, margins: tokens.map(({ reference }) => reference!.chosen - reference!.rejected) };
}

/** Batches of equally many pairs of each label, of rows that stand behind `before` others. */
export function wordBatches({ prompts }: FirstWordPairs, before: number, rng: Rng): number[][] {
  const of = (own: Label) => prompts.flatMap(({ label }, i) => (label === own ? [before + i] : []));
  return balanced([of("unsafe"), of("safe")], knobs.batchSize, rng);
}
