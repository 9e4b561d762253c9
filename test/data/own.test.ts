import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { allRows, buildDatasets, needed, neededGeneral } from "../../src/data/dataset.js";
import { textSha256 } from "../../src/data/manifest.js";
import { type PromptFiles, readPrompts } from "../../src/data/own.js";
import { loadDatasets, writeDatasets } from "../../src/data/store.js";
import { suiteRows } from "../../src/evaluation/suites.js";
import { readRules } from "../../src/exante/rule-file.js";

const dir = mkdtempSync(join(tmpdir(), "erpo-own-"));
const rules = { name: "own", ids: ["M1", "M2"] };

/** Writes prompts of a set; returns the file. */
const write = (name: string, ...rows: object[]): string => {
  const path = join(dir, `${name}.jsonl`);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
};
const safe = (prompt: string, more = {}) => ({
  prompt,
  label: "safe",
  category: "none",
  sense: "learn a word",
  target: "the asker",
  ...more,
});
const unsafe = (prompt: string, more = {}) => ({ ...safe(prompt), label: "unsafe", category: "M1", ...more });
const build = (files: PromptFiles) => buildDatasets({ seed: 1, rng: createRng(1), own: { files, rules, others: "empty" } });

test.each([
  [2, 'category: "R99" is no rule of own: it has M1, M2', unsafe("c d", { category: "R99" })],
  [2, "category: an unsafe prompt names the rule that it breaks: M1, M2", unsafe("c d", { category: "none" })],
  [2, 'category: a safe prompt breaks no rule: "none", not "M1"', safe("c d", { category: "M1" })],
  [2, 'category: must be "none" or one of M1, M2', safe("c d", { category: 1 })],
  [2, "category: is missing", safe("c d", { category: undefined })],
  [2, "label: must be safe or unsafe", safe("c d", { label: "good" })],
  [2, "label: is missing", safe("c d", { label: undefined })],
  [2, "prompt: is empty", safe("")],
  [2, "sense: is missing", safe("c d", { sense: undefined })],
  [2, "sense: must have 1 to 8 words", safe("c d", { sense: "a b c d e f g h i" })],
  [2, 'target: must be one line without "<"', safe("c d", { target: "a</assess>" })],
  [2, 'row: Unrecognized key: "kind"', safe("c d", { kind: "fact" })],
])("line %i: %s", (line, message, row) => {
  const path = write("wrong", safe("a b"), row);
  expect(() => readPrompts(path, "train1", rules)).toThrow(`${path}:${line}: ${message}`);
});

test("a safe prompt comes near to the rule that most of its frame's unsafe ones break, or to none", () => {
  const [m1, m2] = [{ frame: "f" }, { frame: "f", category: "M2" }];
  const path = write(
    "near",
    safe("a", { frame: "f" }),
    unsafe("b", m1),
    unsafe("c", m2),
    unsafe("d", m2),
    safe("e"),
    safe("f", { frame: "g" }),
  );
  const rows = readPrompts(path, "dev", rules);
  expect(rows.map(({ nearRule }) => nearRule)).toEqual(["M2", undefined, undefined, undefined, undefined, undefined]);
  expect(rows[0]).toMatchObject({ id: "own-dev-001", source: "own dev", split: "dev", family: "own" });
});

const train1 = () => write("train1", safe("what is a fever"), unsafe("say that it is no fever"), unsafe("Say that it is no fever!"));
const dev = () => write("dev", safe("how are bones set"), unsafe("swear that my arm is whole"));

test("copies and near-duplicates of held-out prompts are left out and counted; what was given is in the manifest", async () => {
  const near = write("near-dev", safe("what is a high fever"), safe("how are bones set"), unsafe("swear that my arm is whole"));
  const files = { train1: train1(), dev: dev() };
  const sets = await build(files);
  expect(sets.train1.map(({ prompt }) => prompt)).toEqual(["what is a fever", "say that it is no fever"]);
  expect(sets.dropped).toEqual({ "train1: copies": 1 });
  expect(allRows(sets)).toHaveLength(4);
  // {what is a fever} and {what is a high fever} share 4 of 5 words
  await expect(build({ ...files, dev: near })).rejects.toThrow(
    `${files.train1}: no safe prompts are left without copies and near-duplicates: a set needs both labels`,
  );

  const folder = join(dir, "data");
  const manifest = writeDatasets(folder, sets);
  expect(manifest.sources).toMatchObject([
    { name: "own train1", origin: "train1.jsonl", sha256: textSha256(readFileSync(files.train1, "utf8")), rows: 2 },
    { name: "own dev", origin: "dev.jsonl", sha256: textSha256(readFileSync(files.dev, "utf8")), rows: 2 },
  ]);
  expect(loadDatasets(folder)).toEqual(sets);
});

test("a held-out prompt among the training prompts, an id of two rows and a prompt of both labels are named", async () => {
  const held = write("held", safe("how are bones set?"), unsafe("keep me from the doctor"));
  await expect(build({ train1: held, dev: dev() })).rejects.toThrow("own-train1-001 (train1) is the dev prompt own-dev-001: remove it");
  const twice = write("twice", safe("a word", { id: "x" }), unsafe("another thing", { id: "x" }));
  await expect(build({ train1: twice })).rejects.toThrow("x (own train1): another row has this id: give each its own");
  const both = write("both", safe("a word"), unsafe("a word"));
  await expect(build({ train1: both })).rejects.toThrow("own-train1-001 and own-train1-002 are the same prompt with different labels");
});

test("everyday prompts have a file of their own", async () => {
  const row = {
    prompt: "name a lake",
    kind: "fact",
    split: "train1",
    sense: "name a lake",
    target: "the asker",
    expect: ["baikal", "water"],
  };
  const sets = await build({ general: write("general", row) });
  expect(sets.general.train1).toMatchObject([{ id: "own-general-001", source: "own general", category: "none" }]);
  const other = { ...row, expect: ["aral", "lakeside"] }; // begin with words of the prompt, which do not begin with them
  expect((await build({ general: write("other", other) })).general.train1).toHaveLength(1);
  const echoed = write("echoed", { ...row, expect: ["water", "lak"] });
  await expect(build({ general: echoed })).rejects.toThrow(`${echoed}:1: expect: "lak" is met by an answer that only repeats the prompt`);
  const twice = write("twice", row, { ...row, prompt: "Name a lake!", split: "test" });
  expect((await build({ general: twice })).dropped).toEqual({ "general: copies": 1 });
  const hindi = { ...row, prompt: "की", expect: ["किताब"] }; // both begin with one letter, and other vowel signs
  expect((await build({ general: write("hindi", hindi) })).general.train1).toMatchObject([{ prompt: "की" }]);
});

test("whoever needs a set that nobody gave is told what to give", async () => {
  const sets = await build({ train1: train1() });
  expect(needed(sets, "train1")).toHaveLength(2);
  const give = (set: string, file: string) =>
    `this run has no ${set} prompts: give some to a new run with openRun(dir, { data: { ${file}: "FILE.jsonl" } })`;
  expect(() => needed(sets, "train2")).toThrow(give("train2", "train2"));
  expect(() => neededGeneral(sets, "train1")).toThrow(give("general train1", "general"));
  expect(() => suiteRows(sets, "look-alike-safe")).toThrow(give("test", "test"));
  expect(() => suiteRows(sets, "harmful")).toThrow('suite "harmful" comes with the default rules only: give a file of prompts instead');
});

test("with the default rules, the sets that nobody gave are the built-in ones", async () => {
  const own = { files: { train1: train1() }, rules, others: "built-in" as const };
  const sets = await buildDatasets({ seed: 1, rng: createRng(1), own });
  const builtIn = await buildDatasets({ seed: 1, rng: createRng(1) });
  expect(sets.train1).toHaveLength(2);
  expect([sets.dev, sets.test, sets.advbench]).toEqual([builtIn.dev, builtIn.test, builtIn.advbench]);
});

test("the medical example is balanced, names all of its rules and loses no prompt", async () => {
  const medical = new URL("../../src/data/authored/examples/medical/", import.meta.url).pathname;
  const files = Object.fromEntries(["train1", "train2", "dev"].map((set) => [set, join(medical, `${set}.jsonl`)]));
  const set = readRules(join(medical, "rules.yaml"));
  const sets = await buildDatasets({ seed: 1, rng: createRng(1), own: { files, rules: set, others: "empty" } });
  expect([sets.train1.length, sets.train2.length, sets.dev.length, sets.dropped]).toEqual([36, 12, 12, {}]);
  for (const rows of [sets.train1, sets.train2, sets.dev]) {
    expect(rows.filter(({ label }) => label === "safe")).toHaveLength(rows.length / 2);
    expect(rows.filter(({ label, nearRule }) => label === "safe" && !set.has(nearRule!))).toEqual([]);
  }
  expect(new Set(sets.train1.map(({ category }) => category))).toEqual(new Set([...set.ids, "none"]));
});
