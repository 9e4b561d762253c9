import type { Rng } from "../../backend/random.js";
import { needed } from "../../data/dataset.js";
import { digestOf } from "../../data/identity.js";
import { decisionLogOdds, decisionPrompt, noneToken } from "../../evaluation/readout.js";
import type { LabelledPrompt } from "../../exante/rows.js";
import { policyIdentity } from "../../generation/policy.js";
import { firstWordDecides } from "../../runs/dev.js";
import { keep } from "../../runs/keep.js";
import { labelled } from "../../runs/prompts.js";
import type { Run } from "../../runs/run.js";
import { currentSha256 } from "../../runs/stale.js";
import { pairs as knobs, version } from "./recipe.js";
import { stages } from "./stages.js";

/** A prompt, and its right first word's log-odds against the wrong one, in nats: below 0 the policy is wrong. */
export interface MinedPrompt {
  prompt: LabelledPrompt;
  margin: number;
}

/**
 * Prompts of stage 2's set as the policy decides them; a small profile looks at a part of the set. Kept in 2-dpo/mined.json.
 * @param count prompts of each label that will be taken
 */
export async function decidedPrompts(run: Run, stage: string, count: number): Promise<MinedPrompt[]> {
  firstWordDecides(run);
  const whole = needed(run.data, "train2").map(labelled);
  const pool = 2 * count * knobs.mineFactor;
  const all = whole.length <= pool ? whole : run.rng("stage 2 pool").shuffle(whole).slice(0, pool);
  const identity = {
    recipe: "ERPO, mined prompts",
    version,
    prompts: digestOf(all.map(({ id, prompt, label }) => [id, prompt, label])),
    policy: await policyIdentity(await run.policy(stage)),
    precision: run.device.precision,
    from: { [stage]: currentSha256(run, stage) },
  };
  const { logOdds } = await keep(run, `${stages.dpo}/mined.json`, identity, async () => {
    const { tokenizer } = run.model;
    const read = all.map(({ prompt }) => decisionPrompt(prompt, tokenizer));
    return { logOdds: await decisionLogOdds(await run.policy(stage), read, noneToken(tokenizer), knobs.mineBatch) };
  });
  return all.map((prompt, i) => ({ prompt, margin: prompt.label === "unsafe" ? logOdds[i]! : -logOdds[i]! }));
}

/**
 * Equally many prompts of each label: three quarters are those that the policy's first word gets wrong, the closest first, and behind them those that it decides by less than a nat; the
 * others are of the rest, so that what it knows is not forgotten.
 */
export function mine(margins: readonly MinedPrompt[], count: number, rng: Rng): MinedPrompt[] {
  return (["safe", "unsafe"] as const).flatMap((label) => {
    const own = margins.filter(({ prompt }) => prompt.label === label).sort((a, b) => Math.abs(a.margin) - Math.abs(b.margin));
    const [wrong, close] = [own.filter(({ margin }) => margin < 0), own.filter(({ margin }) => margin >= 0 && margin < knobs.uncertain)];
    const hard = [...wrong, ...close].slice(0, count - Math.ceil(count * knobs.easyShare));
    const others = rng.fork(label).shuffle(own.filter((row) => !hard.includes(row)));
    return [...hard, ...others.slice(0, count - hard.length)];
  });
}
