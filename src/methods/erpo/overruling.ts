import type { Label } from "../../data/types.js";
import { type Proportion, share } from "../../evaluation/intervals.js";
import { parseTrace } from "../../exante/trace.js";
import { devPrompts, firstWordDecides } from "../../runs/dev.js";
import { labelled } from "../../runs/prompts.js";
import type { Run } from "../../runs/run.js";
import { sampleKept } from "../../runs/samples.js";
import { firstWord } from "./pairs.js";
import { sampling } from "./recipe.js";

/** How often verification overrules a first word that was put into the model's mouth: shares of whole traces. */
export interface Overruling {
  /** Of wrong first words, by the prompt's label: should be near 1. */
  wrong: Record<Label, Proportion>;
  /** Of right ones: should be near 0. */
  right: Record<Label, Proportion>;
}

/**
 * Forces the first word of a thought, the right and the wrong one, on dev prompts, and counts how often the verdict says otherwise. What follows is greedy, and is kept in
 * `<stage>/forced-right.jsonl` and `<stage>/forced-wrong.jsonl`.
 * @throws KeptError when they are of another adapter or other prompts; RangeError where the profile's assessments decide last
 */
export async function overruling(run: Run, stage: string, signal?: AbortSignal): Promise<Overruling> {
  const shares = async (word: "wrong" | "right") => {
    const verdicts = await forcedVerdicts(run, stage, word, signal);
    const of = (label: Label) =>
      share(
        verdicts.filter((row) => row.label === label && row.overruled !== null),
        ({ overruled }) => overruled === true,
      );
    return { safe: of("safe"), unsafe: of("unsafe") };
  };
  return { wrong: await shares("wrong"), right: await shares("right") };
}

/** What a verdict makes of a first word that was put into the model's mouth. */
export interface ForcedVerdict {
  id: string;
  label: Label;
  /** Whether the verdict says otherwise; null where what follows comes to no verdict. */
  overruled: boolean | null;
}

/** The same prompt by prompt, for one of the two words. @throws as `overruling` */
export async function forcedVerdicts(run: Run, stage: string, word: "wrong" | "right", signal?: AbortSignal): Promise<ForcedVerdict[]> {
  firstWordDecides(run);
  const prompts = devPrompts(run, run.profile.evaluation.gatePrompts).map(labelled);
  const start = (prompt: (typeof prompts)[number]) => firstWord(run, prompt, word === "right");
  const spec = { path: `${stage}/forced-${word}.jsonl`, stage, start, temperature: 0, ...sampling, signal };
  return (await sampleKept(run, prompts, spec)).map((ids, i) => {
    const trace = parseTrace(run.model.tokenizer.decode(ids));
    const { id, label } = prompts[i]!;
    return { id, label, overruled: trace && !trace.consistent };
  });
}
