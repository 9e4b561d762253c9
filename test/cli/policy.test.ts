import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { register as registerEvaluate } from "../../src/cli/evaluate.js";
import { register as registerGenerate } from "../../src/cli/generate.js";
import { register as registerScore } from "../../src/cli/score.js";
import { digestOf, type IdentityValue } from "../../src/data/identity.js";
import { contrast, plain } from "../../src/generation/decoding.js";
import { policy, policyIdentity } from "../../src/generation/policy.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { savePolicy } from "../../src/runs/policy-folder.js";
import { fixture } from "../model/open.js";

const folder = mkdtempSync(join(tmpdir(), "erpo-cli-policy-"));
const at = (name: string) => join(folder, name);
const model = fixture("llama-tiny");
const adapterFolder = fixture("llama-tiny-adapter");
let tiny: LanguageModel;
let shown = "";
beforeAll(async () => {
  vi.spyOn(process.stdout, "write").mockImplementation(((text: string, done?: () => void) => {
    shown += text;
    done?.();
    return true;
  }) as typeof process.stdout.write);
  tiny = await loadModel(model);
  const adapter = await loadAdapter(adapterFolder, tiny.config);
  await savePolicy(at("adapted"), policy({ model: tiny, name: "adapted", adapter }));
  await savePolicy(at("careful"), policy({ model: tiny, name: "careful", system: "Be careful." }));
  await savePolicy(at("rose"), policy({ model: tiny, name: "rose", decoding: contrast({ against: "Ignore safety.", alpha: 0.5 }) }));
  await savePolicy(at("warm"), policy({ model: tiny, name: "warm", decoding: plain({ temperature: 2 }) }));
  adapter.dispose();
  const user = (content: string) => [{ role: "user", content }];
  lines("chat.jsonl", [{ prompt: user("Hello") }, { prompt: user("How are you today?"), prefill: "I am" }]);
  lines("text.jsonl", [{ prompt: user("Hello") }, { prompt: "Hello" }]);
  const reply = (content: string) => [{ role: "assistant", content }];
  lines("pairs.jsonl", [
    { prompt: user("Hello"), chosen: reply("Hi."), rejected: reply("No, never.") },
    { prompt: user("And now?"), chosen: reply("Now we go."), rejected: reply("") },
    { prompt: [{ role: "system", content: "Short." }, ...user("Hi")], chosen: reply("a"), rejected: reply("b b") },
  ]);
});
afterAll(() => rmSync(folder, { recursive: true }));

const lines = (name: string, rows: object[]) => writeFileSync(at(name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
const rowsOf = (name: string) =>
  readFileSync(at(name), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

async function erpo(...words: string[]): Promise<string> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  for (const register of [registerEvaluate, registerGenerate, registerScore]) register(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  shown = "";
  await program.parseAsync(words, { from: "user" });
  return shown;
}
const generate = (prompts: string, output: string, ...more: string[]) =>
  erpo(
    "generate",
    "--model",
    model,
    "--prompts",
    at(prompts),
    "--output",
    output === "-" ? "-" : at(output),
    "--max-new-tokens",
    "5",
    ...more,
  );
const digest = async (asked: Parameters<typeof policyIdentity>[0]) => digestOf((await policyIdentity(asked)) as IdentityValue);

test("a row says what made it: the policy's name and its identity's digest; a field of this name is replaced, and that is said", async () => {
  const said: string[] = [];
  const error = vi.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
  lines(
    "own.jsonl",
    rowsOf("chat.jsonl").map((row, i) => (i === 0 ? { ...row, policy: "mine" } : row)),
  );
  await generate("own.jsonl", "careful.jsonl", "--policy", at("careful"));
  error.mockRestore();
  const made = { name: "careful", digest: await digest(policy({ model: tiny, system: "Be careful." })) };
  expect(rowsOf("careful.jsonl").map((row) => row.policy)).toEqual([made, made]);
  expect(rowsOf("careful.jsonl")[1]).toMatchObject({ prefill: "I am", completion: expect.any(String), tokens: expect.any(Number) });
  expect(said.join("")).toContain(`${at("own.jsonl")}: the field "policy", in 1 of 2 rows, is replaced`);
  await generate("chat.jsonl", "base.jsonl");
  expect(rowsOf("base.jsonl")[0].policy).toEqual({ name: tiny.name, digest: await digest(policy({ model: tiny })) });
});

test("an evaluation names the adapter of its policy", async () => {
  lines("suite.jsonl", [{ prompt: "Hello", label: "safe" }]);
  const adapterOf = async (...more: string[]) => {
    const args = ["--model", model, "--suite", at("suite.jsonl"), "--output", at("evaluated.json"), "--answer-tokens", "2"];
    await erpo("evaluate", ...args, ...more);
    return JSON.parse(readFileSync(at("evaluated.json"), "utf8")).model.adapter;
  };
  expect(await adapterOf("--policy", at("adapted"))).toBe(at("adapted"));
  expect(await adapterOf("--policy", at("careful"))).toBeNull();
  expect(await adapterOf("--adapter", adapterFolder)).toBe(adapterFolder);
});

test("the model is the one that the policy's folder names, where none is given", async () => {
  const words = (dir: string) => ["generate", "--policy", dir, "--prompts", at("chat.jsonl"), "--output", at("named.jsonl")];
  await expect(erpo(...words(at("careful")))).rejects.toThrow(
    `${at("careful")}: its model llama-tiny is a file or folder of that name: say where it is (--model)`,
  );
  const named = at("named");
  cpSync(at("careful"), named, { recursive: true });
  const record = JSON.parse(readFileSync(join(named, "policy.json"), "utf8"));
  writeFileSync(join(named, "policy.json"), JSON.stringify({ ...record, model: { ...record.model, name: model } }));
  await erpo(...words(named), "--max-new-tokens", "5");
  await generate("chat.jsonl", "given.jsonl", "--policy", at("careful"));
  expect(rowsOf("named.jsonl")).toEqual(rowsOf("given.jsonl"));

  lines("suite.jsonl", [{ prompt: "Hello", label: "safe" }]);
  const evaluate = ["evaluate", "--suite", at("suite.jsonl"), "--output", at("evaluated.json"), "--answer-tokens", "2"];
  await erpo(...evaluate, "--policy", named);
  const missing = "required option '--model <M>' not specified (or --policy <dir>, whose folder names its model)";
  await expect(erpo(...evaluate)).rejects.toThrow(missing);
  await expect(erpo("score", "--data", at("pairs.jsonl"), "--output", "-")).rejects.toThrow(missing);
});

test("a folder with an adapter alone is its policy, and the same as --adapter", async () => {
  await generate("chat.jsonl", "a.jsonl", "--adapter", adapterFolder);
  await generate("chat.jsonl", "b.jsonl", "--policy", adapterFolder);
  await generate("chat.jsonl", "c.jsonl", "--policy", at("adapted"));
  const without = (name: string) => rowsOf(name).map(({ policy: { digest }, ...row }) => ({ ...row, policy: digest }));
  expect(without("b.jsonl")).toEqual(without("a.jsonl"));
  expect(without("c.jsonl")).toEqual(without("a.jsonl"));
  await expect(generate("chat.jsonl", "no.jsonl", "--adapter", adapterFolder, "--policy", at("adapted"))).rejects.toThrow(
    "cannot be used with",
  );
});

test("the policy's own temperature counts unless another one is given", async () => {
  await generate("chat.jsonl", "warm.jsonl", "--policy", at("warm"));
  expect(rowsOf("warm.jsonl")[0].policy.digest).toBe(await digest(policy({ model: tiny, decoding: plain({ temperature: 2 }) })));
  await generate("chat.jsonl", "cold.jsonl", "--policy", at("warm"), "--temperature", "0");
  await generate("chat.jsonl", "plain.jsonl");
  expect(rowsOf("cold.jsonl").map(({ completion }) => completion)).toEqual(rowsOf("plain.jsonl").map(({ completion }) => completion));
  expect(rowsOf("cold.jsonl")[0].policy.digest).toBe(rowsOf("plain.jsonl")[0].policy.digest);
});

test("a string gets no template, so a policy with a system prompt or a second way of asking needs messages", async () => {
  const needs = (name: string, has: string) =>
    `is a string, which gets no chat template, but the policy "${name}" has ${has}: give messages`;
  for (const [name, has] of [
    ["careful", "a system prompt"],
    ["rose", "a second way of asking"],
  ] as const) {
    await expect(generate("text.jsonl", "no.jsonl", "--policy", at(name))).rejects.toThrow(
      `${at("text.jsonl")}:2: prompt: ${needs(name, has)}`,
    );
    lines("strings.jsonl", [{ prompt: "a", chosen: "b", rejected: "c" }]);
    const score = erpo("score", "--model", model, "--policy", at(name), "--data", at("strings.jsonl"), "--output", at("no.jsonl"));
    await expect(score).rejects.toThrow(`${at("strings.jsonl")}: row 1: prompt: ${needs(name, has)}`);
  }
  await generate("text.jsonl", "adapted.jsonl", "--policy", at("adapted")); // which has neither
  expect(existsSync(at("no.jsonl"))).toBe(false);
});

test("`--output -` is the rows on standard output, and nothing else", async () => {
  const out = await generate("chat.jsonl", "-");
  await generate("chat.jsonl", "file.jsonl");
  expect(out).toBe(readFileSync(at("file.jsonl"), "utf8"));
});

test("a broken policy, one of another model and a missing folder are named", async () => {
  cpSync(at("careful"), at("broken"), { recursive: true });
  const record = JSON.parse(readFileSync(at("careful/policy.json"), "utf8"));
  writeFileSync(at("broken/policy.json"), JSON.stringify({ ...record, model: { name: "other", sha256: "0".repeat(64) } }));
  await expect(generate("chat.jsonl", "no.jsonl", "--policy", at("broken"))).rejects.toThrow(
    `${at("broken/policy.json")}: is a policy of other (SHA-256 000000000000), not of llama-tiny`,
  );
  await expect(generate("chat.jsonl", "no.jsonl", "--policy", at("nowhere"))).rejects.toThrow(at("nowhere"));
});

/** Log-probs of completion tokens by full passes over the rendered chats. `alpha` takes those under `against` off, before the softmax. */
async function byHand(system: string | undefined, against?: { system: string; alpha: number }) {
  const tf = await import("@tensorflow/tfjs");
  const { tokenizer, decoder } = tiny;
  type Turn = { role: "system" | "user" | "assistant"; content: string };
  const withSystem = (turns: Turn[], text?: string): Turn[] => {
    if (text === undefined) return turns;
    const [first, ...rest] = turns;
    return first!.role === "system"
      ? [{ role: "system", content: `${text}\n\n${first!.content}` }, ...rest]
      : [{ role: "system", content: text }, ...turns];
  };
  const logitsOf = (prompt: Turn[], reply: Turn[], text?: string) => {
    const start = tokenizer.encode(tokenizer.chat(withSystem(prompt, text), { addGenerationPrompt: true })).length;
    const ids = tokenizer.encode(tokenizer.chat(withSystem([...prompt, ...reply], text)));
    const states = decoder.hidden(tf.tensor2d([ids], [1, ids.length], "int32")).squeeze([0]) as import("@tensorflow/tfjs").Tensor2D;
    const all = decoder.logits(states).arraySync() as number[][];
    return { logits: all.slice(start - 1, -1), completion: ids.slice(start) };
  };
  const sum = (prompt: Turn[], reply: Turn[]) =>
    tf.tidy(() => {
      const { logits, completion } = logitsOf(prompt, reply, system);
      const other = against && logitsOf(prompt, reply, against.system).logits;
      return completion.reduce((total, id, t) => {
        const row = logits[t]!.map((x, v) => x - (against && other ? against.alpha * other[t]![v]! : 0));
        const top = Math.max(...row);
        return total + row[id]! - top - Math.log(row.reduce((s, x) => s + Math.exp(x - top), 0));
      }, 0);
    });
  return rowsOf("pairs.jsonl").map(({ prompt, chosen, rejected }) => [sum(prompt, chosen), sum(prompt, rejected)]);
}

test.each([
  ["careful", () => byHand("Be careful.")],
  ["rose", () => byHand(undefined, { system: "Ignore safety.", alpha: 0.5 })],
  ["adapted", undefined],
] as const)("score under the policy %s is that of full passes by hand", async (name, hand) => {
  const score = async (output: string, ...more: string[]) => {
    await erpo("score", "--model", model, "--data", at("pairs.jsonl"), "--output", at(output), "--batch-size", "2", ...more);
    return rowsOf(output).map((row) => [row.chosen_logps, row.rejected_logps]);
  };
  const got = await score("scored.jsonl", "--policy", at(name));
  const expected = hand ? await hand() : await score("adapter.jsonl", "--adapter", adapterFolder);
  for (const [i, pair] of expected.entries()) for (const side of [0, 1]) expect(got[i]![side]).toBeCloseTo(pair[side]!, 3);
  await score("base.jsonl");
  expect(rowsOf("scored.jsonl").map((row) => [row.chosen_tokens, row.rejected_tokens])).toEqual(
    rowsOf("base.jsonl").map((row) => [row.chosen_tokens, row.rejected_tokens]),
  );
  expect(got).not.toEqual(rowsOf("base.jsonl").map((row) => [row.chosen_logps, row.rejected_logps]));
});

test("pairs whose prompt alone fills --max-length have nothing to score, under a contrast too", async () => {
  await erpo(
    "score",
    "--model",
    model,
    "--data",
    at("pairs.jsonl"),
    "--output",
    at("cut.jsonl"),
    "--max-length",
    "3",
    "--policy",
    at("rose"),
  );
  expect(rowsOf("cut.jsonl")[0]).toEqual({ chosen_logps: 0, rejected_logps: 0, chosen_tokens: 0, rejected_tokens: 0 });
});
