import { digestOf, type Identity } from "../data/identity.js";
import type { PromptRow } from "../data/types.js";
import { median } from "../evaluation/averages.js";
import { responses } from "../evaluation/respond.js";
import type { Policy } from "../generation/policy.js";
import { aroundPrompt } from "../runs/evaluate.js";
import { keep } from "../runs/keep.js";
import type { Run } from "../runs/run.js";
import { measuredPolicies, timedInTurns } from "./speed.js";

/** How long a policy takes to answer a batch of prompts to their ends. */
export interface AnswerLatency {
  policy: string;
  /** Where it was measured. */
  device: string;
  /** Seconds of each round, from the prompts to the last answer's end. */
  rounds: number[];
  /** Their median. */
  seconds: number;
  /** Tokens of a completion, thought and answer, in the mean. */
  tokens: number;
}

/** A measurement of latencies. */
export interface LatencySpec {
  /** JSON file in the run's folder. */
  path: string;
  /** Answered in one batch. */
  rows: readonly PromptRow[];
  /** Of a thought and of an answer at most. */
  thoughtTokens: number;
  answerTokens: number;
  /** Default: 3. */
  rounds?: number;
  signal?: AbortSignal;
}

/**
 * Latencies of policies side by side: in each round every policy answers the same prompts in one batch, one policy after the other, so that other work of the machine
 * meets all of them. Nothing else shares the batch, and nobody waits for a place in it. Kept: measured again only for other policies or prompts.
 *
 * @throws KeptError when the file holds a measurement of something else
 */
export async function answerLatencies(run: Run, policies: readonly Policy[], spec: LatencySpec): Promise<AnswerLatency[]> {
  const { path, rows, thoughtTokens, answerTokens, rounds = 3, signal } = spec;
  const identity: Identity = {
    recipe: "latencies",
    version: 1,
    policies: await measuredPolicies(run, policies),
    prompts: digestOf(rows.map((row) => [row.id, row.prompt, ...aroundPrompt(row)])),
    ...{ thoughtTokens, answerTokens, rounds },
    precision: run.device.precision,
  };
  const kept = await keep(run, path, identity, async () => {
    const options = { thoughtTokens, batchSize: rows.length, rng: run.rng("latency"), signal };
    const measured = await timedInTurns(policies, rounds, async (policy) => {
      const answers = await responses(policy, { rows, answerTokens }, options);
      return answers.reduce((sum, { tokens }) => sum + tokens, 0);
    });
    return {
      latencies: policies.map(({ name }, i) => {
        const seconds = measured[i]!.map((of) => of.seconds);
        const tokens = measured[i]!.at(-1)!.tokens / rows.length;
        return { policy: name, device: run.device.name, rounds: seconds, seconds: median(seconds), tokens };
      }),
    };
  });
  return kept.latencies;
}
