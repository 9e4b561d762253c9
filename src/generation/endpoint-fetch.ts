import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { setTimeout as sleep } from "node:timers/promises";
import { printable } from "../data/printable.js";
import { measureJson } from "../model/json.js";

/** What a server did that it may not do: such a request is not sent again. */
class Refusal extends Error {
  override name = "Refusal";
}

/** How one request, with its repetitions, is kept within bounds. */
export interface Bounds {
  /** Seconds from when a request is sent until its answer is whole. */
  deadline: number;
  /** Upper bound of the seconds that a server's Retry-After is heeded for. */
  longestWait: number;
  /** Times that the request is sent again. */
  retries: number;
  /** Waits for the turn of the next request, repeated ones too. */
  turn: () => Promise<void>;
  /** Takes a line about what is waited for. */
  log: (line: string) => void;
  /** Ends the request for good. */
  refuse: (cause: Refusal) => void;
}

/** Bytes of an answer, decompressed. A completion of 100,000 tokens takes less than 1 MiB. */
const LARGEST = 16 * 2 ** 20;
const REDIRECTS = 5;
const CONNECT_SECONDS = 10; // undici's

/**
 * `fetch` for a server that nobody vouches for. The answer is there as a whole or not at all, at most 16 MiB of it, also behind gzip or brotli, and JSON that is nested
 * deeply or has millions of values is refused before it is parsed, which takes a hundred times its size. What cannot get better is not asked for again: what is not HTTP, or a second answer behind
 * its deadline. Redirects are followed within the server's origin only; a connection is there within 10 s, the answer within the deadline. The wait that a server asks for is done here, so that a signal ends it.
 */
export function boundedFetch({ deadline, longestWait, retries, turn, log, refuse }: Bounds): typeof fetch {
  let [sent, missed] = [0, 0];
  return async (input, init = {}) => {
    await turn();
    sent++;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error(`no whole answer within ${deadline} s`)), deadline * 1000);
    try {
      const signal = AbortSignal.any([late.signal, ...(init.signal ? [init.signal] : [])]);
      const response = await follow(new URL(String(input)), { ...init, signal });
      const body = await whole(response);
      clearTimeout(timer);
      const headers = new Headers(response.headers);
      const seconds = waitAskedFor(headers);
      headers.delete("retry-after");
      headers.delete("retry-after-ms");
      if (seconds !== undefined && isBusy(response.status) && sent <= retries) {
        if (seconds > longestWait) log(`asks for a wait of ${Math.ceil(seconds)} s: it is asked again in ${longestWait} s`);
        await sleep(1000 * Math.min(Math.max(seconds, 0), longestWait), undefined, { signal: init.signal ?? undefined });
        headers.set("retry-after-ms", "0");
      }
      const { status, statusText } = response;
      if (status < 200 || status > 599) throw new Refusal(`it answers with the status ${status}, which HTTP does not have`);
      return new Response([204, 205, 304].includes(status) ? null : body, { status, statusText, headers });
    } catch (error) {
      if (late.signal.aborted) missed++;
      const told = connectionError(error) as Error;
      if (error instanceof Refusal) refuse(error);
      else if (missed > 1) refuse(new Refusal(`${told.message}, when asked again neither`));
      else if (isHopeless(error as Error & { cause?: NodeJS.ErrnoException })) refuse(new Refusal(told.message));
      throw told;
    } finally {
      clearTimeout(timer);
    }
  };
}

/** The statuses after which the client of OpenAI's asks again. */
const isBusy = (status: number) => [408, 409, 429].includes(status) || status >= 500;

/** Whether what was answered is no HTTP, or too much of it; a connection that is lost within an answer may be whole the next time. */
function isHopeless({ cause }: { cause?: NodeJS.ErrnoException }): boolean {
  const { code = "", message = "" } = cause ?? {};
  return /^HPE_(?!INVALID_EOF)|^UND_ERR_HEADERS_OVERFLOW$/.test(code) || /^bad (?:upgrade|response)$/.test(message);
}

/** The answer at the end of redirects that stay with the server. The method and the body stay as they are, but for 303, which leads to something to get. */
async function follow(url: URL, init: RequestInit): Promise<Response> {
  let [place, request] = [url, init];
  for (let i = 0; i <= REDIRECTS; i++) {
    const response = await fetch(place, { ...request, redirect: "manual" });
    const location = [301, 302, 303, 307, 308].includes(response.status) ? response.headers.get("location") : null;
    if (location === null || !URL.canParse(location, place)) return response;
    await response.body?.cancel();
    const target = new URL(location, place);
    const origin = `${target.protocol}//${target.host}`;
    if (origin !== url.origin) throw new Refusal(`redirects from ${url.origin} to ${printable(origin)}: give that address if it is meant`);
    target.username = target.password = "";
    place = target;
    if (response.status === 303) request = { ...init, method: "GET", body: undefined };
  }
  throw new Refusal(`redirects more than ${REDIRECTS} times`);
}

/** A response's body, decompressed, as UTF-8. @throws Refusal as soon as it is too large, or where it is JSON that would be */
async function whole(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body === null ? [] : Readable.fromWeb(response.body as ReadableStream<Uint8Array>)) {
    size += part.length;
    if (size > LARGEST) {
      const coding = response.headers.get("content-encoding");
      throw new Refusal(`the answer is larger than ${LARGEST / 2 ** 20} MiB${coding ? ` when it is decompressed (${coding})` : ""}`);
    }
    parts.push(part);
  }
  const bytes = Buffer.concat(parts);
  const text = bytes.toString("utf8");
  if (/^\s*[[{]/.test(text)) measured(bytes);
  return text;
}

/** @throws Refusal for JSON that would take far more memory than its bytes */
function measured(bytes: Uint8Array): void {
  try {
    measureJson(bytes);
  } catch (error) {
    throw new Refusal(`the answer is ${(error as Error).message}`);
  }
}

/** Seconds, as `retry-after-ms` or `Retry-After` say, the latter in seconds or as a date; undefined where neither does. */
function waitAskedFor(headers: Headers): number | undefined {
  const milliseconds = Number.parseFloat(headers.get("retry-after-ms") ?? "");
  const text = headers.get("retry-after") ?? "";
  const given = Number.parseFloat(text);
  const seconds = [milliseconds / 1000, given, (Date.parse(text) - Date.now()) / 1000];
  return seconds.find((value) => !Number.isNaN(value));
}

/** `fetch failed` says nothing: the error below it does. */
function connectionError(error: unknown): unknown {
  const { cause } = error as Error;
  if (!(cause instanceof Error)) return error;
  if ((cause as NodeJS.ErrnoException).code === "UND_ERR_CONNECT_TIMEOUT") return new Error(`no connection within ${CONNECT_SECONDS} s`);
  const message = cause instanceof AggregateError ? cause.errors.map((one: Error) => one.message).join(", ") : cause.message;
  return new Error(message || (error as Error).message);
}
