import { createHash } from "node:crypto";
import { setMaxListeners } from "node:events";
import type OpenAI from "openai";
import { pMapIterable } from "p-map";
import pThrottle from "p-throttle";
import { appendJsonl } from "../data/jsonl.js";
import type { ChatMessage } from "../model/tokenizer.js";

/** A server that speaks OpenAI's protocol, such as vLLM's or llama.cpp's. */
export interface Endpoint {
  /** Up to and including `/v1`. */
  url: string;
  /** The model's name on that server. */
  model: string;
  /** Default: the environment's OPENAI_API_KEY; local servers need none. */
  apiKey?: string;
  /** Requests under way at a time; default 8. */
  concurrency?: number;
  /** Upper bound of requests begun in a minute; none unless given. */
  requestsPerMinute?: number;
  /** Times that a request is sent again after 408, 409, 429, 5xx or a lost connection, later each time or when the server says; default 6. */
  retries?: number;
}

/** How a server is asked. */
export interface RemoteOptions {
  /** Upper bound of new tokens a completion; >= 1. */
  maxNewTokens: number;
  /** 0 takes the likeliest token. */
  temperature: number;
  /** Prompt i is sampled with seed + i, where the server heeds seeds. */
  seed: number;
  /** JSON Lines of what has been received: it is never asked for again, in this call or a later one. */
  cache: string;
  signal?: AbortSignal;
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

/** The server could not be reached, refused, or answered something else than a completion. The message is one line: the address, the prompt, the cause. */
export class EndpointError extends Error {
  override name = "EndpointError";
}

type Received = Omit<RemoteCompletion, "index">;

/**
 * Completions of prompts by another program's model, in the prompts' order. A string is completed as it stands (`/completions`), messages are
 * answered through the server's chat template (`/chat/completions`).
 *
 * @throws EndpointError; what has been received by then is in the cache, so that the next call goes on from there
 */
export async function* sampleRemote(
  endpoint: Endpoint,
  prompts: readonly (string | ChatMessage[])[],
  options: RemoteOptions,
): AsyncGenerator<RemoteCompletion> {
  const { url, apiKey = process.env.OPENAI_API_KEY ?? "none", concurrency = 8, requestsPerMinute, retries = 6 } = endpoint;
  const leaving = new AbortController();
  const signal = AbortSignal.any([leaving.signal, ...(options.signal ? [options.signal] : [])]);
  setMaxListeners(0, signal); // one a request
  const limit = requestsPerMinute && pThrottle({ limit: 1, interval: 60_000 / requestsPerMinute, signal });
  const { OpenAI: Client } = await import("openai");
  const client = new Client({ baseURL: url, apiKey, maxRetries: retries, ...(limit && { fetch: limit(fetch) }) });
  const received = openCache(options.cache);
  try {
    yield* pMapIterable(
      prompts.entries(),
      async ([index, prompt]) => {
        const { maxNewTokens, temperature, seed } = options;
        const request: Request = { model: endpoint.model, prompt, max_tokens: maxNewTokens, temperature, seed: seed + index };
        const known = received.get(request);
        if (known) return { index, ...known };
        try {
          const completion = await complete(client, request, signal);
          received.add(request, completion);
          return { index, ...completion };
        } catch (error) {
          options.signal?.throwIfAborted();
          throw new EndpointError(`${url}: prompt ${index + 1}: ${cause(error)}`);
        }
      },
      { concurrency },
    );
  } finally {
    leaving.abort(); // what is still under way
    received.close();
  }
}

/** What a completion depends on. */
interface Request {
  model: string;
  prompt: string | ChatMessage[];
  max_tokens: number;
  temperature: number;
  seed: number;
}

async function complete(client: OpenAI, { prompt, ...parameters }: Request, signal: AbortSignal): Promise<Received> {
  if (typeof prompt === "string") {
    const { choices, usage } = await client.completions.create({ prompt, ...parameters }, { signal });
    return asReceived(choices?.[0]?.text, choices?.[0]?.finish_reason, usage);
  }
  const { choices, usage } = await client.chat.completions.create({ messages: prompt, ...parameters }, { signal });
  return asReceived(choices?.[0]?.message?.content, choices?.[0]?.finish_reason, usage);
}

function asReceived(text: unknown, reason: string | undefined, usage: OpenAI.CompletionUsage | undefined): Received {
  if (typeof text !== "string") throw new Error("the answer holds no completion");
  return { text, tokens: usage?.completion_tokens ?? null, finished: reason !== "length" };
}

/** Completions by what was asked for. */
function openCache(path: string) {
  const file = appendJsonl(path);
  const keyOf = (request: Request) => createHash("sha256").update(JSON.stringify(request)).digest("hex");
  const known = new Map(file.rows.map(({ key, text, tokens, finished }) => [key, { text, tokens, finished } as Received]));
  return {
    get: (request: Request) => known.get(keyOf(request)),
    add: (request: Request, completion: Received) => file.append({ key: keyOf(request), ...completion }),
    close: () => file.close(),
  };
}

/** One line: what the server said, or why there was no answer. */
function cause(error: unknown): string {
  const { message, cause: deeper } = error as Error;
  const reason = deeper instanceof Error && deeper.message !== message ? ` (${deeper.message})` : "";
  return `${message}${reason}`.split("\n")[0]!;
}
