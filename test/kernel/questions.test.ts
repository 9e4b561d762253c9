import { mkdtempSync } from "node:fs";
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
