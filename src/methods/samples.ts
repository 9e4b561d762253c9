import { appendJsonl } from "../data/jsonl.js";
import { type LabelledPrompt, promptIds } from "../exante/rows.js";
import { sample } from "../generation/sample.js";
import type { Lora } from "../model/lora.js";
import type { Tokenizer } from "../model/tokenizer.js";
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
    const completions = sample(
      run.model,
      policy,
      missing.map((p, i) => [...promptIds(p.prompt, tokenizer), ...starts[i]!]),
      {
        maxNewTokens: thoughtTokens + spec.answerTokens,
        temperature: spec.temperature,
        batchSize: 64,
        rng: run.rng(spec.file.slice(run.dir.length)),
        stop: answerStop(tokenizer, spec.answerTokens),
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

/** Ends a completion at `</answer>` or `answerTokens` tokens after `<answer>`. */
export function answerStop(tokenizer: Tokenizer, answerTokens: number): (ids: readonly number[], index: number) => boolean {
  const opened = new Map<number, number>(); // completion -> its length when `<answer>` was whole
  return (ids, index) => {
    const at = opened.get(index);
    if (at !== undefined) return ids.length - at >= answerTokens || tokenizer.decode(ids.slice(at)).includes("</answer");
    if (tokenizer.decode(ids.slice(-8)).includes("<answer>")) opened.set(index, ids.length);
    return false;
  };
}
