import { z } from "zod";
import type { Rng } from "../backend/random.js";
import { DataError } from "../data/errors.js";
import { appendJsonl, type JsonlAppender } from "../data/jsonl.js";
import { textSha256 } from "../data/manifest.js";
import type { PromptRow } from "../data/types.js";
import { answerStop, leavesThoughtOpen } from "../exante/answer-stop.js";
import { askedIds, type Question } from "../generation/asking.js";
import { waysOf } from "../generation/contexts.js";
import { literally, type Policy } from "../generation/policy.js";
import { sample } from "../generation/sample.js";
import { type Attack, attacked, noAttack } from "./attacks.js";

/** What a model answered to one prompt. */
export interface Response {
  id: string;
  /** SHA-256 of the token ids that the model was given in all of the policy's contexts, its first 16 digits. */
  input: string;
  /** How the model's turn was made to begin; "" without a prefill. */
  prefill: string;
  /** What the model wrote after that: untrimmed, without special tokens. */
  completion: string;
  /** Tokens written, the end token included. */
  tokens: number;
  /** Of these, the tokens up to and including `<answer>`; 0 where there is none. */
  thoughtTokens: number;
  /** From when the row was taken into a batch to its end: what a reader waits whose question is answered beside others. */
  seconds: number;
}

const responseSchema: z.ZodType<Response> = z.object({
  id: z.string(),
  input: z.string(),
  prefill: z.string(),
  completion: z.string(),
  tokens: z.number(),
  thoughtTokens: z.number(),
  seconds: z.number(),
});

/** A suite in the form in which it is put to a model. */
export interface QuestionSet {
  /** Whose rows draw other numbers than rows of the same ids in sets of other names; default "". */
  name?: string;
  rows: readonly PromptRow[];
  /** Default: none. */
  attack?: Attack;
  /** Tokens of an answer after which it is cut. */
  answerTokens: number;
  /**
   * JSON Lines that every response is added to. A later call takes from it the rows that are there for the same id and input, and goes on
   * with the others: keep a file for each adapter and each setting, or say in `from` what they were.
   */
  file?: string;
  /** What responses depend on beside their input, such as the adapter's hash: rows of `file` that were made from something else are not used. */
  from?: string;
}

export interface RespondOptions {
  /** Tokens of a thought after which it is given up. */
  thoughtTokens: number;
  batchSize: number;
  /** Each row has a stream of its own, by its set's name and its id: what it draws does not depend on what else is asked. */
  rng: Rng;
  signal?: AbortSignal;
}

/**
 * Answers of a policy to the rows of some suites: first those that their files have, then new ones as they end; suites share
 * batches. A completion ends with the model's end token, at `</answer>`, `answerTokens` after `<answer>`, or after `thoughtTokens` of a
 * thought; where no thought is begun the whole completion is an answer. Special strings in a suite are text, unless the policy says otherwise.
 *
 * @returns each response with the number of its set
 * @throws DataError when two rows of a set have the same id, or a file holds something else than responses
 */
export async function* respond(
  asked: Policy,
  sets: readonly QuestionSet[],
  { thoughtTokens, batchSize, rng, signal }: RespondOptions,
): AsyncGenerator<{ set: number; response: Response }> {
  const policy = literally(asked);
  const { tokenizer } = policy.model;
  const stores = sets.map(({ file }) => (file === undefined ? null : appendJsonl(file)));
  try {
    const missing: (Asked & { set: number })[] = [];
    for (const [set, questions] of sets.entries()) {
      const store = stores[set];
      const known = store ? stored(store, questions.file!) : new Map<string, Response>();
      for (const asked of askedOf(questions, policy)) {
        const response = known.get(placeOf(asked));
        if (response) yield { set, response };
        else missing.push({ ...asked, set });
      }
    }
    const endsOf = (thinking: boolean) => sets.map(({ answerTokens }) => answerStop(tokenizer, { answerTokens, thoughtTokens, thinking }));
    const ends = { answer: endsOf(false), thought: endsOf(true) };
    const endOf = ({ set, prefill }: { set: number; prefill: string }) => ends[leavesThoughtOpen(prefill) ? "thought" : "answer"][set]!;
    const completions = sample(
      policy,
      missing.map(({ question }) => question),
      {
        ...{ batchSize, rng, signal },
        stream: (index) => JSON.stringify([sets[missing[index]!.set]!.name ?? "", missing[index]!.id]),
        maxNewTokens: Math.max(0, ...sets.map(({ answerTokens }) => answerTokens)) + thoughtTokens,
        stop: (ids, index) => endOf(missing[index]!).stop(ids),
      },
    );
    for await (const { index, ids, seconds } of completions) {
      const { set, id, input, prefill } = missing[index]!;
      const completion = tokenizer.decode(ids);
      const response = {
        id,
        input,
        prefill,
        completion,
        tokens: ids.length,
        thoughtTokens: endOf(missing[index]!).thoughtTokens(ids),
        seconds,
      };
      stores[set]?.append(response);
      yield { set, response };
    }
  } finally {
    for (const store of stores) store?.close();
  }
}

/** All responses to one suite, in the order of its rows. */
export async function responses(policy: Policy, questions: QuestionSet, options: RespondOptions): Promise<Response[]> {
  const byId = new Map<string, Response>();
  for await (const { response } of respond(policy, [questions], options)) byId.set(response.id, response);
  return questions.rows.map(({ id }) => byId.get(id)!);
}

/** A row as the model is asked it. */
interface Asked {
  id: string;
  question: Question;
  prefill: string;
  input: string;
}

function askedOf({ rows, attack = noAttack, from }: QuestionSet, policy: Policy): Asked[] {
  const { tokenizer } = policy.model;
  const seen = new Set<string>();
  return rows.map((row, index) => {
    if (seen.has(row.id)) throw new DataError(`two prompts have the id "${row.id}": responses are told apart by id`);
    seen.add(row.id);
    const question = attacked(attack, row, index);
    const ids = waysOf(policy).map((way) => askedIds(tokenizer, way, question).join(" "));
    const input = textSha256([...(from === undefined ? [] : [from]), ...ids].join(" ")).slice(0, 16);
    return { id: row.id, question, prefill: question.prefill ?? "", input };
  });
}

/** By what a stored response is found: several forms of one prompt can stand in one file. */
const placeOf = ({ id, input }: { id: string; input: string }): string => `${input} ${id}`;

function stored(store: JsonlAppender, path: string): Map<string, Response> {
  return new Map(
    store.rows.map((row, i) => {
      const { data, error } = responseSchema.safeParse(row);
      if (!data)
        throw new DataError(`${path}:${i + 1}: ${error.issues[0]!.path.join(".")}: no completion of an evaluation: name another file`);
      return [placeOf(data), data] as const;
    }),
  );
}
