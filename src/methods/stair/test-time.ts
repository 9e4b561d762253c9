import { take } from "../../evaluation/suites.js";
import type { Trial } from "../../evaluation/trial.js";
import { judgeAnswer } from "../../exante/judge.js";
import { answerOf } from "../../exante/trace.js";
import { beam } from "../../generation/beam.js";
import { plain, searching } from "../../generation/decoding.js";
import type { Policy } from "../../generation/policy.js";
import { bestOf, type Score } from "../../generation/search.js";
import type { Run } from "../../runs/run.js";
import { builtInTrial, suiteTrials } from "../../runs/trials.js";
import { firstWords } from "../first-words.js";
import { searchedPrompts, searchSettings, temperature, testTime } from "./settings.js";
import { headIdentity, headScore, type ValueHead } from "./value-head.js";
import { isWholeStep } from "./world.js";

/** How many of a prompt's candidates do as each does: refuse, comply, or neither. */
export const votes: Score = (candidates) => {
  const stands = candidates.map(({ text }) => judgeAnswer(answerOf(text)));
  return stands.map((stand) => stands.filter((other) => other === stand).length);
};

/** A policy in the ways to answer that are compared at test time. */
export interface TestTimePolicies {
  /** One greedy completion. */
  greedy: Policy;
  /** Plain decoding at the searches' tokens: of N completions one that does what most of them do (self-consistency, Wang et al. 2023). */
  vote: Policy;
  /** Of N completions, the same ones, the one that the head scores highest. */
  best: Policy;
  /** Steps that the head scores highest: as many candidates at each step, so at most as many tokens. */
  beam: Policy;
}

/**
 * The ways to answer of a trained policy.
 * @param policy its name begins theirs
 * @param structured whose states the head reads
 */
export async function testTimePolicies(policy: Policy, structured: Policy, head: Pick<ValueHead, "linear">): Promise<TestTimePolicies> {
  const { n, width, branches } = testTime;
  const score = headScore(structured, head);
  const settings = await headIdentity(structured, head);
  const named = (suffix: string, decoding: Policy["decoding"]): Policy => ({ ...policy, name: `${policy.name}-${suffix}`, decoding });
  return {
    greedy: { ...policy, decoding: plain() },
    vote: named("vote", searching(bestOf({ n, temperature, score: votes }))),
    best: named("best-of-n", searching(bestOf({ n, temperature, score, settings }))),
    beam: named(
      "beam",
      searching(beam({ width, branches, temperature, stepEnd: isWholeStep, maxSteps: searchSettings.maxDepth, score, settings })),
    ),
  };
}

/** The four suites, answers cut after `firstWords`. */
export const stairTrials = (run: Run): Promise<Trial[]> => firstWordTrials(run, "stair", run.profile.evaluation.prompts);

/** A part of each suite, for what samples several completions. */
export const searchTrials = (run: Run): Promise<Trial[]> => firstWordTrials(run, "stair-search", searchedPrompts(run.profile));

async function firstWordTrials(run: Run, name: string, prompts: number): Promise<Trial[]> {
  const suites = await Promise.all(suiteTrials.map((suite) => builtInTrial(run, suite)));
  return suites.map((suite) => ({
    ...{ ...suite, name: `${suite.name}-${name}`, suite: suite.name },
    rows: take(suite.rows, prompts),
    answerTokens: firstWords(run.profile),
  }));
}
