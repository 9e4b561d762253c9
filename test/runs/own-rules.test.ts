import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { textSha256 } from "../../src/data/manifest.js";
import { traceRow } from "../../src/exante/rows.js";
import { defaultRules, readRules } from "../../src/exante/rule-file.js";
import { ruleSet } from "../../src/exante/rules.js";
import { parseTrace } from "../../src/exante/trace.js";
import { stage2Pairs } from "../../src/methods/erpo/pairs.js";
import { balancedPrompts } from "../../src/runs/prompts.js";
import { openRun } from "../../src/runs/run.js";
import { fixture } from "../model/open.js";

const medical = new URL("../../src/data/authored/examples/medical/", import.meta.url).pathname;
const rules = readRules(join(medical, "rules.yaml"));
const scratch = mkdtempSync(join(tmpdir(), "erpo-own-rules-"));
const dir = join(scratch, "medical");
const train1 = join(medical, "train1.jsonl");
const options = { profile: "tiny", model: fixture("llama-tiny"), rules };

test("a run of own rules and prompts is recorded, and its traces cite only those rules", async () => {
  const run = await openRun(dir, { ...options, data: { train1 } });
  expect(JSON.parse(readFileSync(run.path("run.json"), "utf8")).rules).toEqual({ name: "medical", digest: rules.digest });
  expect(run.data.train1).toHaveLength(36);
  const prompts = balancedPrompts(run.data.train1, run.rng("test"));
  const cited = prompts.map((prompt, i) => {
    const text = run.model.tokenizer.decode(
      traceRow({ ...prompt, answer: "Yes." }, run.writer, { style: i % 4 === 0 ? "verbose" : "terse", variant: i }).completion,
    );
    expect(text).not.toMatch(/\bR\d+\b/);
    return parseTrace(text)!.rule!;
  });
  expect(new Set(cited)).toEqual(new Set(rules.ids));
});

test("other rules, other prompts and prompts that were not given before are refused", async () => {
  const now = (name: string, digest: string) => `${name} (SHA-256 ${digest.slice(0, 12)})`;
  const refused = (what: string, was: string, is: string, same = "what it was made with") =>
    `${dir} holds a run with ${what} ${was}, not ${is}: open it with ${same}, or choose another folder`;
  const { digest } = rules;
  const defaults = defaultRules();
  await expect(openRun(dir, { ...options, rules: undefined })).rejects.toThrow(
    refused("rules", now("medical", digest), now("default", defaults.digest), "those rules"),
  );
  const { name, rules: list } = rules;
  const reworded = ruleSet({ name, rules: list.map((rule) => ({ ...rule, not: `${rule.not} Or so.` })) });
  await expect(openRun(dir, { ...options, rules: reworded })).rejects.toThrow(now("medical", reworded.digest));

  const other = join(scratch, "other.jsonl");
  const lines = readFileSync(train1, "utf8").split("\n");
  writeFileSync(other, lines.slice(4).join("\n"));
  const sha256 = (path: string) => textSha256(readFileSync(path, "utf8"));
  await expect(openRun(dir, { ...options, data: { train1: other } })).rejects.toThrow(
    refused("own prompts for train1", now("train1.jsonl", sha256(train1)), now("other.jsonl", sha256(other))),
  );
  const dev = join(medical, "dev.jsonl");
  await expect(openRun(dir, { ...options, data: { dev } })).rejects.toThrow(
    refused("own prompts for dev", "from no file", now("dev.jsonl", sha256(dev))),
  );
  expect((await openRun(dir, options)).data.train1).toHaveLength(36); // what is not said is as it was
});

test("a branch has the rules and prompts of its run, which has to be opened with them", async () => {
  const branch = await (await openRun(dir, { ...options, data: { train1 } })).branch(join(scratch, "branch"));
  expect([branch.rules.name, branch.data.train1.length]).toEqual(["medical", 36]);
  const message = `${dir} was made with own prompts for train1 (train1.jsonl): open it with them to branch it`;
  await expect((await openRun(dir, options)).branch(join(scratch, "other-branch"))).rejects.toThrow(message);
});

test("a stage whose prompts nobody gave says so before it computes", async () => {
  const run = await openRun(dir, options);
  await expect(stage2Pairs(run)).rejects.toThrow(
    'this run has no train2 prompts: give some to a new run with openRun(dir, { data: { train2: "FILE.jsonl" } })',
  );
});

test("a set of another name, a file without prompts, and a file in the place of the run's folder are told", async () => {
  const empty = join(scratch, "empty.jsonl");
  writeFileSync(empty, "");
  const open = (data: object, dir = join(scratch, "told")) => openRun(dir, { ...options, data });
  await expect(open({ train: train1 })).rejects.toThrow('data: "train" is no set of prompts; there is: train1, train2, dev, test, general');
  await expect(open({ train1: empty })).rejects.toThrow(`${empty}: there are no prompts in it`);
  await expect(open({ train1 }, empty)).rejects.toThrow(`${empty}: is a file: name a folder for the run`);
});

test("a prompt that names no rule of the set ends the opening, and leaves no data behind", async () => {
  const wrong = join(scratch, "wrong.jsonl");
  writeFileSync(wrong, readFileSync(train1, "utf8").replace('"M3"', '"R99"'));
  const open = () => openRun(join(scratch, "wrong"), { ...options, data: { train1: wrong } });
  const message = `${wrong}:11: category: "R99" is no rule of medical: it has M1, M2, M3, M4, M5`;
  await expect(open()).rejects.toThrow(message);
  await expect(open()).rejects.toThrow(message);
});
