import type { LabelledPrompt } from "../../exante/rows.js";
import type { Run } from "../../runs/run.js";
import { type SampleSpec, sampleKept } from "../../runs/samples.js";
import { stages } from "./stages.js";

/** What a completion is made to begin with. */
export type Start = SampleSpec["start"];

/** Completions by stage 1's policy that stage 2's pairs are made of, as token ids in the order of the prompts; kept in 2-dpo/samples-NAME.jsonl. */
export const samplesOfStage1 = (
  run: Run,
  prompts: readonly LabelledPrompt[],
  name: string,
  spec: Omit<SampleSpec, "path" | "stage">,
): Promise<number[][]> => sampleKept(run, prompts, { ...spec, path: `${stages.dpo}/samples-${name}.jsonl`, stage: stages.sft });
