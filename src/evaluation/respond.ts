import { z } from "zod";
import type { Rng } from "../backend/random.js";
import { DataError } from "../data/errors.js";
import { appendJsonl, type JsonlAppender } from "../data/jsonl.js";
import { textSha256 } from "../data/manifest.js";
import type { PromptRow } from "../data/types.js";
import { answerStop } from "../exante/answer-stop.js";
import { sample } from "../generation/sample.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import { type Attack, plain } from "./attacks.js";

const responseSchema = z.object({
  id: z.string(),
  /** SHA-256 of the token ids that the model was given, its first 16 digits. */
  input: z.string(),
  /** How the model's turn was made to begin; "" without a prefill. */
  prefill: z.string(),
  /** What the model wrote after that: untrimmed, without special tokens. */
  completion: z.string(),
  /** Tokens written, the end token included. */
  tokens: z.number(),
  /** Of these, the tokens up to and including `<answer>`; 0 where there is none. */
  thoughtTokens: z.number(),
  /** From the start of the row's batch to the row's end: what a reader waits who sends a whole batch. */
  seconds: z.number(),
});

/** What a model answered to one prompt. */
export type Response = z.infer<typeof responseSchema>;

export interface RespondOptions {
  /** Default: the prompts as they are. */
  attack?: Attack;
  /** Tokens of an answer after which it is cut. */
  answerTokens: number;
  /** Tokens of a thought after which it is given up. */
  thoughtTokens: number;
  batchSize: number;
  /**
   * JSON Lines that every response is added to. A later call takes from it the rows that are there for the same id and input, and goes on
   * with the others: keep a file for each adapter and each setting, or say in `from` what they were.
   */
  file?: string;
  /** What responses depend on beside their input, such as the adapter's hash: rows of `file` that were made from something else are not used. */
  from?: string;
  rng: Rng;
  signal?: AbortSignal;
  /** Seconds since any fixed moment. */
  clock?: () => number;
}

/**
 * Greedy answers of a model to the rows of a suite: first those that `file` has, then new ones as they end. A completion ends with the
 * model's end token, at `</answer>`, `answerTokens` after `<answer>`, or after `thoughtTokens` of a thought; where no thought is begun the
 * whole completion is an answer.
 *
 * @throws DataError when two rows have the same id, or `file` holds something else than responses
 */
export async function* respond(
  model: LanguageModel,
  lora: Lora | null,
  rows: readonly PromptRow[],
  options: RespondOptions,
): AsyncGenerator<Response> {
  const { tokenizer } = model;
  const { attack = plain, answerTokens, thoughtTokens, batchSize, from, rng, signal, clock = () => performance.now() / 1000 } = options;
  const ids = new Set<string>();
  for (const { id } of rows) {
    if (ids.has(id)) throw new DataError(`two prompts have the id "${id}": responses are told apart by id`);
    ids.add(id);
  }
  const asked = rows.map((row, index) => {
    const { messages, prefill = "" } = attack(row, index);
    const ids = tokenizer.encode(tokenizer.chat(messages, { addGenerationPrompt: true }) + prefill);
    return { id: row.id, ids, prefill, input: textSha256([...(from === undefined ? [] : [from]), ...ids].join(" ")).slice(0, 16) };
  });

  const store = options.file === undefined ? null : appendJsonl(options.file);
  try {
    const known = store ? stored(store, options.file!) : new Map<string, Response>();
    const missing: typeof asked = [];
    for (const question of asked) {
      const response = known.get(question.id);
      if (response?.input === question.input) yield response;
      else missing.push(question);
    }

    const ends = answerStop(tokenizer, { answerTokens, thoughtTokens });
    const completions = sample(
      model,
      lora,
      missing.map(({ ids }) => ids),
      { maxNewTokens: answerTokens + thoughtTokens, temperature: 0, batchSize, rng, stop: ends.stop, signal },
    );
    let started = clock();
    let done = 0;
    for await (const { index, ids } of completions) {
      const { id, prefill, input } = missing[index]!;
      const thought = ends.thoughtTokens(index);
      const response = {
        id,
        input,
        prefill,
        completion: tokenizer.decode(ids),
        tokens: ids.length,
        thoughtTokens: thought,
        seconds: clock() - started,
      };
      store?.append(response);
      yield response;
      if (++done % batchSize === 0) started = clock(); // `sample` runs one batch after the other
    }
  } finally {
    store?.close();
  }
}

/** All responses of `respond`, in the order of the rows. */
export async function responses(
  model: LanguageModel,
  lora: Lora | null,
  rows: readonly PromptRow[],
  options: RespondOptions,
): Promise<Response[]> {
  const byId = new Map<string, Response>();
  for await (const response of respond(model, lora, rows, options)) byId.set(response.id, response);
  return rows.map(({ id }) => byId.get(id)!);
}

function stored(store: JsonlAppender, path: string): Map<string, Response> {
  return new Map(
    store.rows.map((row, i) => {
      const { data, error } = responseSchema.safeParse(row);
      if (!data)
        throw new DataError(`${path}:${i + 1}: ${error.issues[0]!.path.join(".")}: no completion of an evaluation: name another file`);
      return [data.id, data] as const;
    }),
  );
}
