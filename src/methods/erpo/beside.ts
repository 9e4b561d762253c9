import { byMass } from "../../evaluation/by-mass.js";
import { decisionScore, devAnswers } from "../../runs/dev.js";
import { evaluate, keptPerplexity } from "../../runs/evaluate.js";
import type { Run } from "../../runs/run.js";
import { suiteTrials } from "../../runs/trials.js";
import { finalTrials } from "./final-evaluation.js";
import { answersOnly, stage1, stage1Prompts, traceRows } from "./stage1.js";
import { stage2 } from "./stage2.js";
import { stage3 } from "./stage3.js";
import { stages } from "./stages.js";

/**
 * What of the main job can be computed beside its stages, by a second process: the base model's answers, the baseline, and most of what is asked of each policy once it is there. What the first
 * process computes is waited for, and it waits for what is computed here. In an order in which neither waits long.
 */
export async function besideStages(run: Run): Promise<void> {
  await traceRows(run, stage1Prompts(run)); // the base model's answers, while stage 1 learns decisions
  await through(answersOnly(run));
  await answered(run, "base");
  await keptPerplexity(run, await run.policy("base"));
  await answered(run, stages.baseline);
  await through(stage1(run));
  await devAnswers(run, stages.sft);
  await answered(run, stages.sft);
  await readOut(run, stages.sft);
  await readOut(run, stages.baseline);
  await through(stage2(run));
  await answered(run, stages.dpo);
  await keptPerplexity(run, await run.policy(stages.dpo));
  await through(stage3(run));
  await readOut(run, stages.final); // its answers are the first process's
}

/** The final evaluation's answers. */
const answered = async (run: Run, policy: string): Promise<void> => through(evaluate(run, await run.policy(policy), finalTrials(policy)));

/** What else it reads: decisions by their mass and off the first word, and held-out answers. */
async function readOut(run: Run, stage: string): Promise<void> {
  const policy = await run.policy(stage);
  await through(evaluate(run, byMass(policy), suiteTrials));
  for (const set of ["dev", "test", "unseen"] as const)
    await decisionScore(run, stage, set, stage === stages.baseline ? "answer" : "thought");
  await keptPerplexity(run, policy);
}

async function through(steps: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of steps);
}
