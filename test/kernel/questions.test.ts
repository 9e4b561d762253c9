import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createLanguage } from "../../kernel/language/language.js";
import { answerQuestion } from "../../kernel/language/questions.js";

const language = createLanguage(mkdtempSync(join(tmpdir(), "erpo-questions-")), new Set(), () => false);
const ask = (type: string, content: object) => answerQuestion(language, `${type}_request`, { ...content });
language.commit({ label: "In[1]", code: "const known: number = 1; const knot = 2;", names: ["known", "knot"] });

test("a completion has the protocol's shape, with places in the reader's text", () => {
  const answer = ask("complete", { code: "%%time\nkno", cursor_pos: 10 });
  expect(answer).toEqual({
    status: "ok",
    matches: ["knot", "known"],
    cursor_start: 7,
    cursor_end: 10,
    metadata: {
      _jupyter_types_experimental: [
        { text: "knot", type: "const", start: 7, end: 10 },
        { text: "known", type: "const", start: 7, end: 10 },
      ],
    },
  });
});

test("an inspection shows a name's type, or that nothing is known", () => {
  expect(ask("inspect", { code: "known", cursor_pos: 1 })).toEqual({
    status: "ok",
    found: true,
    data: { "text/plain": "const known: number", "text/markdown": "```typescript\nconst known: number\n```" },
    metadata: {},
  });
  expect(ask("inspect", { code: "// words", cursor_pos: 5 })).toEqual({ status: "ok", found: false, data: {}, metadata: {} });
});

test("unfinished text asks for more", () => {
  expect(ask("is_complete", { code: "f(" })).toEqual({ status: "incomplete", indent: "  " });
});

test("text of another language has no completions", () => {
  expect(ask("complete", { code: "%%bash\nkno", cursor_pos: 10 })).toMatchObject({ status: "ok", matches: [] });
});

test("what goes wrong is the answer", () => {
  expect(ask("no_such", {})).toMatchObject({ status: "error", ename: "TypeError" });
});

test("strings are completed with modules, the kernel's and the notebook's, and with files", () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-paths-"));
  mkdirSync(join(folder, "data"));
  for (const file of ["helper.ts", "data/test.csv", "data/train set.csv", "data/.hidden"]) writeFileSync(join(folder, file), "export {};");
  const own = createLanguage(folder, new Set(), () => false);
  const matches = (code: string) => {
    const { matches, cursor_start } = answerQuestion(own, "complete_request", { code, cursor_pos: code.length });
    return (matches as string[]).map((match) => code.slice(0, cursor_start as number) + match);
  };
  expect(matches('import {} from "./h')).toEqual(['import {} from "./helper']);
  expect(matches('import {} from "erp')).toEqual(['import {} from "erpo']);
  expect(matches('import {} from "node:fs/')).toEqual(['import {} from "node:fs/promises']);
  expect(matches('await import("danf')).toEqual(['await import("danfojs-node']);
  expect(matches('read("da')).toEqual(['read("data/']);
  expect(matches('read("data/t')).toEqual(['read("data/test.csv', 'read("data/train set.csv']);
  expect(matches('read("data/.')).toEqual(['read("data/.hidden']);
  expect(matches('const plain = "da')).toEqual([]);
  expect(matches('// read("data/t')).toEqual([]);
});

const messages = (code: string, among = language) => {
  const checked = among.compile(code, "strict");
  return "faults" in checked ? checked.faults.map(({ message }) => message) : [];
};

test("a name that nothing declares is looked for in erpo and in Node", () => {
  expect(messages("display(1)")).toEqual([`Cannot find name 'display'. It comes with: import { display } from "erpo";`]);
  expect(messages("readFileSync('a')")).toEqual([
    `Cannot find name 'readFileSync'. It comes with: import { readFileSync } from "node:fs";`,
  ]);
  expect(messages("nowhereAtAll")).toEqual(["Cannot find name 'nowhereAtAll'."]);
});

test.each([
  ["join('a', 'b')", 'import { join } from "node:path";'],
  ["resolve('a')", 'import { resolve } from "node:path"; or import { resolve } from "node:dns";'],
  ["assert(1)", 'import assert from "node:assert";'],
  ["deepStrictEqual(1, 1)", 'import { deepStrictEqual } from "node:assert";'],
  ["fs.readFileSync('a')", 'import fs from "node:fs";'],
  ["new EventEmitter()", 'import { EventEmitter } from "node:events";'],
  ["readFile('a')", 'import { readFile } from "node:fs"; or import { readFile } from "node:fs/promises";'],
  ["const options = { basename };", 'import { basename } from "node:path";'],
  ["new DataFrame([[1]])", 'import { DataFrame } from "danfojs-node";'],
  ["tf.tensor([1])", 'import * as tf from "@tensorflow/tfjs";'],
  ["z.string()", 'import { z } from "zod";'],
  ["marked('*x*')", 'import { marked } from "marked";'],
])("%s: what to import is said", (code, lines) => {
  expect(messages(code)).toEqual([expect.stringMatching(/^(?:Cannot find name|No value exists in scope)/)]);
  expect(messages(code)[0]!.split("It comes with: ")[1]).toBe(lines);
  for (const line of lines.split(" or ")) expect([line, messages(line)]).toEqual([line, []]);
});

test("a name is looked for in files beside the notebook, too", () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-questions-"));
  writeFileSync(join(folder, "tools.ts"), "export function sharpen() {} const join = 1; export { join }; function hidden() {}");
  mkdirSync(join(folder, "folder.ts"));
  const own = createLanguage(folder, new Set(), () => false);
  expect(messages("sharpen()", own)[0]).toContain('It comes with: import { sharpen } from "./tools.ts";');
  expect(messages("join('a')", own)[0]).toContain('import { join } from "./tools.ts"; or import { join } from "node:path";');
  expect(messages("hidden()", own)).toEqual(["Cannot find name 'hidden'."]);
});
