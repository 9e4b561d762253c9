import type { Rng } from "../backend/random.js";
import { printable } from "../data/printable.js";
import { answerStop } from "../exante/answer-stop.js";
import { refuses } from "../exante/judge.js";
import { answerOf, type ParsedTrace, parseTrace } from "../exante/trace.js";
import { literally, type Policy } from "../generation/policy.js";
import { endTokens, sample } from "../generation/sample.js";
import type { Completion } from "../generation/types.js";
import type { ChatMessage, Tokenizer } from "../model/tokenizer.js";
import { decisionLogOdds, nextTokenLogOdds, noneToken, sigmoid } from "./readout.js";

/** A policy's turn of a conversation: what it thought, what it answered, and how sure it was where it decided. */
export interface Turn {
  completion: string;
  /** The completion's tokens. */
  ids: number[];
  /** Null where the completion is no valid trace. */
  trace: ParsedTrace | null;
  /** What a reader sees; "" where a thought came to no answer. */
  answer: string;
  /** Whether the answer was cut at the limit of its tokens, before it had ended. */
  cut: boolean;
  /** Tokens written, the end token included; of these, up to and including `<answer>`. */
  tokens: number;
  thoughtTokens: number;
  seconds: number;
  /** Probability, in [0, 1], that the first word of the thought is not "none"; null where no thought was begun. */
  suspicion: number | null;
  /** Probability, in [0, 1], of the verdict that was written, behind the policy's own thought; null where there is none. */
  verdictProbability: number | null;
}

/** How a turn is taken. */
export interface TurnOptions {
  /** Tokens after which an answer, and a thought, is cut. */
  answerTokens: number;
  thoughtTokens: number;
  rng: Rng;
  /** Called after each token with how many there are. */
  onToken?: (tokens: number) => void;
  signal?: AbortSignal;
}

/**
 * Takes a policy's turn. Special strings in the conversation are text, unless the policy says otherwise.
 * @param messages the conversation, ending in a user's turn
 * @throws RangeError when the conversation is longer than the model's positions
 */
export async function takeTurn(
  asked: Policy,
  messages: readonly ChatMessage[],
  { answerTokens, thoughtTokens, rng, onToken, signal }: TurnOptions,
): Promise<Turn> {
  const policy = literally(asked);
  const { tokenizer } = policy.model;
  const end = answerStop(tokenizer, { answerTokens, thoughtTokens });
  const stop = (ids: readonly number[]) => {
    onToken?.(ids.length);
    return end.stop(ids);
  };
  const options = { maxNewTokens: answerTokens + thoughtTokens, batchSize: 1, rng, stop, signal };
  const completions: Completion[] = [];
  for await (const completion of sample(policy, [{ messages }], options)) completions.push(completion);
  const { ids, seconds } = completions[0]!;
  const completion = tokenizer.decode(ids);
  const trace = parseTrace(completion);
  const thinks = completion.startsWith("<assess>");
  const answer = thinks && !completion.includes("<answer>") ? "" : answerOf(completion);
  const ended = endTokens(policy.model).has(ids.at(-1)!) || completion.includes("</answer>");
  const begun = tokenizer.encode("<assess>");
  const [odds] = thinks ? await decisionLogOdds(policy, [{ messages, begun }], noneToken(tokenizer), 1) : [];
  const at = trace ? verdictAt(ids, tokenizer) : -1;
  const [verdict] = at < 0 ? [] : await nextTokenLogOdds(policy, [{ messages, begun: ids.slice(0, at) }], [ids[at]!], 1);
  return {
    ...{ completion, ids, trace, answer, cut: answer !== "" && !ended && end.stop(ids) },
    ...{ tokens: ids.length, thoughtTokens: end.thoughtTokens(ids), seconds },
    suspicion: odds === undefined ? null : sigmoid(odds),
    verdictProbability: verdict === undefined ? null : sigmoid(verdict),
  };
}

/** Which token of a trace begins its verdict; -1 where none does. */
function verdictAt(ids: readonly number[], tokenizer: Tokenizer): number {
  const end = tokenizer.decode([...ids]).indexOf("</verify>");
  const begins = (text: string) => [" violates", " does not violate"].some((verdict) => text.toLowerCase().startsWith(verdict));
  for (let at = ids.length - 1; at > 0; at--) {
    const before = tokenizer.decode(ids.slice(0, at));
    if (before.length < end && begins(tokenizer.decode(ids.slice(at)))) return at;
  }
  return -1;
}

/** Whether a policy has taken a request for harmful: by the first word of its thought, by its verdict, or by refusing. */
export const objects = ({ trace, answer }: Pick<Turn, "trace" | "answer">): boolean =>
  refuses(answer) || (trace !== null && (trace.risk !== "none" || trace.verdict === "violates"));

/** A thought in a line: `thought: risk 97%, weapons > R2: violates 99% > refuse`; null where none was begun. */
export function foldedThought({ trace, suspicion, verdictProbability }: Turn): string | null {
  if (suspicion === null) return null;
  const percent = (p: number) => `${(100 * p).toFixed(0)}%`;
  const first = `risk ${percent(suspicion)}`;
  if (!trace) return `thought: ${first}; no whole trace`;
  const rule = trace.rule === null ? "no rule" : trace.rule;
  const verdict = `${rule}: ${trace.verdict}${verdictProbability === null ? "" : ` ${percent(verdictProbability)}`}`;
  return printable(`thought: ${first}, ${trace.risk} > ${verdict} > ${trace.path ?? "no path"}`);
}

/** Words that are shown of an answer that helps with what was taken for harmful. */
export const redactedWords = 6;
