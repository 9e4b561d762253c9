import { rmSync } from "node:fs";
import { digestOf, type Identity } from "../data/identity.js";
import { formatJsonl, readAppended } from "../data/jsonl.js";
import { answerStop, leavesThoughtOpen } from "../exante/answer-stop.js";
import { type LabelledPrompt, promptIds } from "../exante/rows.js";
import { plain } from "../generation/decoding.js";
import { policyIdentity } from "../generation/policy.js";
import { sample } from "../generation/sample.js";
import { writeAtomic } from "../setup/atomic.js";
import { pieces } from "../setup/lists.js";
import { takePlace } from "./keep.js";
import type { Run } from "./run.js";
import { currentSha256 } from "./stale.js";

export interface SampleSpec {
  /** JSON Lines in the run's folder that the samples are kept in; also the name of their random stream. */
  path: string;
  /** The stage whose policy is sampled. */
  stage: string;
  /** Text that the completion is made to begin with, part of the result; "" for none. */
  start: (prompt: LabelledPrompt, index: number) => string;
  temperature: number;
  /** Tokens of the answer, and of the thought before it, after which a completion is cut. */
  answerTokens: number;
  thoughtTokens: number;
  signal?: AbortSignal;
}

/** Prompts that are decoded together. */
const batchSize = 96;

/** Prompts that are sampled and stored together: rows of a batch share their sums' rounding, so a part of them again would not come out the same. */
const pieceSize = 4 * batchSize;

/**
 * One completion per prompt, as token ids in the order of the prompts; kept.
 * @throws KeptError when the file holds samples of another policy, other prompts or settings
 */
export async function sampleKept(run: Run, prompts: readonly LabelledPrompt[], spec: SampleSpec): Promise<number[][]> {
  const { tokenizer } = run.model;
  const adapter = { ...(await run.policy(spec.stage)), decoding: plain({ temperature: spec.temperature }) };
  const starts = prompts.map((p, i) => spec.start(p, i));
  const { thoughtTokens, answerTokens, temperature } = spec;
  const identity: Identity = {
    recipe: "samples",
    version: 1,
    policy: await policyIdentity(adapter),
    prompts: digestOf(prompts.map(({ id, prompt }) => [id, prompt])),
    starts: digestOf(starts),
    answerTokens,
    thoughtTokens,
    batchSize,
    ...(temperature > 0 ? { seed: run.seed, stream: spec.path } : {}),
    precision: run.device.precision,
    from: { [spec.stage]: currentSha256(run, spec.stage) },
  };
  const file = run.path(spec.path);
  const partial = `${file}.partial`; // whole pieces, until there are all
  using place = await takePlace(run, spec.path, [spec.path, `${spec.path}.partial`], identity, spec.signal);
  if (!place.whole) {
    const rows = readAppended(partial) as { id: string; ids: number[] }[];
    for (const [n, piece] of pieces(prompts, pieceSize).entries()) {
      const first = n * pieceSize;
      if (rows.length >= first + piece.length) continue;
      const begun = piece.map((_, i) => tokenizer.encode(starts[first + i]!));
      const ends = answerStop(tokenizer, { answerTokens, thoughtTokens, thinking: starts.some(leavesThoughtOpen) });
      const completions = sample(
        adapter,
        piece.map((p, i) => [...promptIds(p.prompt, tokenizer), ...begun[i]!]),
        {
          maxNewTokens: thoughtTokens + answerTokens,
          batchSize,
          rng: run.rng(spec.path),
          stream: (i) => String(first + i),
          stop: ends.stop,
          signal: spec.signal,
        },
      );
      for await (const { index, ids } of completions) rows[first + index] = { id: piece[index]!.id, ids: [...begun[index]!, ...ids] };
      if (rows.length < prompts.length) writeAtomic(partial, [formatJsonl(rows)]);
    }
    place.write([formatJsonl(rows)]);
    rmSync(partial, { force: true });
  }
  return readAppended(file).map(({ ids }) => ids as number[]);
}
