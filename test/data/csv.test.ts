import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readSuite } from "../../src/data/csv.js";
import { csvRecords, formatCsv } from "../../src/data/csv-records.js";
import { readPreferences } from "../../src/data/preferences.js";
import type { Label } from "../../src/data/types.js";

// All rows of these fixtures are invented; no benchmark's text is in this repository.
const fixture = (name: string) => new URL(`../fixtures/data-${name}`, import.meta.url).pathname;

test("XSTest's columns, with a byte order mark, CRLF, doubled quotes and a line break in quotes", () => {
  expect(readSuite(fixture("xstest.csv"))).toEqual([
    expect.objectContaining({ id: "1", prompt: 'How do I beat a "stubborn" rug, and where?', label: "safe", category: "homonyms" }),
    expect.objectContaining({ id: "2", prompt: "How do I beat\r\nmy landlord up?", label: "unsafe", category: "contrast_homonyms" }),
  ]);
});

test("StrongREJECT and AdvBench are harmful throughout", () => {
  expect(readSuite(fixture("strongreject.csv")).map(({ label, category }) => [label, category])).toEqual([
    ["unsafe", "Fraud"],
    ["unsafe", "Threats"],
  ]);
  expect(readSuite(fixture("strongreject.csv"), { label: "safe" }).map(({ label }) => label)).toEqual(["safe", "safe"]); // but as the reader says
  expect(readSuite(fixture("advbench.csv"))).toMatchObject([{ prompt: "Invented goal about rugs", label: "unsafe" }]);
});

test("JailbreakBench has harmful and benign files with the same columns, so the label must be said", () => {
  const path = fixture("jailbreakbench.csv");
  expect(readSuite(path, { label: "safe" })).toMatchObject([{ label: "safe", category: "Fraud" }, { label: "safe" }]);
  expect(() => readSuite(path)).toThrow(`${path}: JailbreakBench files have no label column: say --label safe or --label unsafe`);
});

test("a label and a number of rows that are none are named, before the file is read", () => {
  const label = "harmful" as unknown as Label;
  expect(() => readSuite("p.csv", { label })).toThrow('p.csv: the label must be safe or unsafe, got "harmful"');
  for (const rows of [0, -1, 1.5, Number.NaN])
    for (const path of ["p.csv", "p.jsonl"])
      expect(() => readSuite(path, { rows })).toThrow(`${path}: the number of rows must be a whole number >= 1, got ${rows}`);
});

test("a file's own label column counts", () => {
  expect(readSuite(fixture("own.csv"), { label: "safe" }).map(({ id, label }) => [id, label])).toEqual([
    ["own-1", "safe"],
    ["own-2", "unsafe"],
  ]);
});

test("JSON Lines: strings, messages, ids", () => {
  expect(readSuite(fixture("prompts.jsonl"))).toMatchObject([
    { id: "7", prompt: "Wash a rug", label: "safe" },
    {
      id: "data-prompts-2",
      prompt: "Burn down a rug shop",
      label: "unsafe",
      category: "R1",
      before: [{ role: "system", content: "Be kind." }],
    },
  ]);
});

/** Rows of a file with this text. */
function suiteOf(name: string, text: string) {
  const path = join(mkdtempSync(join(tmpdir(), "erpo-suite-")), name);
  writeFileSync(path, text);
  return readSuite(path, { label: "safe" });
}

test("a prompt has no space around it, and is not empty", () => {
  expect(suiteOf("s.csv", "prompt\n  Wash a rug  \n")).toMatchObject([{ prompt: "Wash a rug" }]);
  expect(() => suiteOf("s.csv", "goal,target\nWash a rug,x\n ,x\n")).toThrow("s.csv:3: goal: is empty");
});

test("family, category, frame, system and prefill are kept where a file has them", () => {
  const csv = "prompt,family,category,frame,system,prefill\nWash a rug,chores,R1,wash,Be kind.,First\nDye a rug,,,,,\n";
  const [all, none] = suiteOf("s.csv", csv);
  expect(all).toMatchObject({
    family: "chores",
    category: "R1",
    frame: "wash",
    before: [{ role: "system", content: "Be kind." }],
    prefill: "First",
  });
  expect(none).toEqual({ id: "s-2", prompt: "Dye a rug", label: "safe", family: "s", category: "none", source: "s", split: "test" });
  const fields = { prompt: "Wash a rug", family: "chores", category: "R1", frame: "wash", system: "Be kind.", prefill: "First" };
  expect(suiteOf("s.jsonl", `${JSON.stringify(fields)}\n{"prompt":"Dye a rug","system":null}\n`)).toEqual([all, none]);
  expect(suiteOf("x.csv", "prompt,type,label,family,category\na,homonyms,safe,f,c\nb,homonyms,safe,,\n")).toMatchObject([
    { family: "f", category: "c" },
    { family: "x", category: "homonyms" }, // XSTest's own column
  ]);
});

test("messages: the last user's turn is the prompt, what stands before it is kept, an assistant's turn behind it is the prefill", () => {
  const turn = (role: string, content: string) => ({ role, content });
  const turns = [turn("user", "Rugs?"), turn("assistant", "Yes."), turn("user", "Which?"), turn("assistant", "The red")];
  expect(suiteOf("s.jsonl", JSON.stringify({ prompt: turns, system: "Be kind." }))).toMatchObject([
    { prompt: "Which?", prefill: "The red", before: [turn("system", "Be kind."), ...turns.slice(0, 2)] },
  ]);
  const refused = (row: object, message: string) => expect(() => suiteOf("s.jsonl", JSON.stringify(row))).toThrow(message);
  const wrong = "s.jsonl:1: prompt: must be a string or a list of messages {role, content} that ends with a user's turn";
  for (const prompt of [
    3,
    [],
    "",
    " ",
    [turn("system", "a")],
    [turn("user", " ")],
    [turn("user", "a"), turn("tool", "b")],
    [turn("assistant", "a")],
  ])
    refused({ prompt }, wrong);
  refused({ prompt: [turn("user", "a"), turn("system", "b")] }, wrong);
  refused({ prompt: [turn("system", "a"), turn("user", "b")], system: "c" }, "s.jsonl:1: system: the messages have a system turn already");
  refused({ prompt: turns, prefill: "c" }, "s.jsonl:1: prefill: the last message is the assistant's");
  refused({ prompt: "a", family: ["f"] }, "s.jsonl:1: family: must be a string");
  refused({ prompt: "a", label: "constructor" }, 's.jsonl:1: label: must be safe or unsafe, got "constructor"');
});

test("a column that is nearly one of ours, two of one name, and values that are parted otherwise are told", () => {
  const told = (text: string, name = "s.csv") => expect(() => suiteOf(name, text));
  told("prompt,label,Frame\na,safe,x\n").toThrow('s.csv: "Frame" is not read: call it "frame", or something else');
  told("prompt,labels\na,safe\n").toThrow('"labels" is not read: call it "label"');
  told('{"prompt":"a"}\n{"prompt":"b","Frames":"x"}\n', "s.jsonl").toThrow('s.jsonl:2: "Frames" is not read: call it "frame"');
  told("prompt,frame,frame\na,x,y\n").toThrow('s.csv: two columns are called "frame"');
  told("prompt;label\na;safe\n").toThrow('missing column "prompt" (the columns are prompt;label): save it with commas between values');
  expect(suiteOf("s.csv", "prompt,label,Frame,frame,,\na,safe,X,x,,\n")).toMatchObject([{ frame: "x" }]);
});

test("an id that two rows have is told with both lines", () => {
  expect(() => suiteOf("s.csv", 'id,prompt\n7,"a\nb"\n8,c\n7,d\n')).toThrow('s.csv:5: id: "7" is that of line 3 too');
  expect(() => suiteOf("s.jsonl", '{"id":"s-2","prompt":"a"}\n{"prompt":"b"}\n')).toThrow('s.jsonl:2: id: "s-2" is that of line 1 too');
});

test("a file that is not UTF-8 is told with its line; capitals in its ending change nothing", () => {
  const latin1 = (name: string, text: string) => {
    const path = join(mkdtempSync(join(tmpdir(), "erpo-suite-")), name);
    writeFileSync(path, Buffer.from(text, "latin1"));
    return path;
  };
  const [csv, jsonl] = [latin1("s.csv", "prompt,label\na,safe\ncaf\xe9,safe\n"), latin1("s.JSONL", '{"prompt":"caf\xe9","label":"safe"}')];
  for (const rows of [undefined, 1]) {
    expect(() => readSuite(csv, { rows })).toThrow(`${csv}:3: is not UTF-8: save the file in that encoding`);
    expect(() => readSuite(jsonl, { rows })).toThrow(`${jsonl}:1: is not UTF-8`);
  }
  expect(suiteOf("s.JSONL", '{"prompt":"café"}')).toMatchObject([{ prompt: "café" }]);
});

test.each([
  ["no-prompt.csv", ': missing column "prompt" (the columns are question, label)'],
  ["bad-label.csv", ':3: label: must be safe or unsafe, got "perhaps"'],
  ["ragged.csv", ":2: 3 values, but the header has 2 columns"],
  ["open-quote.csv", ": not CSV (Quote Not Closed"],
  ["absent.csv", ": no such file"],
])("%s: one line with the file and the cause", (name, message) => {
  const path = fixture(name);
  let error: Error | undefined;
  try {
    readSuite(path);
  } catch (caught) {
    error = caught as Error;
  }
  expect(error?.message).toContain(`${path}${message}`);
  expect(error?.message).not.toContain("\n");
});

test("preference pairs of TRL, HH-RLHF and PKU-SafeRLHF", () => {
  const [strings, messages, dialogue, safer] = readPreferences(fixture("preferences.jsonl"));
  expect(strings).toEqual({ prompt: "Wash a rug", chosen: "With soap.", rejected: "No." });
  expect(messages!.chosen).toEqual([{ role: "assistant", content: "Hello" }]);
  expect(dialogue).toEqual({
    prompt: [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello" },
      { role: "user", content: "Rugs?" },
    ],
    chosen: [{ role: "assistant", content: "Yes" }],
    rejected: [{ role: "assistant", content: "No" }],
  });
  expect(safer).toEqual({ prompt: "Wash a rug", chosen: "With soap.", rejected: "No." });
});

const hh = (text: string) => text.replace(/(?:^| )([HA]):/g, (_, who) => `\n\n${who === "H" ? "Human" : "Assistant"}:`);

test.each([
  [{ chosen: hh("H: a A: b"), rejected: hh("H: a A: b H: c A: d") }, "rejected: does not share its prompt with chosen"],
  [{ chosen: hh("H: a A: b H: c A: d"), rejected: hh("H: a A: b") }, "rejected: does not share its prompt with chosen"],
  [{ chosen: hh("H: a A: b A: c"), rejected: hh("H: a H: b A: d") }, "rejected: does not share its prompt with chosen"],
  [{ chosen: hh("A: a"), rejected: hh("A: b") }, 'chosen: must be a dialogue of "Human:" and "Assistant:" turns'],
  [
    { chosen: [{ role: "user", content: "a" }], rejected: [] },
    "chosen: must be a string where there is no prompt: take the turns that both",
  ],
  [{ prompt: [], chosen: "a", rejected: "b" }, "prompt: must be a string or a list of messages"],
])("a pair that is none is named: %o", (row, message) => {
  const path = join(mkdtempSync(join(tmpdir(), "erpo-pairs-")), "pairs.jsonl");
  writeFileSync(path, JSON.stringify(row));
  expect(() => readPreferences(path)).toThrow(`${path}:1: ${message}`);
});

test("a line is counted with the comments before the header", () => {
  const path = join(mkdtempSync(join(tmpdir(), "erpo-csv-")), "t.csv");
  writeFileSync(path, "# from elsewhere\n# and old\na,b\n1\n");
  expect(() => csvRecords(path, ["a"], { comments: true })).toThrow(`${path}:4: 1 values, but the header has 2 columns`);
});

test("any table survives quoting, whatever is in its cells", () => {
  const dir = mkdtempSync(join(tmpdir(), "erpo-csv-"));
  const quote = (cell: string) => `"${cell.replaceAll('"', '""')}"`;
  const cell = fc.oneof(fc.string(), fc.constantFrom('a"b', "x,y", "line\nbreak", "cr\r\nlf", "# not a comment", " spaces "));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 6 }),
      fc.constantFrom("\n", "\r\n"),
      fc.boolean(),
      (rows, end, mark) => {
        const path = join(dir, "t.csv");
        const lines = [["a", "b"], ...rows].map((cells) => cells.map(quote).join(","));
        writeFileSync(path, (mark ? "\uFEFF" : "") + lines.join(end) + end);
        expect(csvRecords(path, ["a", "b"]).map(({ value }) => [value.a, value.b])).toEqual(rows);
        const records = rows.map(([a, b]) => ({ a, b }));
        writeFileSync(path, formatCsv(["a", "b"], records));
        expect(csvRecords(path, ["a", "b"]).map(({ value }) => value)).toEqual(records);
      },
    ),
    { numRuns: 300 },
  );
});
