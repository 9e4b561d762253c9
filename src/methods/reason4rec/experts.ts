import type { TokenRow } from "../../data/tokens.js";
import { promptTokens, type Question } from "../../generation/asking.js";
import type { Policy } from "../../generation/policy.js";
import type { Run } from "../../runs/run.js";
import { type Training, trainKept } from "../../runs/training.js";
import type { StepMetrics } from "../../training/metrics.js";
import { sftTraining } from "../erpo/stage1.js";
import { ratingTokens } from "./expected.js";

/** An expert: an adapter of its own on the base model. The reward model judges rationales, and the plain predictor is what reasoning is compared with. */
export type Role = "summarizer" | "reward" | "reasoner" | "predictor" | "predictor-plain";

const rate = "Predict the viewer's rating of the film, from 1 to 5.";

/** What the system turn asks of each expert. */
const systems: Record<Role, string> = {
  summarizer: "Sum up what the viewer likes and dislikes in films.",
  reward: rate,
  reasoner: "Explain in one sentence how the viewer would take the film, and why.",
  predictor: rate,
  "predictor-plain": rate,
};

/** All experts, in the order in which they are trained. */
export const roles = Object.keys(systems) as readonly Role[];

/** Folder of an expert's adapter in a run. */
export const stageOf = (role: Role): string => `methods/reason4rec/${role}`;

/** Raised when the same lessons would give another expert; until 3 the epochs of an expert were shuffled together. */
const version = 4;

/** Rows of an optimizer step. The paper's are 16 and 32, of hundreds of times as many rows; few rows teach more in more steps. */
const batchSize = 4;

/** A trained expert. @throws KeptError where it is not trained */
export async function expert(run: Run, role: Role): Promise<Policy> {
  return asRole({ ...(await run.policy(stageOf(role))), name: role }, role);
}

/** A policy that is asked as an expert is; titles and summaries are text, whatever stands in them. */
export const asRole = (policy: Policy, role: Role): Policy => ({ ...policy, asking: { system: systems[role], literal: true } });

/** What a prompt asks. */
export const question = (prompt: string): Question => ({ messages: [{ role: "user", content: prompt }] });

/**
 * How often experts go through their lessons: those that write texts twice, the reward model three times, since a rationale is only judged where it has learned to read one. The predictors go through theirs once: there are
 * more ratings than a budget allows. The paper's experts take three to five epochs.
 */
export const epochs: Readonly<Record<Role, number>> = { summarizer: 2, reward: 3, reasoner: 2, predictor: 1, "predictor-plain": 1 };

/** A prompt and an answer that an expert learns. */
export interface Lesson {
  prompt: string;
  answer: string;
}

/** Whether what an expert writes is a rating. */
const rates = (role: Role): boolean => role !== "summarizer" && role !== "reasoner";

/**
 * An expert's training: SFT of a fresh adapter in epochs that are each shuffled anew, the next-token loss on the answers' tokens, the end token included. What inference puts before a rating, "Predicted Rating: ", has no loss, which is ours: in a few
 * dozen steps it would be all that is learned.
 */
export function expertTraining(run: Run, role: Role, lessons: readonly Lesson[]): Training<TokenRow> {
  const { tokenizer } = run.model;
  const asking = { system: systems[role], literal: true };
  const given = rates(role) ? ratingTokens(tokenizer).begun.length : 0;
  const rows = lessons.map(({ prompt, answer }) => {
    const completion = [...tokenizer.encode(tokenizer.quote(answer), { quoted: true }), tokenizer.eosId];
    const weights = completion.map((_, t) => (t < given ? 0 : 1));
    return [{ prompt: [...promptTokens(tokenizer, asking, question(prompt))], completion, weights }];
  });
  const { decisionRate, traceRate } = run.profile.stage1;
  const learningRate = rates(role) ? decisionRate : traceRate;
  const start = { stream: "Reason4Rec adapter" };
  return { ...sftTraining(run, `Reason4Rec, ${role}`, start, rows, learningRate, batchSize, epochs[role]), version };
}

/** Trains an expert once and keeps its adapter. @throws KeptError when it was trained otherwise */
export async function* train(
  run: Run,
  role: Role,
  lessons: readonly Lesson[],
  signal?: AbortSignal,
): AsyncGenerator<StepMetrics & { role: Role }> {
  for await (const step of trainKept(run, stageOf(role), expertTraining(run, role, lessons), signal)) yield { ...step, role };
}
