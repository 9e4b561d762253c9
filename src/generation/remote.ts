import { setMaxListeners } from "node:events";
import { pMapIterable } from "p-map";
import pThrottle from "p-throttle";
import { digestOf } from "../data/identity.js";
import { printable } from "../data/printable.js";
import type { ChatMessage } from "../model/tokenizer.js";
import { readAnswer } from "./endpoint-answer.js";
import { boundedFetch } from "./endpoint-fetch.js";
import { endpointKey } from "./endpoint-key.js";
import { type Answer, openAnswers, type Server } from "./endpoint-store.js";

/** A server that speaks OpenAI's protocol, such as vLLM's or llama.cpp's. */
export interface Endpoint {
  /** Up to and including `/v1`. */
  url: string;
  /** The model's name on that server. */
  model: string;
  /** Default: the environment's OPENAI_API_KEY; local servers need none. It stands in no message and no file. */
  apiKey?: string;
  /** Whether the key may be sent over plain http to another machine; default false. */
  insecureKey?: boolean;
  /** Requests under way at a time; default 8. */
  concurrency?: number;
  /** Upper bound of requests begun in a minute; none unless given. */
  requestsPerMinute?: number;
  /** Times that a request is sent again after 408, 409, 429, 5xx or a lost connection, later each time or when the server says; default 6. After a deadline it is sent once more. */
  retries?: number;
  /** Seconds from when a request is sent until its answer is whole; > 0, and at most 300, which Node's fetch waits for a beginning; default 300. */
  deadline?: number;
  /** Upper bound of the seconds that the server may make a request wait; > 0, and at most a day; default 60. */
  longestWait?: number;
}

/** How a server is asked. */
export interface RemoteOptions {
  /** Upper bound of new tokens a completion; >= 1. */
  maxNewTokens: number;
  /** 0 takes the likeliest token. */
  temperature: number;
  /** Prompt i is sampled with seed + i, where the server heeds seeds. */
  seed: number;
  /**
   * JSON Lines of what has been received: it is not asked for again, in this call or a later one with the same address and parameters, as long as
   * the server says the same of itself (`model`, `system_fingerprint`). To learn that, a call that finds the file asks for what is missing, else for prompt 1 once more.
   */
  cache: string;
  signal?: AbortSignal;
  /** Takes lines about what is taken from the cache and what is waited for; they are safe to be shown. */
  log?: (line: string) => void;
}

/** A completion that a server has written. */
export interface RemoteCompletion {
  /** Which prompt, counted from 0. */
  index: number;
  text: string;
  /** New tokens, as the server counts them; null where it does not. */
  tokens: number | null;
  /** Whether the model ended it, rather than `maxNewTokens`. */
  finished: boolean;
}

/** The server could not be reached, refused, or answered something else than a completion. The message is one line: the address, the prompt, the cause; safe to be shown. */
class EndpointError extends Error {
  override name = "EndpointError";
  constructor(message: string) {
    super(printable(message));
  }
}

/** What a completion depends on, beside the server. */
interface Request {
  model: string;
  prompt: string | ChatMessage[];
  max_tokens: number;
  temperature: number;
  seed: number;
}

/**
 * Completions of prompts by another program's model, in the prompts' order. A string is completed as it stands (`/completions`), messages are
 * answered through the server's chat template (`/chat/completions`). An answer has at most 16 MiB; redirects to another server are refused.
 *
 * @throws EndpointError; what has been received by then is in the cache, so that the next call goes on from there. RangeError for seconds out of range; DataError or
 * FileError for a cache that is no JSON Lines or cannot be written; the signal's reason once it is aborted
 */
export async function* sampleRemote(
  endpoint: Endpoint,
  prompts: readonly (string | ChatMessage[])[],
  options: RemoteOptions,
): AsyncGenerator<RemoteCompletion> {
  const { url, concurrency = 8 } = endpoint;
  const { maxNewTokens, temperature, seed } = options;
  const leaving = new AbortController();
  const signal = AbortSignal.any([leaving.signal, ...(options.signal ? [options.signal] : [])]);
  setMaxListeners(0, signal); // one a request
  const ask = await asking(endpoint, options, signal);
  const store = openAnswers(options.cache);
  const address = url.endsWith("/") ? url.slice(0, -1) : url;
  const requests = prompts.map((prompt, i) => {
    const request: Request = { model: endpoint.model, prompt, max_tokens: maxNewTokens, temperature, seed: seed + i };
    const messages = typeof prompt === "string" ? prompt : prompt.map((message) => ({ ...message }));
    return { request, asked: digestOf({ url: address, ...request, prompt: messages }) };
  });
  const stored = requests.filter(({ asked }) => store.has(asked));

  /** The server as it is now, so that only its own answers are taken from the store. */
  async function identify(): Promise<Server> {
    const missing = requests.findIndex(({ asked }) => !store.has(asked));
    const index = Math.max(missing, 0);
    const { request, asked } = requests[index]!;
    const answer = await ask(request, index);
    const own = stored.filter(({ asked }) => store.get(asked, answer.server)).length;
    if (!store.get(asked, answer.server)) store.add(asked, answer);
    const others = stored.length - own;
    const again = `; ${others} there are from before the server's model or version changed, and are asked for again`;
    options.log?.(printable(`${own} of ${requests.length} from ${options.cache}${others ? again : ""}`));
    return answer.server;
  }

  try {
    const server = stored.length ? await identify() : undefined;
    yield* pMapIterable(
      requests.entries(),
      async ([index, { request, asked }]) => {
        const known = server && store.get(asked, server);
        const answer = known ?? (await ask(request, index));
        if (!known) store.add(asked, answer);
        const { text, tokens, finished } = answer;
        return { index, text, tokens, finished };
      },
      { concurrency },
    );
  } finally {
    leaving.abort(); // what is still under way
    store.close();
  }
}

/** What asks a server for one completion, within bounds. @throws EndpointError for an address and a key that do not go together */
async function asking(endpoint: Endpoint, options: RemoteOptions, signal: AbortSignal) {
  const {
    url,
    apiKey = process.env.OPENAI_API_KEY,
    insecureKey,
    requestsPerMinute,
    retries = 6,
    deadline = 300,
    longestWait = 60,
  } = endpoint;
  inRange("deadline", deadline, 300);
  inRange("longestWait", longestWait, 86_400);
  const key = checked(() => endpointKey(url, apiKey, insecureKey));
  const { OpenAI: Client } = await import("openai");
  const timeout = 2 ** 31 - 1; // the deadline is ours: it does not count the wait for a turn
  const client = new Client({ baseURL: url, apiKey: key.value, maxRetries: retries, timeout, logLevel: "off" });
  const turn = requestsPerMinute ? pThrottle({ limit: 1, interval: 60_000 / requestsPerMinute, signal })(async () => {}) : async () => {};
  const log = (line: string) => options.log?.(printable(`${url} ${key.hide(line)}`));
  return async ({ prompt, ...parameters }: Request, index: number): Promise<Answer> => {
    const refused = new AbortController();
    try {
      const fetch = boundedFetch({ deadline, longestWait, retries, turn, log, refuse: (cause) => refused.abort(cause) });
      const [path, asked] = typeof prompt === "string" ? ["/completions", { prompt }] : ["/chat/completions", { messages: prompt }];
      const request = { body: { ...asked, ...parameters }, signal: AbortSignal.any([signal, refused.signal]) };
      const response = await client.withOptions({ fetch }).post(path, request).asResponse();
      const answer = readAnswer(path, await response.text(), response.headers.get("content-type"), parameters.max_tokens);
      if (key.standsIn(JSON.stringify(answer))) throw new Error("the answer holds the API key, so it is not kept");
      return answer;
    } catch (error) {
      options.signal?.throwIfAborted();
      throw new EndpointError(`${url}: prompt ${index + 1}: ${oneLine(key.hide(described(refused.signal.reason ?? error)))}`);
    }
  };
}

function inRange(name: string, seconds: number, most: number): void {
  if (!(seconds > 0 && seconds <= most)) throw new RangeError(`${name}: must be > 0 and at most ${most} seconds, got ${seconds}`);
}

function checked<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw new EndpointError((error as Error).message);
  }
}

/** What the server said, or why there was no answer. */
function described(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error && cause.message !== message ? `${message} (${cause.message})` : message;
}

/** The line that a text begins with, of at most 400 characters: servers send whole pages. */
function oneLine(text: string): string {
  const [line = ""] = text.trim().split("\n");
  return line.length > 400 ? `${line.slice(0, 400)}…` : line;
}
