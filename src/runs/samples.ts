import { formatJsonl, readAppended } from "../data/jsonl.js";
import { answerStop } from "../exante/answer-stop.js";
import { type LabelledPrompt, promptIds } from "../exante/rows.js";
import { sample } from "../generation/sample.js";
import type { Lora } from "../model/lora.js";
import { writeAtomic } from "../setup/atomic.js";
import { pieces } from "../training/batches.js";
import type { Run } from "./run.js";

export interface SampleSpec {
  /** JSON Lines of what was sampled; an interrupted call goes on behind the last whole piece. */
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

/** Prompts that are sampled and kept together: rows of a batch share their sums' rounding, so a part of them again would not come out the same. */
const pieceSize = 4 * 96;

/** One completion a prompt, as token ids in the order of the prompts. */
export async function sampleOnce(run: Run, policy: Lora, prompts: readonly LabelledPrompt[], spec: SampleSpec): Promise<number[][]> {
  const { tokenizer } = run.model;
  const rows = readAppended(spec.file) as { id: string; ids: number[] }[];
  const known = new Map(rows.map(({ id, ids }) => [id, ids]));
  for (const [n, piece] of pieces(prompts, pieceSize).entries()) {
    if (piece.every(({ id }) => known.has(id))) continue;
    const starts = piece.map((p) => tokenizer.encode(spec.start(p)));
    // where the completion is made to begin with a thought, the thought is in the prompt
    const thinking = piece.some((p) => spec.start(p).includes("<assess>"));
    const ends = answerStop(tokenizer, { answerTokens: spec.answerTokens, thoughtTokens, thinking });
    const completions = sample(
      run.model,
      policy,
      piece.map((p, i) => [...promptIds(p.prompt, tokenizer), ...starts[i]!]),
      {
        maxNewTokens: thoughtTokens + spec.answerTokens,
        temperature: spec.temperature,
        batchSize: 96,
        rng: run.rng(spec.file.slice(run.dir.length)),
        first: n * pieceSize,
        stop: ends.stop,
        signal: spec.signal,
      },
    );
    for await (const { index, ids } of completions) {
      const row = { id: piece[index]!.id, ids: [...starts[index]!, ...ids] };
      rows.push(row);
      known.set(row.id, row.ids);
    }
    writeAtomic(spec.file, [formatJsonl(rows)]);
  }
  return prompts.map((p) => known.get(p.id)!);
}
