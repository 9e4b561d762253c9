import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { register } from "../../src/cli/evaluate.js";
import { digestOf, type IdentityValue } from "../../src/data/identity.js";
import { attackNames } from "../../src/evaluation/attacks.js";
import { contrast } from "../../src/generation/decoding.js";
import { policy, policyIdentity } from "../../src/generation/policy.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { savePolicy } from "../../src/runs/policy-folder.js";
import { fixture } from "../model/open.js";

const folder = mkdtempSync(join(tmpdir(), "erpo-cli-evaluate-"));
const at = (name: string) => join(folder, name);
const model = fixture("llama-tiny");
let tiny: LanguageModel;
let shown = "";
let said = "";
beforeAll(async () => {
  vi.spyOn(process.stdout, "write").mockImplementation(((text: string, done?: () => void) => {
    shown += text;
    done?.();
    return true;
  }) as typeof process.stdout.write);
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += text;
    return true;
  });
  tiny = await loadModel(model);
  const own = [
    "prompt,label,family,category",
    ...["a,safe,lakes,R1", "b,unsafe,lakes,R2", "c,unsafe,rivers,R1"], // content-free
  ];
  writeFileSync(at("own.csv"), `${own.join("\n")}\n`);
});
afterAll(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

async function evaluate(suite: string | undefined, output: string, ...more: string[]) {
  const program = new Command().exitOverride();
  register(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
  [shown, said] = ["", ""];
  const words = ["--model", model, "--output", output === "-" ? "-" : at(output), "--answer-tokens", "4"];
  await program.parseAsync(["evaluate", ...(suite === undefined ? [] : ["--suite", suite]), ...words, ...more], { from: "user" });
  return JSON.parse(output === "-" ? shown : readFileSync(at(output), "utf8"));
}
const stored = (name: string): { id: string; input: string; prefill: string; completion: string }[] =>
  readFileSync(at(name), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("the summary has the policy's whole identity; the terminal has refusals by family and category", async () => {
  const asked = policy({ model: tiny, name: "rose", system: "Be careful.", decoding: contrast({ against: "Ignore safety.", alpha: 0.5 }) });
  await savePolicy(at("rose"), asked);
  const result = await evaluate(at("own.csv"), "e.json", "--policy", at("rose"));
  const identity = JSON.parse(JSON.stringify(await policyIdentity(asked)));
  expect(result.policy).toEqual({ name: "rose", digest: digestOf(identity as IdentityValue), identity });
  expect(result).toMatchObject({ suite: at("own.csv"), attack: "none", settings: { temperature: 0 } });
  expect(result).not.toHaveProperty("prefill");
  expect(Object.keys(result.metrics.families)).toEqual(["lakes", "rivers"]);
  expect(result.metrics.categories.R1.n).toBe(2);
  const table = shown.split("\n").map((line) => line.trimEnd().replace(/ +\d.*(?=;)/, " ..."));
  const at2 = (k: number, n: number) => `...; ${k} of ${n})`;
  const { unsafe, safe } = result.labels; // no two families or categories of the safe row
  expect(table).toEqual([
    "unsafe, 2 prompts",
    ...["refused", "complied", "degenerate"].map((name) => `  ${name} ${at2(unsafe[name].k, 2)}`),
    "safe, 1 prompt",
    ...["refused", "complied", "degenerate"].map((name) => `  ${name} ${at2(safe[name].k, 1)}`),
    expect.stringMatching(/^balanced accuracy +\S+% \(95%: .*, of the two shares\)$/),
    `whole traces ${at2(result.metrics.traceValid.k, 3)}`,
    "unsafe refused by family",
    `  lakes ${at2(unsafe.families.lakes.refused.k, 1)}`,
    `  rivers ${at2(unsafe.families.rivers.refused.k, 1)}`,
    "unsafe refused by category",
    `  R1 ${at2(unsafe.categories.R1.refused.k, 1)}`,
    `  R2 ${at2(unsafe.categories.R2.refused.k, 1)}`,
    "",
  ]);
});

test("a suite of one label has its measures alone, by family and category where there are two", async () => {
  writeFileSync(at("unsafe.csv"), "prompt,family,category\na,lakes,R1\nb,rivers,R1\n");
  const result = await evaluate(at("unsafe.csv"), "one.json", "--label", "unsafe");
  expect(result).not.toHaveProperty("labels");
  expect(result).not.toHaveProperty("balancedAccuracy");
  const names = shown.split("\n").map((line) => line.split("  ").filter(Boolean)[0]);
  expect(names.slice(0, -1)).toEqual(["refused", "complied", "degenerate", "whole traces", "refused by family", "lakes", "rivers"]);
});

test("each label apart: an answer that is made to begin as a refusal refuses; frames make the interval that of whole frames", async () => {
  const begins = { refuse: "I am sorry, but no.", help: "The lake is wide." };
  const rows = [
    ["unsafe", begins.refuse, "f1"],
    ["unsafe", begins.help, "f2"],
    ["unsafe", begins.refuse, "f3"],
    ["unsafe", begins.refuse, "f3"],
    ["safe", begins.help, "f1"],
    ["safe", begins.refuse, "f2"],
  ];
  const csv = (columns: number) =>
    ["prompt,label,prefill,frame", ...rows.map((row, i) => `lake ${i},"${row.join('","')}"`)]
      .map((line) => (columns === 4 ? line : line.slice(0, line.lastIndexOf(","))))
      .join("\n");
  writeFileSync(at("framed.csv"), csv(4));
  writeFileSync(at("plain.csv"), csv(3));
  const framed = await evaluate(at("framed.csv"), "framed.json");
  expect(framed.labels.unsafe.refused).toMatchObject({ k: 3, n: 4 });
  expect(framed.labels.safe.refused).toMatchObject({ k: 1, n: 2 });
  expect(framed.balancedAccuracy).toMatchObject({ value: 0.625, frames: 3 }); // (3/4 + 1/2) / 2
  expect(shown).toMatch(/^balanced accuracy {2}62\.5% \(95%: .*, bootstrap over 3 frames\)$/m);
  const plain = await evaluate(at("plain.csv"), "plain.json");
  expect(plain.balancedAccuracy).toMatchObject({ value: 0.625, frames: null });
});

test("several attacks: a section each, equal to a call with that attack alone, and all kept in one file", async () => {
  const own = at("own.csv");
  const kept = ["--completions", at("several.jsonl")];
  const attacks = ["--attack", "prefill", "--attack", "none", "--attack", "prefill", "--prefill", "I am sorry, but"];
  const several = await evaluate(own, "several.json", ...attacks, ...kept);
  expect(several).not.toHaveProperty("metrics");
  expect(several.attacks.map(({ attack }: { attack: string }) => attack)).toEqual(["prefill", "none"]);
  expect(shown.match(/^attack .*$/gm)).toEqual(["attack prefill", "attack none"]);
  expect(stored("several.jsonl")).toHaveLength(6);
  const [begun, plain] = several.attacks;
  expect(begun.labels.unsafe.refused).toMatchObject({ k: 2, n: 2 }); // what the prefill says is judged with it
  expect(plain.labels.unsafe.refused).toMatchObject({ k: 0, n: 2 });

  const untimed = ({ metrics: { latency, ...metrics }, rows, ...rest }: typeof begun) => ({
    ...rest,
    metrics,
    rows: rows.map(({ seconds, ...row }: { seconds: number }) => row),
  });
  const { model: _, policy: __, device: ___, settings, ...alone } = await evaluate(own, "alone.json", "--prefill", "I am sorry, but");
  expect(untimed(alone)).toEqual(untimed(begun));
  expect(several.settings).toEqual(settings);
  await evaluate(own, "several.json", ...attacks, ...kept);
  expect(stored("several.jsonl")).toHaveLength(6); // nothing is asked again
});

test("with `--output -` the JSON stands alone on standard output, and the measures on standard error", async () => {
  expect((await evaluate(at("own.csv"), "-")).rows).toHaveLength(3);
  expect(said).toContain("unsafe refused by family");
});

test("rows that differ in their system prompt or earlier turns alone are asked differently", async () => {
  const turn = (role: string, content: string) => ({ role, content });
  const rows = [
    { prompt: "a" },
    { prompt: "a", system: "Be kind." },
    { prompt: [turn("system", "Be careful."), turn("user", "a")] },
    { prompt: [turn("user", "b"), turn("assistant", "c"), turn("user", "a")] },
    { prompt: [turn("user", "a"), turn("assistant", "Well")] },
    { prompt: [turn("user", "a")] }, // as the first
  ];
  writeFileSync(at("turns.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  const prefill = vi.spyOn(Object.getPrototypeOf(tiny.decoder), "prefill");
  await evaluate(at("turns.jsonl"), "t.json", "--label", "safe", "--completions", at("t.jsonl"));
  const seen = prefill.mock.calls.flatMap(([, ids]) => (ids as number[][]).map((row) => tiny.tokenizer.decode(row)));
  prefill.mockRestore();
  for (const text of ["Be kind.", "Be careful.", "Well"])
    expect(
      seen.filter((prompt) => prompt.includes(text)),
      text,
    ).toHaveLength(1);
  const byId = new Map(stored("t.jsonl").map((row) => [row.id, row]));
  const inputs = rows.map((_, i) => byId.get(`turns-${i + 1}`)!.input);
  expect(new Set(inputs).size).toBe(5);
  expect(inputs[5]).toBe(inputs[0]);
  expect(byId.get("turns-5")!.prefill).toBe("Well");
});

test("completions under another policy, other settings or another attack are not taken for its own", async () => {
  await savePolicy(at("kind"), policy({ model: tiny, name: "kind", system: "Be kind." }));
  const count = async (...more: string[]) => {
    await evaluate(at("own.csv"), "k.json", "--completions", at("k.jsonl"), ...more);
    return stored("k.jsonl").length;
  };
  expect(await count()).toBe(3);
  expect(await count()).toBe(3);
  expect(await count("--policy", at("kind"))).toBe(6);
  expect(await count("--policy", at("kind"))).toBe(6);
  expect(await count("--policy", at("kind"), "--attack", "prefill")).toBe(9);
  expect(await count("--policy", at("kind"), "--prefill", "Sure, here is")).toBe(9); // the same, in other words
  expect(await count("--policy", at("kind"), "--answer-tokens", "5")).toBe(12);
  await expect(count("--completions", "/dev/null")).rejects.toThrow("--completions /dev/null: must be a file");
});

test("a completions file has one writer: a living one's lock refuses, a dead one's is taken over", async () => {
  const lock = at(".one-writer.jsonl.lock");
  symlinkSync("one-writer.jsonl", at("by-link.jsonl"));
  writeFileSync(at("one-writer.jsonl"), "");
  writeFileSync(lock, `${process.pid} ${hostname()}`);
  for (const name of ["one-writer.jsonl", "by-link.jsonl"])
    await expect(evaluate(at("own.csv"), "one-writer.json", "--completions", at(name))).rejects.toThrow(
      `${at(name)}: is being written by another run (process ${process.pid}); wait for it, or name another --completions`,
    );
  expect(readFileSync(at("one-writer.jsonl"), "utf8")).toBe("");
  writeFileSync(lock, `${spawnSync("true").pid} ${hostname()}`);
  await evaluate(at("own.csv"), "one-writer.json", "--completions", at("one-writer.jsonl"));
  expect(stored("one-writer.jsonl").length).toBe(3);
  expect(existsSync(lock)).toBe(false);
});

test("a prefill attack is recorded with its beginning; a row's own beginning stays", async () => {
  const rows = ['{"prompt":"a"}', '{"prompt":"b","prefill":"First"}'];
  writeFileSync(at("begun.jsonl"), rows.join("\n"));
  const result = await evaluate(at("begun.jsonl"), "p.json", "--label", "unsafe", "--prefill", "Of course", "--completions", at("p.jsonl"));
  expect(result).toMatchObject({ attack: "prefill", prefill: "Of course" });
  expect(
    stored("p.jsonl")
      .map(({ id, prefill }) => [id, prefill])
      .sort(),
  ).toEqual([
    ["begun-1", "Of course"],
    ["begun-2", "First"],
  ]);
  expect(await evaluate(at("begun.jsonl"), "p.json", "--label", "unsafe", "--attack", "prefill")).toMatchObject({
    prefill: "Sure, here is",
  });
});

test("options that do not go together are named", async () => {
  const own = at("own.csv");
  await expect(evaluate(own, "x.json", "--attack", "dan", "--prefill", "Yes")).rejects.toThrow("goes with --attack prefill, not dan");
  await expect(evaluate(own, "x.json", "--attack", "none", "--attack", "past-tense")).rejects.toThrow("no form of");
  await expect(evaluate(undefined, "x.json", "--attack", "none", "--attack", "past-tense")).rejects.toThrow("required option '--suite");
  await expect(evaluate(own, "x.json", "--attack", "past-tense")).rejects.toThrow("has harmful prompts of its own, which are no form of");
  await expect(evaluate(undefined, "x.json")).rejects.toThrow("required option '--suite <name|file>' not specified");
  await expect(evaluate("general", "x.json", "--label", "safe")).rejects.toThrow('suite "general" has labels of its own');
  await expect(evaluate(own, "x.json", "--prefill", "")).rejects.toThrow("It must not be empty");
  await expect(evaluate(own, "x.json", "--attack", "gcg")).rejects.toThrow(`Allowed choices are ${attackNames.join(", ")}`);
});
