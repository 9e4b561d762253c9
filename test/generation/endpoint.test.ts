import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { endpointKey } from "../../src/generation/endpoint-key.js";
import { type Endpoint, type RemoteOptions, sampleRemote } from "../../src/generation/remote.js";
import { asked, type Call, completion, endpointServer, json } from "./endpoint-server.js";

const server = endpointServer();
const other = endpointServer();
const KEY = "sk-placeholder-0123456789";

let options: RemoteOptions;
let folder: string;
let lines: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "erpo-endpoint-"));
  lines = [];
  options = { maxNewTokens: 8, temperature: 0.7, seed: 5, cache: join(folder, "received"), log: (line) => lines.push(line) };
  return () => rmSync(folder, { recursive: true });
});
afterEach(() => void vi.unstubAllEnvs());

const endpoint = (more: Partial<Endpoint> = {}): Endpoint => ({ url: server.url, model: "m", retries: 0, ...more });
async function all(one: Endpoint, prompts: Parameters<typeof sampleRemote>[1] = ["a"], how = options) {
  const rows = [];
  for await (const row of sampleRemote(one, prompts, how)) rows.push(row);
  return rows;
}
const texts = async (...args: Parameters<typeof all>) => (await all(...args)).map(({ text }) => text);
const failure = (...args: Parameters<typeof all>): Promise<string> =>
  all(...args).then(
    () => "no failure",
    ({ message }: Error) => message,
  );
const stored = () => (existsSync(options.cache) ? readFileSync(options.cache, "utf8") : "");

// 1. What has been received

const saying = (from: string, said: object) => (call: Call, response: Parameters<typeof json>[0]) =>
  json(response, { ...completion(call, `${from}: ${asked(call)}`), ...said });
const prompts = ["p0", "p1", "p2"];
const said = { model: "m-2026", system_fingerprint: "fp_1" };

test("what has been received is taken while the server says the same of itself: one request finds that out", async () => {
  server.answer = saying("A", said);
  await all(endpoint(), prompts);
  server.answer = saying("B", said);
  expect(await texts(endpoint({ url: `${server.url}/` }), prompts)).toEqual(["A: p0", "A: p1", "A: p2"]);
  expect(server.calls.slice(3).map(asked)).toEqual(["p0"]);
  expect(await texts(endpoint(), [...prompts, "p3"])).toEqual(["A: p0", "A: p1", "A: p2", "B: p3"]);
  expect(server.calls.slice(4).map(asked)).toEqual(["p3"]);
  expect(lines).toEqual([`3 of 3 from ${options.cache}`, `3 of 4 from ${options.cache}`]);
});

test.each<[string, Partial<Endpoint>, Partial<RemoteOptions>, object]>([
  ["model", { model: "n" }, {}, said],
  ["number of tokens", {}, { maxNewTokens: 9 }, said],
  ["temperature", {}, { temperature: 0 }, said],
  ["seed", {}, { seed: 50 }, said],
  ["model as the server says it", {}, {}, { ...said, model: "m-2027" }],
  ["fingerprint", {}, {}, { ...said, system_fingerprint: "fp_2" }],
  ["fingerprint that is no longer given", {}, {}, { model: said.model }],
])("another %s gets answers of its own, and the earlier one finds its own again", async (_, server2, options2, said2) => {
  server.answer = saying("A", said);
  await all(endpoint(), prompts);
  server.answer = saying("B", said2);
  expect(await texts(endpoint(server2), prompts, { ...options, ...options2 })).toEqual(["B: p0", "B: p1", "B: p2"]);
  if (said2 !== said) expect(lines).toEqual([expect.stringMatching(/^0 of 3 from .*received; 3 there are from before .* changed/)]);
  server.answer = saying("C", said);
  expect(await texts(endpoint(), prompts)).toEqual(["A: p0", "A: p1", "A: p2"]);
});

test("another address gets answers of its own", async () => {
  await all(endpoint(), prompts);
  other.answer = saying("B", {});
  expect(await texts(endpoint({ url: other.url }), prompts)).toEqual(["B: p0", "B: p1", "B: p2"]);
});

// 2. Text of the server's in messages

const hostile = "\u001b[2J\u0007red\rerpo: done\u009b1A\u202eback\u2066\u200b\u2028end\u0085";
test.each<[string, (response: Parameters<typeof json>[0]) => void]>([
  ["an error's message", (response) => json(response, { error: { message: hostile } }, 400)],
  ["an error of another shape", (response) => json(response, { error: [hostile] }, 400)],
  ["an error's page", (response) => response.writeHead(500).end(hostile)],
  ["what is not JSON", (response) => json(response, hostile)],
])("control characters in %s do nothing", async (_, reply) => {
  server.answer = (_, response) => reply(response);
  const message = await failure(endpoint());
  expect(message).toContain("red");
  expect(message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
});

// 3. Deadlines and limits

test.each(["never begins", "stops in the middle"])("an answer that %s ends at the deadline", async (kind) => {
  server.answer = (_, response) => void (kind === "never begins" || response.writeHead(200).write('{"choices": ['));
  expect(await failure(endpoint({ deadline: 0.3 }))).toMatch(/^http.*: prompt 1: Connection error\. \(no whole answer within 0\.3 s\)$/);
});

test("a server that takes connections and says nothing ends after 10 s", async () => {
  const silent = createServer();
  await once(silent.listen(0, "127.0.0.1"), "listening");
  const url = `https://127.0.0.1:${(silent.address() as { port: number }).port}/v1`;
  silent.on("connection", (socket) => socket.on("error", () => {}));
  expect(await failure(endpoint({ url }))).toBe(`${url}: prompt 1: Connection error. (no connection within 10 s)`);
  silent.close();
});

test("an answer without an end is left at 16 MiB, and not asked for again", async () => {
  let sent = 0;
  server.answer = async (_, response) => {
    const chunk = Buffer.alloc(2 ** 20, " ");
    for (; !response.destroyed && sent < 1000; sent++)
      if (!response.write(chunk)) await Promise.race([once(response, "drain"), once(response, "close")]);
  };
  expect(await failure(endpoint({ retries: 2 }))).toBe(`${server.url}: prompt 1: the answer is larger than 16 MiB`);
  expect(sent).toBeLessThan(100);
  expect(server.calls.length).toBe(1);
});

test("4 GiB in a gzip bomb of 4 MB end in one line, within 150 MiB of memory; so does brotli", async () => {
  const zeros = Buffer.alloc(2 ** 26);
  const bombs = { gzip: Buffer.concat(Array(64).fill(gzipSync(zeros))), br: brotliCompressSync(zeros) };
  const before = process.resourceUsage().maxRSS;
  for (const [coding, bomb] of Object.entries(bombs)) {
    server.answer = (_, response) => response.writeHead(200, { "content-encoding": coding }).end(bomb);
    const message = `the answer is larger than 16 MiB when it is decompressed (${coding})`;
    expect(await failure(endpoint())).toBe(`${server.url}: prompt 1: ${message}`);
  }
  expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(150);
});

test.each([
  ["10 days", { "retry-after": "864000" }, 864_000],
  ["more than a timer takes", { "retry-after-ms": "1e13" }, 1e10],
  ["a date", { "retry-after": new Date(Date.now() + 864_000_000).toUTCString() }, undefined],
])("a server that asks for a wait of %s is asked again after the bound, and that is told", async (_, headers, seconds) => {
  server.answer = (call, response) => (server.calls.length === 1 ? json(response, {}, 429, headers) : json(response, completion(call)));
  expect(await texts(endpoint({ retries: 1, longestWait: 0.2 }))).toEqual(["echo: a"]);
  expect(server.calls[1]!.at - server.calls[0]!.at).toBeGreaterThan(190);
  expect(lines).toEqual([
    expect.stringMatching(new RegExp(`^${server.url} asks for a wait of ${seconds ?? "\\d{6}"} s: it is asked again in 0.2 s$`)),
  ]);
});

test("a signal ends a wait", async () => {
  server.answer = (_, response) => json(response, {}, 429, { "retry-after": "60" });
  const stop = new AbortController();
  const row = all(endpoint({ retries: 1 }), ["a"], { ...options, signal: stop.signal });
  await vi.waitUntil(() => server.calls.length === 1, 60_000);
  stop.abort(new Error("stopped"));
  const started = performance.now();
  await expect(row).rejects.toThrow("stopped");
  expect(performance.now() - started).toBeLessThan(30_000);
});

// 4. The key, redirects, counts

test.each(["http://localhost:1/v1", "http://127.9.9.9/v1", "http://[::1]:1/v1", "https://example.org/v1"])("a key goes to %s", (url) => {
  expect(endpointKey(url, KEY).value).toBe(KEY);
});

test.each(["http://127.0.0.1.example.org/v1", "http://localhost.example.org/v1", "http://10.0.0.1/v1", "http://[fe80::1]/v1"])(
  "a key does not go to %s",
  (url) => {
    expect(() => endpointKey(url, KEY)).toThrow(/^http.*: the API key would be sent over plain http.*--insecure-key/);
    expect(endpointKey(url, undefined).value).toBe("none");
  },
);

test("over plain http another address gets the key only if that is allowed", async () => {
  const url = server.url.replace("127.0.0.1", "0.0.0.0"); // leads here, and is not loopback
  vi.stubEnv("OPENAI_API_KEY", KEY);
  expect(await failure(endpoint({ url }))).toContain("plain http");
  expect(server.calls).toEqual([]);
  await all(endpoint({ url, insecureKey: true }));
  expect(server.calls[0]!.headers.authorization).toBe(`Bearer ${KEY}`);
});

test.each<[string, (response: Parameters<typeof json>[0], call: Call) => void]>([
  ["an error", (response) => json(response, { error: { message: `bad key ${KEY}` } }, 401)],
  ["a page", (response) => json(response, `<p>${KEY}</p>`)],
  ["a redirect", (response) => response.writeHead(307, { location: `http://${KEY}.example.org/${KEY}` }).end()],
  ["a completion", (response, call) => json(response, completion(call, `my key is ${KEY}`))],
  ["a model's name", (response, call) => json(response, { ...completion(call), model: KEY })],
])("the key stands neither in messages nor in files when the server sends it back in %s", async (_, reply) => {
  vi.stubEnv("OPENAI_LOG", "debug");
  const logs = (["debug", "info", "log", "warn", "error"] as const).map((name) => vi.spyOn(console, name));
  server.answer = (call, response) => reply(response, call);
  const message = await failure(endpoint({ apiKey: KEY }));
  expect(message).toMatch(/API key/);
  expect(message + stored()).not.toContain(KEY);
  for (const log of logs) expect(log).not.toHaveBeenCalled();
  vi.restoreAllMocks();
});

test.each([
  ["http://me:hidden-word@127.0.0.1/v1", "user or a password"],
  ["http://127.0.0.1/v1?key=hidden-word", "without ? or #"],
  ["ftp://me:hidden-word@127.0.0.1/v1", "no address that begins with http:// or https://"],
])("an address with more than host and path is refused without being repeated: %s", async (url, expected) => {
  const message = await failure(endpoint({ url }));
  expect(message).toContain(expected);
  expect(message).not.toContain("hidden-word");
});

test("a key that no header can hold is refused without being repeated", async () => {
  expect(await failure(endpoint({ apiKey: `${KEY}\nx` }))).toBe(
    `${server.url}: the API key holds a character that no HTTP header can hold`,
  );
});

test.each([
  ["port", () => other.url],
  ["host", () => server.url.replace("127.0.0.1", "localhost")],
  ["scheme", () => server.url.replace("http:", "https:")],
])("a redirect to another %s is refused, and both are named", async (_, target) => {
  server.answer = (_, response) => response.writeHead(307, { location: `${target()}/completions` }).end();
  const message = `redirects from ${new URL(server.url).origin} to ${new URL(target()).origin}: give that address if it is meant`;
  expect(await failure(endpoint({ retries: 2, apiKey: KEY }))).toBe(`${server.url}: prompt 1: ${message}`);
  expect(server.calls.length).toBe(1);
  expect(other.calls).toEqual([]);
});

test.each([301, 302, 307, 308])("a redirect %i within the server is followed with the same request", async (status) => {
  const location = server.url.replace("127", "me:word@127").replace("/v1", "/v2/completions");
  server.answer = (call, response) =>
    call.path.startsWith("/v1") ? response.writeHead(status, { location }).end() : json(response, completion(call));
  expect(await texts(endpoint({ apiKey: KEY }))).toEqual(["echo: a"]);
  const [before, after] = server.calls.map(({ body, headers }) => ({ body, key: headers.authorization, referer: headers.referer }));
  expect(after).toEqual(before);
  expect(after).toMatchObject({ key: `Bearer ${KEY}`, referer: undefined });
});

test("redirects in a circle end", async () => {
  server.answer = (_, response) => response.writeHead(307, { location: "/v1/completions" }).end();
  expect(await failure(endpoint())).toBe(`${server.url}: prompt 1: redirects more than 5 times`);
  expect(server.calls.length).toBe(6);
});

test("a count of more tokens than were asked for is refused, but for a few at a turn's end", async () => {
  let completion_tokens = 9;
  server.answer = (call, response) => json(response, { ...completion(call), usage: { completion_tokens } });
  expect(await all(endpoint())).toMatchObject([{ tokens: 9 }]);
  completion_tokens = 1e15;
  expect(await failure(endpoint(), ["b"])).toBe(
    `${server.url}: prompt 1: the answer's counts cannot be used: usage.completion_tokens: 1000000000000000 are more than the 8 that were asked for at most`,
  );
  expect(stored()).not.toContain("1000000000000000");
});

test.each([-1, 1.5, "7", 1e300])("a count of %s tokens is refused", async (completion_tokens) => {
  server.answer = (call, response) => json(response, { ...completion(call), usage: { completion_tokens } });
  const message = /: prompt 1: the answer's counts cannot be used: usage\.completion_tokens: must be (a whole number|0 or more)$/;
  expect(await failure(endpoint())).toMatch(message);
  expect(stored()).toBe("");
});

test.each([
  [{ usage: { completion_tokens: 0 } }, 0],
  [{ usage: { completion_tokens: null } }, null],
  [{ usage: null }, null],
  [{}, null],
])("a server may count %j", async (counts, tokens) => {
  server.answer = (call, response) => json(response, { ...completion(call), ...counts });
  expect((await all(endpoint()))[0]!.tokens).toBe(tokens);
});

// 5. Malformed answers

const chat = [[{ role: "user" as const, content: "a" }]];
test.each<[string, unknown, string]>([
  ["is not JSON", "<html>", 'the answer is not JSON (application/json): it begins "<html>"'],
  ["is cut off", '{"choices": [{"message": {"content": "hal', "the answer is not JSON"],
  ["is empty", "", "the answer is empty"],
  ["is a stream", 'data: {"choices": []}\n\ndata: [DONE]\n', "the answer is not JSON"],
  ["is a list", [], "the answer holds no completion: must be an object"],
  ["is null", "null", "the answer holds no completion: must be an object"],
  ["has no choices", { detail: "hello" }, "the answer holds no completion: choices: is missing"],
  ["has an empty list of choices", { choices: [] }, "choices: is empty, so nothing was written"],
  ["has choices of another shape", { choices: "hello" }, "choices: must be a list"],
  ["has a choice of another shape", { choices: ["hello"] }, "choices.0: must be an object"],
  ["has a text where a message should be", { choices: [{ text: "hello" }] }, "choices.0.message: is missing"],
  ["has no content", { choices: [{ message: { content: null } }] }, "choices.0.message.content: is null, not text"],
  ["has parts for content", { choices: [{ message: { content: [{ text: "a" }] } }] }, "choices.0.message.content: must be text"],
])("an answer that %s is told in one line, and not kept", async (_, answer, expected) => {
  server.answer = (_, response) => json(response, answer);
  const message = await failure(endpoint(), chat);
  expect(message).toContain(`${server.url}: prompt 1: `);
  expect(message).toContain(expected);
  expect(message).not.toContain("\n");
  expect(stored()).toBe("");
  expect(readdirSync(folder)).toEqual(["received"]);
});

test.each([200, 500])("an answer of 7 million lists in each other is not parsed, nor asked for again (status %i)", async (status) => {
  const deep = `${"[".repeat(7e6)}${"]".repeat(7e6)}`;
  server.answer = (_, response) => json(response, deep, status);
  const before = process.resourceUsage().maxRSS;
  const message = `${server.url}: prompt 1: the answer is too large: more than 64 brackets inside each other`;
  expect(await failure(endpoint({ retries: 2 }))).toBe(message);
  expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(400);
  expect(server.calls.length).toBe(1);
});

test.each(["content-length", "chunked"])("a connection that is lost within an answer is no answer (%s)", async (kind) => {
  server.answer = (call, response) => {
    const whole = JSON.stringify(completion(call));
    response.writeHead(200, kind === "chunked" ? {} : { "content-length": whole.length });
    response.write(whole.slice(0, -1), () => setTimeout(() => response.destroy(), 100));
  };
  expect(await failure(endpoint())).toMatch(/^http.*: prompt 1: (Connection error\.|the answer is not JSON)/);
  expect(stored()).toBe("");
});
