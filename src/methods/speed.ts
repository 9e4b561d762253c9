import { digestOf, type Identity, type IdentityValue } from "../data/identity.js";
import { median } from "../evaluation/averages.js";
import type { Question } from "../generation/asking.js";
import { type Policy, policyIdentity } from "../generation/policy.js";
import { sample } from "../generation/sample.js";
import { drawnWith } from "../runs/evaluate.js";
import { keep } from "../runs/keep.js";
import type { Run } from "../runs/run.js";

/** How fast a policy writes. */
export interface PolicySpeed {
  policy: string;
  /** Where it was measured. */
  device: string;
  /** Tokens per second of each round, over the whole batch. */
  rounds: number[];
  /** Their median. */
  tokensPerSecond: number;
}

/** A measurement of speeds. */
export interface SpeedSpec {
  /** JSON file in the run's folder. */
  path: string;
  questions: readonly Question[];
  /** Tokens of each answer at most. */
  newTokens: number;
  /** Default: 5. */
  rounds?: number;
  signal?: AbortSignal;
}

/**
 * Speeds of policies side by side: in each round every policy answers the same questions in one batch, one policy after the other, so that other work of the machine meets
 * all of them. Prompts are part of the time, their tokens do not count. Kept: measured again only for other policies or questions.
 *
 * @throws KeptError when the file holds a measurement of something else
 */
export async function policySpeeds(
  run: Run,
  policies: readonly Policy[],
  { path, questions, newTokens, rounds = 5, signal }: SpeedSpec,
): Promise<PolicySpeed[]> {
  const identity: Identity = {
    recipe: "speeds",
    version: 1,
    policies: await measuredPolicies(run, policies),
    questions: digestOf(questions as unknown as IdentityValue),
    newTokens,
    rounds,
    precision: run.device.precision,
  };
  const kept = await keep(run, path, identity, async () => {
    const measured = await timedInTurns(policies, rounds, async (policy) => {
      let tokens = 0;
      const options = { maxNewTokens: newTokens, batchSize: questions.length, rng: run.rng("speed"), signal };
      for await (const { ids } of sample(policy, questions, options)) tokens += ids.length;
      return tokens;
    });
    const device = run.device.name;
    const speeds = measured.map((of) => of.map(({ tokens, seconds }) => tokens / seconds));
    return {
      speeds: policies.map(({ name }, i) => ({ policy: name, device, rounds: speeds[i]!, tokensPerSecond: median(speeds[i]!) })),
    };
  });
  return kept.speeds;
}

/** What a measurement depends on of the policies that are measured. */
export const measuredPolicies = (run: Run, policies: readonly Policy[]): Promise<Identity[]> =>
  Promise.all(policies.map(async (policy) => ({ name: policy.name, ...(await policyIdentity(policy)), ...drawnWith(run, policy) })));

/** In each round every policy writes, one after the other. @param write gives the number of tokens; @returns by policy, a measurement of each round */
export async function timedInTurns(
  policies: readonly Policy[],
  rounds: number,
  write: (policy: Policy) => Promise<number>,
): Promise<{ tokens: number; seconds: number }[][]> {
  const measured: { tokens: number; seconds: number }[][] = policies.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, policy] of policies.entries()) {
      const began = performance.now();
      const tokens = await write(policy);
      measured[i]!.push({ tokens, seconds: (performance.now() - began) / 1000 });
    }
  }
  return measured;
}
