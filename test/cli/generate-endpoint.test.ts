import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { register } from "../../src/cli/generate.js";
import { asked, completion, endpointServer, json } from "../generation/endpoint-server.js";

const server = endpointServer();
const at = (name: string) => join(folder, name);
let folder: string;
let told: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "erpo-generate-endpoint-"));
  told = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    told += text;
    return true;
  });
  writeFileSync(at("prompts.jsonl"), '{"prompt": "a"}\n{"prompt": "b"}\n');
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function generate(...more: string[]) {
  const program = new Command().exitOverride();
  register(program);
  const files = ["--prompts", at("prompts.jsonl"), "--output", at("out.jsonl")];
  return program.parseAsync(["generate", "--endpoint", server.url, "--model", "m", ...files, ...more], { from: "user" });
}
const completions = () =>
  readFileSync(at("out.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).completion);

test("a resumed command says how much is there already; the store goes when the output is whole", async () => {
  server.answer = (call, response) => (asked(call) === "b" ? json(response, { choices: [] }) : json(response, completion(call)));
  await expect(generate()).rejects.toThrow("prompt 2: the answer holds no completion");
  expect(existsSync(at("out.jsonl"))).toBe(false);
  expect(existsSync(at("out.jsonl.received"))).toBe(true);
  server.answer = (call, response) => json(response, completion(call));
  await generate();
  expect(told).toContain(`erpo: 1 of 2 from ${at("out.jsonl.received")}\n`);
  expect(completions()).toEqual(["echo: a", "echo: b"]);
  expect(existsSync(at("out.jsonl.received"))).toBe(false);
});

test("a first call that fails leaves nothing behind", async () => {
  server.answer = (_, response) => json(response, { error: { message: "no model m" } }, 404);
  await expect(generate()).rejects.toThrow("404 no model m");
  expect(readdirSync(folder)).toEqual(["prompts.jsonl"]);
});

test("the second command for an output is refused with the process number of the first", async () => {
  const held: (() => void)[] = [];
  server.answer = (call, response) => held.push(() => json(response, completion(call)));
  const first = generate();
  await vi.waitUntil(() => held.length === 2, 60_000);
  await expect(generate()).rejects.toThrow(
    `${at("out.jsonl")}: is being written by another run (process ${process.pid}); wait for it, or name another --output`,
  );
  expect(server.calls.length).toBe(2);
  for (const answer of held) answer();
  await first;
  expect(completions()).toEqual(["echo: a", "echo: b"]);
  expect(readdirSync(folder).sort()).toEqual(["out.jsonl", "prompts.jsonl"]);
});

test("the data file keeps the text as it is, in JSON's escapes", async () => {
  const text = "\u001b[2J\u0007red\r\n\u009b1A\u202eback\ud800";
  server.answer = (call, response) => json(response, completion(call, text));
  await generate();
  expect(completions()).toEqual([text, text]);
  for (const character of "\u001b\u0007\r") expect(readFileSync(at("out.jsonl"), "utf8")).not.toContain(character);
  expect(told).toBe("");
});

test("while nothing comes, that is said every 10 s", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const held: (() => void)[] = [];
  server.answer = (call, response) => held.push(() => json(response, completion(call)));
  const done = generate("--concurrency", "1");
  await vi.waitUntil(() => held.length === 1, 60_000);
  vi.advanceTimersByTime(20_500);
  held.pop()!();
  await vi.waitUntil(() => held.length === 1, 60_000);
  vi.advanceTimersByTime(9_900);
  vi.advanceTimersByTime(200);
  held.pop()!();
  await done;
  expect(told.split("\n")).toEqual([
    "erpo: 0 of 2 prompts; no completion from m for 10 s",
    "erpo: 0 of 2 prompts; no completion from m for 20 s",
    "erpo: 1 of 2 prompts; no completion from m for 10 s",
    "",
  ]);
});

test("--insecure-key lets the key go over plain http", async () => {
  vi.stubEnv("OPENAI_API_KEY", "sk-placeholder");
  const url = server.url.replace("127.0.0.1", "0.0.0.0"); // leads here, and is not loopback
  await expect(generate("--endpoint", url)).rejects.toThrow("--insecure-key");
  expect(server.calls).toEqual([]);
  await generate("--endpoint", url, "--insecure-key");
  expect(server.calls[0]!.headers.authorization).toBe("Bearer sk-placeholder");
});
