import { latePair, type PreferencePair } from "../../exante/pairs.js";
import type { LabelledPrompt } from "../../exante/rows.js";
import type { Run } from "../../runs/run.js";
import { present } from "../../setup/lists.js";
import { soundTraces, type Traced } from "./answer-pairs.js";
import type { MinedPrompt } from "./mined.js";
import { answerSampling, pairs as knobs } from "./recipe.js";
import { samplesOfStage1 } from "./stage2-samples.js";

/**
 * Pairs behind the beginning of an answer before which nothing was thought, as a prefill puts it into the model's mouth: where the policy goes on, this loses to a thought. The beginnings are those
 * of its own answers to other prompts: so what tells whether to think is that no thought stands before, and not the words.
 */
export async function latePairs(
  run: Run,
  decided: readonly MinedPrompt[],
  own: readonly Traced[],
  signal?: AbortSignal,
): Promise<PreferencePair[]> {
  const { tokenizer } = run.model;
  const answers = soundTraces(own, tokenizer).map(({ sample }) => tokenizer.encode(sample.trace!.answer));
  const rng = run.rng("stage 2 late");
  const begun = (["safe", "unsafe"] as const).flatMap((label) => {
    const right = decided.filter(({ prompt, margin }) => prompt.label === label && margin >= 0);
    const asked = rng.shuffle(right).slice(0, answers.length === 0 ? 0 : Math.ceil(run.profile.stage2.prompts / 2));
    return asked.map(({ prompt }) => ({
      prompt,
      beginning: tokenizer.decode(rng.choice(answers).slice(0, rng.integer(1, knobs.longestBeginning))),
    }));
  });
  const drawn = (name: string, of: typeof begun, behind = "") => {
    const prompts = of.map(({ prompt }) => prompt);
    const start = (_: LabelledPrompt, i: number) => of[i]!.beginning + behind;
    return samplesOfStage1(run, prompts, name, { start, temperature: 0, ...answerSampling, signal });
  };
  const likeliest = await drawn("late", begun);
  const goesOn = begun.flatMap((one, i) => (tokenizer.decode(likeliest[i]!).includes("<assess>") ? [] : [{ ...one, ids: likeliest[i]! }]));
  const thoughts = await drawn("late-thoughts", goesOn, "<assess>");
  return present(
    goesOn.map(({ prompt, beginning, ids }, i) => latePair(prompt, ids, thoughts[i]!, tokenizer.encode(beginning).length, tokenizer)),
  );
}
