import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { register as registerEvaluate } from "../../src/cli/evaluate.js";
import { register as registerGenerate } from "../../src/cli/generate.js";
import { promptsFor, readPrompts } from "../../src/evaluation/prompt-file.js";
import { promptTokens } from "../../src/generation/asking.js";
import { policy } from "../../src/generation/policy.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { fixture } from "../model/open.js";

const folder = mkdtempSync(join(tmpdir(), "erpo-cli-"));
const at = (name: string) => join(folder, name);
const model = fixture("llama-tiny");
let tiny: LanguageModel;
beforeAll(async () => {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  tiny = await loadModel(model);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function erpo(...words: string[]): Promise<void> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerEvaluate(program);
  registerGenerate(program);
  await program.parseAsync(words, { from: "user" });
}

const generate = (prompts: string, output: string, ...more: string[]) =>
  erpo("generate", "--model", model, "--prompts", prompts, "--output", output, "--max-new-tokens", "5", ...more);
const rowsOf = (path: string) =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("generate keeps the order and the other fields", async () => {
  const prompts = [
    { id: 7, prompt: "a longer prompt than the others", note: { kept: true } },
    { prompt: [{ role: "user", content: "Hello" }] },
    { prompt: "short", tokens: "replaced" },
  ];
  writeFileSync(at("p.jsonl"), prompts.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await generate(at("p.jsonl"), at("o.jsonl"), "--temperature", "1", "--batch-size", "2", "--seed", "3");
  const rows = rowsOf(at("o.jsonl"));
  expect(rows.map(({ prompt }) => prompt)).toEqual(prompts.map(({ prompt }) => prompt));
  expect(rows[0]).toMatchObject({ id: 7, note: { kept: true } });
  for (const { completion, tokens } of rows) {
    expect(typeof completion).toBe("string");
    expect(tokens).toBeGreaterThan(0);
    expect(tokens).toBeLessThanOrEqual(5);
  }
  await generate(at("p.jsonl"), at("again.jsonl"), "--temperature", "1", "--batch-size", "1", "--seed", "3");
  expect(rowsOf(at("again.jsonl"))).toEqual(rows);
});

test("strings get no template; messages do; a prefill, or an assistant's last message, is gone on with", () => {
  const { tokenizer } = tiny;
  const user = { role: "user", content: "Hi" };
  const rows = [
    { prompt: "Hi" },
    { prompt: "Hi", prefill: " there" },
    { prompt: [user] },
    { prompt: [user, { role: "assistant", content: "Sure" }] },
    { prompt: [user], prefill: "Sure" },
  ];
  writeFileSync(at("given.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const asked = policy({ model: tiny });
  const given = promptsFor(asked, readPrompts(at("given.jsonl")), at("given.jsonl"), 5);
  const opened = tokenizer.chat([{ role: "user", content: "Hi" }], { addGenerationPrompt: true });
  expect(given.map((prompt) => promptTokens(tokenizer, asked.asking, prompt))).toEqual(
    ["Hi", "Hi there", opened, `${opened}Sure`, `${opened}Sure`].map((text) => tokenizer.encode(text)),
  );
});

test("a bad line, an empty or too long prompt and an unwritable output are named, and nothing is left", async () => {
  const bad = async (text: string, output: string, message: string) => {
    writeFileSync(at("bad.jsonl"), text);
    const before = readdirSync(folder);
    await expect(generate(at("bad.jsonl"), output)).rejects.toThrow(message);
    expect(readdirSync(folder)).toEqual(before);
  };
  await bad('{"prompt":"x"}\n{"prompt":\n', at("no.jsonl"), `${at("bad.jsonl")}:2: not JSON`);
  await bad('{"text":"x"}\n', at("no.jsonl"), `${at("bad.jsonl")}:1: missing field "prompt"`);
  await bad('{"prompt":3}\n', at("no.jsonl"), `${at("bad.jsonl")}:1: prompt: must be a string or a list of messages`);
  await bad('{"prompt":"x","prefill":3}\n', at("no.jsonl"), `${at("bad.jsonl")}:1: prefill: must be a string`);
  const begun = '{"prompt":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"prefill":"c"}\n';
  await bad(begun, at("no.jsonl"), `${at("bad.jsonl")}:1: prefill: the last message is the assistant's`);
  await bad('\n{"prompt":""}\n', at("no.jsonl"), `${at("bad.jsonl")}:2: prompt: is empty`);
  await bad(
    `{"prompt":"${"x ".repeat(Math.ceil(tiny.config.maxPositions / 2))}"}\n`,
    at("no.jsonl"),
    `but the model has ${tiny.config.maxPositions} positions`,
  );
  await bad('{"prompt":"x"}\n', folder, `${folder}: cannot be written (it is a folder)`);
  await bad('{"prompt":"x"}\n', "/proc/no/o.jsonl", "/proc/no/o.jsonl: cannot be written (ENOENT");
  await bad("", at("no.jsonl"), "there are no prompts in it");
  await expect(generate(at("p.jsonl"), at("no.jsonl"), "--temperature", "hot")).rejects.toThrow("must be a number >= 0");
});

test("evaluate writes measures and judgements, and no completions unless asked", async () => {
  const words = ["evaluate", "--model", model, "--suite", fixture("data-jailbreakbench.csv"), "--label", "safe", "--answer-tokens", "4"];
  await erpo(...words, "--output", at("e.json"), "--completions", at("c.jsonl"));
  const result = JSON.parse(readFileSync(at("e.json"), "utf8"));
  const { metrics, rows } = result;
  expect(metrics.refused.k + metrics.complied.k + metrics.degenerate.k).toBe(metrics.n);
  expect(rows).toHaveLength(metrics.n);
  expect(rows[0]).not.toHaveProperty("completion");
  expect(result.model).toMatchObject({ name: "llama-tiny", adapter: null });
  expect(rowsOf(at("c.jsonl"))).toHaveLength(metrics.n);
  await erpo(...words, "--output", at("e2.json"), "--completions", at("c.jsonl"));
  expect(JSON.parse(readFileSync(at("e2.json"), "utf8")).rows).toEqual(rows);
  expect(rowsOf(at("c.jsonl"))).toHaveLength(metrics.n);

  const adapted = [...words, "--adapter", fixture("llama-tiny-adapter")]; // another model's completions are not taken for its own
  await erpo(...adapted, "--output", at("e3.json"), "--completions", at("c.jsonl"));
  expect(rowsOf(at("c.jsonl"))).toHaveLength(2 * metrics.n);
  await erpo(...adapted, "--output", at("e4.json"));
  const judged = (name: string) => JSON.parse(readFileSync(at(name), "utf8")).rows;
  expect(judged("e3.json").map(({ seconds, ...row }: { seconds: number }) => row)).toEqual(
    judged("e4.json").map(({ seconds, ...row }: { seconds: number }) => row),
  );
});

test("evaluate names an unknown suite, and a file without labels", async () => {
  const evaluate = (suite: string) => erpo("evaluate", "--model", "none", "--suite", suite, "--output", at("x.json"));
  await expect(evaluate("harmfull")).rejects.toThrow('no suite is called "harmfull": choose harmful, harmbench');
  await expect(evaluate(fixture("data-jailbreakbench.csv"))).rejects.toThrow("say --label safe or --label unsafe");
  expect(existsSync(at("x.json"))).toBe(false);
});
