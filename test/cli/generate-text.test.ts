import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { register } from "../../src/cli/generate.js";
import { printable } from "../../src/data/printable.js";
import { fixture } from "../model/open.js";

const folder = mkdtempSync(join(tmpdir(), "erpo-generate-text-"));
const at = (name: string) => join(folder, name);
const model = ["--model", fixture("llama-tiny"), "--max-new-tokens", "12"];
let shown = "";
beforeAll(() => {
  vi.spyOn(process.stdout, "write").mockImplementation(((text: string, done?: () => void) => {
    shown += text;
    done?.();
    return true;
  }) as typeof process.stdout.write);
  const question = (content: string) => `${JSON.stringify({ prompt: [{ role: "user", content }] })}\n`;
  writeFileSync(at("prompts.jsonl"), question("Hello") + question("And now?"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function generate(...words: string[]): Promise<string> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  register(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  shown = "";
  await program.parseAsync(["generate", ...words], { from: "user" });
  return shown;
}

async function rowsOf(...words: string[]) {
  await generate("--prompts", at("prompts.jsonl"), "--output", at("out.jsonl"), ...model, ...words);
  return readFileSync(at("out.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("a text is answered as the same question of a file is", async () => {
  const [row] = await rowsOf();
  expect(await generate("Hello", ...model)).toBe(`${row.completion.trim().split("\n").map(printable).join("\n")}\n`);
});

test("several samples of a prompt are different draws, the same for the same seed; those of a file stand in a list", async () => {
  const drawn = ["--temperature", "1.5", "--samples", "3"];
  const rows = await rowsOf(...drawn);
  for (const { completions, tokens } of rows) {
    expect(new Set(completions).size).toBe(3);
    expect(tokens).toHaveLength(3);
  }
  expect(await rowsOf(...drawn)).toEqual(rows);
  expect((await rowsOf(...drawn, "--seed", "1")).map(({ completions }) => completions)).not.toEqual(
    rows.map(({ completions }) => completions),
  );
});

test("top-k 1 draws what greedy decoding takes, and so does a small top-p", async () => {
  const greedy = (await rowsOf()).map(({ completion }) => completion);
  for (const only of [
    ["--top-k", "1"],
    ["--top-p", "0.001"],
  ]) {
    const rows = await rowsOf("--temperature", "2", ...only);
    expect(rows.map(({ completion }) => completion)).toEqual(greedy);
  }
});

test("a completion ends behind a text that it is to stop at", async () => {
  const [{ completion, tokens }] = await rowsOf();
  const end = completion.slice(2, 4);
  const [stopped] = await rowsOf("--stop", "never said", "--stop", end);
  expect(stopped.completion.endsWith(end) || stopped.completion.includes(end)).toBe(true);
  expect(completion.startsWith(stopped.completion)).toBe(true);
  expect(stopped.tokens).toBeLessThan(tokens);
});

test("what cannot be is said in one line", async () => {
  await expect(generate("Hello", ...model, "--samples", "2")).rejects.toThrow(
    "--samples: at temperature 0 there is nothing to draw: give --temperature",
  );
  await expect(generate("Hello", ...model, "--top-p", "0.5")).rejects.toThrow("--top-p: at temperature 0 there is nothing to draw");
  await expect(generate("Hello", ...model, "--output", "x")).rejects.toThrow("a text is answered on standard output: leave out --output");
  await expect(generate("Hello", ...model, "--limit", "3")).rejects.toThrow("leave out --limit");
  const file = ["--prompts", "x", "--output", "y", ...model];
  await expect(generate(...file, "--concurrency", "2")).rejects.toThrow("option '--concurrency <n>' goes with --endpoint");
  await expect(generate(...file, "--endpoint", "http://x", "--batch-size", "2")).rejects.toThrow("cannot be used with");
  await expect(generate("--prompts", "x", ...model)).rejects.toThrow("required option '--output' not specified");
  await expect(generate("--prompts", "x", "--output", "y")).rejects.toThrow("required option '--model' not specified");
  await expect(generate()).rejects.toThrow("required options '--model', '--prompts', '--output' not specified, or a text to answer");
  await expect(generate("Hello", "--top-p", "1.5")).rejects.toThrow("It must be a number above 0, up to 1.");
  await expect(generate(...model, "--endpoint", "http://x", "--top-k", "3")).rejects.toThrow("cannot be used with");
});
