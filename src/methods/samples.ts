import { appendJsonl } from "../data/jsonl.js";
import { answerStop } from "../exante/answer-stop.js";
import { type LabelledPrompt, promptIds } from "../exante/rows.js";
import { sample } from "../generation/sample.js";
import type { Lora } from "../model/lora.js";
import type { Run } from "./run.js";

export interface SampleSpec {
  /** JSON Lines of what was sampled; an interrupted call goes on from it. */
  file: string;
  /** Text that the completion is made to begin with, part of the result; "" for none. */
  start: (prompt: LabelledPrompt) => string;
  temperature: number;
  /** Tokens of the answer after which a completion is cut. */
  answerTokens: number;
  signal?: AbortSignal;
}

/** More tokens than any thought of the training data has. */
const thoughtTokens = 130;

/** One completion a prompt, as token ids in the order of the prompts. */
export async function sampleOnce(run: Run, policy: Lora, prompts: readonly LabelledPrompt[], spec: SampleSpec): Promise<number[][]> {
  const { tokenizer } = run.model;
  const file = appendJsonl(spec.file);
  try {
    const known = new Map(file.rows.map((row) => [row.id as string, row.ids as number[]]));
    const missing = prompts.filter((p) => !known.has(p.id));
    const starts = missing.map((p) => tokenizer.encode(spec.start(p)));
    // where the completion is made to begin with a thought, the thought is in the prompt
    const thinking = missing.some((p) => spec.start(p).includes("<assess>"));
    const ends = answerStop(tokenizer, { answerTokens: spec.answerTokens, thoughtTokens, thinking });
    const completions = sample(
      run.model,
      policy,
      missing.map((p, i) => [...promptIds(p.prompt, tokenizer), ...starts[i]!]),
      {
        maxNewTokens: thoughtTokens + spec.answerTokens,
        temperature: spec.temperature,
        batchSize: 96,
        rng: run.rng(spec.file.slice(run.dir.length)),
        stop: ends.stop,
        signal: spec.signal,
      },
    );
    for await (const { index, ids } of completions) {
      const row = { id: missing[index]!.id, ids: [...starts[index]!, ...ids] };
      file.append(row);
      known.set(row.id, row.ids);
    }
    return prompts.map((p) => known.get(p.id)!);
  } finally {
    file.close();
  }
}
