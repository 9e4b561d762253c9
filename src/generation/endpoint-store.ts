import { z } from "zod";
import { digestOf } from "../data/identity.js";
import { appendJsonl } from "../data/jsonl.js";

/** What a server says of itself in an answer; null where it does not. */
export interface Server {
  model: string | null;
  system_fingerprint: string | null;
}

/** What came back for a request. */
export interface Answer {
  text: string;
  tokens: number | null;
  finished: boolean;
  server: Server;
}

const row = z.object({
  asked: z.string(),
  server: z.object({ model: z.string().nullable(), system_fingerprint: z.string().nullable() }),
  text: z.string(),
  tokens: z.int().nonnegative().nullable(),
  finished: z.boolean(),
});

/** Answers by what they depend on: `asked`, the digest of the request and its address, and the server that gave them. */
export interface AnswerStore {
  /** Whether there is an answer of any server's. */
  has(asked: string): boolean;
  /** The answer that a server has given. */
  get(asked: string, server: Server): Answer | undefined;
  /** Keeps an answer; it is on disk when the call returns. */
  add(asked: string, answer: Answer): void;
  close(): void;
}

/**
 * Opens JSON Lines of answers, to go on writing them. Rows of another form are left alone.
 * @throws DataError when the file is no JSON Lines; FileError when it cannot be written, now or later
 */
export function openAnswers(path: string): AnswerStore {
  const file = appendJsonl(path);
  const answers = new Map<string, Answer>();
  const asked = new Set<string>();
  const keyOf = (request: string, server: Server) => digestOf({ request, ...server });
  const keep = (request: string, answer: Answer) => {
    asked.add(request);
    answers.set(keyOf(request, answer.server), answer);
  };
  for (const { data } of file.rows.map((value) => row.safeParse(value))) {
    if (data) keep(data.asked, { text: data.text, tokens: data.tokens, finished: data.finished, server: data.server });
  }
  return {
    has: (request) => asked.has(request),
    get: (request, server) => answers.get(keyOf(request, server)),
    add(request, answer) {
      file.append({ asked: request, ...answer });
      keep(request, answer);
    },
    close: () => file.close(),
  };
}
