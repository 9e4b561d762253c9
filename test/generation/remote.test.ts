import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type RemoteOptions, sampleRemote } from "../../src/generation/remote.js";
import { packageRoot } from "../../src/setup/paths.js";

/** A server of OpenAI's protocol whose answers a test decides; it answers "echo: PROMPT" unless told. */
interface Call {
  path: string;
  body: Record<string, unknown>;
  at: number;
}
let answer: (call: Call, count: number, response: ServerResponse, request: IncomingMessage) => void;
let calls: Call[];
let most: number; // requests under way at a time
let underWay = 0;
const server = createServer(async (request, response) => {
  most = Math.max(most, ++underWay);
  response.once("close", () => underWay--);
  let text = "";
  for await (const chunk of request) text += chunk;
  const call = { path: request.url!, body: JSON.parse(text), at: performance.now() };
  calls.push(call);
  answer(call, calls.length, response, request);
});

const asked = ({ body }: Call) => (body.prompt ?? (body.messages as { content: string }[])[0]!.content) as string;
function reply(call: Call, response: ServerResponse, reason = "stop"): void {
  const text = `echo: ${asked(call)}`;
  const choice = call.path.endsWith("/chat/completions") ? { message: { role: "assistant", content: text } } : { text };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ choices: [{ index: 0, finish_reason: reason, ...choice }], usage: { completion_tokens: text.length } }));
}
function refuse(response: ServerResponse, status: number, message: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", "retry-after-ms": "20", ...headers });
  response.end(JSON.stringify({ error: { message } }));
}

let folder: string;
let url: string;
let options: RemoteOptions;
beforeEach(async () => {
  calls = [];
  most = 0;
  answer = (call, _, response) => reply(call, response);
  if (!server.listening) await once(server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  folder = mkdtempSync(join(tmpdir(), "erpo-remote-"));
  options = { maxNewTokens: 8, temperature: 0.7, seed: 5, cache: join(folder, "cache.jsonl") };
  return () => rmSync(folder, { recursive: true, force: true });
});
afterEach(() => server.closeAllConnections());

const many = (n: number) => Array.from({ length: n }, (_, i) => `p${i}`);
const endpoint = () => ({ url, model: "m" });
async function all(...args: Parameters<typeof sampleRemote>) {
  const texts: string[] = [];
  for await (const { index, text } of sampleRemote(...args)) expect(texts.push(text)).toBe(index + 1);
  return texts;
}

test("strings are completed, messages answered; parameters are OpenAI's; the server's counts come back", async () => {
  answer = (call, _, response) => reply(call, response, asked(call) === "b" ? "length" : "stop");
  const rows = [];
  for await (const row of sampleRemote(endpoint(), ["a", [{ role: "user", content: "b" }]], options)) rows.push(row);
  expect(rows).toEqual([
    { index: 0, text: "echo: a", tokens: 7, finished: true },
    { index: 1, text: "echo: b", tokens: 7, finished: false },
  ]);
  const parameters = { model: "m", max_tokens: 8, temperature: 0.7 };
  const bodies = calls.sort((a, b) => Number(a.body.seed) - Number(b.body.seed)).map(({ path, body }) => ({ path, ...body }));
  expect(bodies).toEqual([
    { path: "/v1/completions", prompt: "a", ...parameters, seed: 5 },
    { path: "/v1/chat/completions", messages: [{ role: "user", content: "b" }], ...parameters, seed: 6 },
  ]);
});

test("answers out of order come in the prompts' order; not more requests at a time than asked for", async () => {
  answer = (call, count, response) => void setTimeout(() => reply(call, response), count % 3 === 0 ? 60 : 5);
  expect(await all({ ...endpoint(), concurrency: 3 }, many(12), options)).toEqual(many(12).map((p) => `echo: ${p}`));
  expect(most).toBe(3);
});

test("what is busy, broken or hung up on is asked again", async () => {
  answer = (call, count, response) => {
    if (count === 1) refuse(response, 429, "slow down");
    else if (count === 2) refuse(response, 503, "loading the model");
    else if (count === 3) response.destroy();
    else reply(call, response);
  };
  expect(await all(endpoint(), ["a"], options)).toEqual(["echo: a"]);
  expect(calls.length).toBe(4);
});

test("a limit of requests a minute holds, for repeated ones too", async () => {
  answer = (call, count, response) => (count === 2 ? refuse(response, 500, "once") : reply(call, response));
  await all({ ...endpoint(), requestsPerMinute: 240 }, many(4), options);
  const gaps = calls.slice(1).map(({ at }, i) => at - calls[i]!.at);
  expect(calls.length).toBe(5);
  expect(Math.min(...gaps)).toBeGreaterThan(175); // 250 ms apart, less what travel takes on a busy machine
});

test.each([
  ["a model that is not there", 404, "no model m", /^http.*: prompt 1: 404 no model m$/],
  ["a wrong key", 401, "bad key", /prompt 1: 401 bad key$/],
])("%s is told at once", async (_, status, message, expected) => {
  answer = (__, ___, response) => refuse(response, status, message);
  await expect(all(endpoint(), ["a"], options)).rejects.toThrow(expected);
  expect(calls.length).toBe(1);
});

test("an answer of another shape, and a server that is not there", async () => {
  answer = (_, __, response) => response.setHeader("content-type", "application/json").end('{"detail": "hello"}');
  await expect(all(endpoint(), ["a"], options)).rejects.toThrow("prompt 1: the answer holds no completion");
  await expect(all({ url: "http://127.0.0.1:9/v1", model: "m", retries: 0 }, ["a"], options)).rejects.toThrow(
    /127\.0\.0\.1:9\/v1: prompt 1: Connection error\..*/,
  );
});

test("what was received before an error, a stop or a torn write is not asked for again; other parameters are other requests", async () => {
  answer = (call, _, response) => (asked(call) === "p3" ? refuse(response, 400, "no") : reply(call, response));
  await expect(all({ ...endpoint(), concurrency: 1 }, many(6), options)).rejects.toThrow("prompt 4");
  writeFileSync(options.cache, `${readFileSync(options.cache, "utf8")}{"key": "to`); // torn
  calls = [];
  answer = (call, _, response) => reply(call, response);
  const stop = new AbortController();
  const begun = sampleRemote({ ...endpoint(), concurrency: 1 }, many(6), { ...options, signal: stop.signal });
  for (let i = 0; i < 4; i++) await begun.next();
  stop.abort(new Error("stopped"));
  await expect(begun.next().then(() => begun.next())).rejects.toThrow();
  expect(await all(endpoint(), many(6), options)).toEqual(many(6).map((p) => `echo: ${p}`));
  expect(calls.map(asked).sort()).toEqual(["p3", "p4", "p5"]);
  calls = [];
  await all(endpoint(), many(6), { ...options, temperature: 0 });
  expect(calls.length).toBe(6);
});

test("`erpo generate --endpoint` goes on where it was and passes other fields through", async () => {
  const [prompts, output] = [join(folder, "prompts.jsonl"), join(folder, "out.jsonl")];
  writeFileSync(prompts, '{"prompt": "a", "id": 1}\n{"prompt": [{"role": "user", "content": "b"}], "id": 2}\n');
  const erpo = () =>
    promisify(execFile)(process.execPath, [
      join(packageRoot(), "src/setup/bootstrap.mjs"),
      ...["generate", "--endpoint", url, "--model", "m", "--prompts", prompts, "--output", output],
    ]);
  answer = (call, _, response) => (asked(call) === "b" ? refuse(response, 403, "not you") : reply(call, response));
  await expect(erpo()).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining(`erpo: ${url}: prompt 2: 403 not you\n`) });
  answer = (call, _, response) => reply(call, response);
  calls = [];
  await erpo();
  expect(calls.map(asked)).toEqual(["b"]);
  const rows = readFileSync(output, "utf8").trim().split("\n");
  const policy = { name: "m", endpoint: new URL(url).host };
  expect(rows.map((line) => JSON.parse(line)).map(({ prompt, ...row }) => row)).toEqual([
    { id: 1, completion: "echo: a", tokens: 7, policy },
    { id: 2, completion: "echo: b", tokens: 7, policy },
  ]);
});
