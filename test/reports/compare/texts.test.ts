import fc from "fast-check";
import { expect, test } from "vitest";
import { written } from "../../../reports/compare/parameters.js";
import { distinctNames } from "../../../reports/compare/run-folder.js";
import { changes } from "../../../reports/compare/samples.js";
import { inWords } from "../../../reports/compare/setting-cells.js";
import { MarkdownReader } from "../../../reports/document/markdown.js";
import { codeSpan } from "../../../reports/markdown/escape.js";

const word = fc.constantFrom("a", "the", "<assess>none;", "end", "a & b", "naïve", ",", "R5:", "\n");
const text = fc.array(word, { maxLength: 30 }).map((words) => words.join(" "));
const plainOf = (html: string) =>
  html
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, "&");

test("without what was put in a word diff is the first text, without what was taken out the second", () => {
  expect(changes("I can help with that", "I cannot help with that")).toBe("I <del>can</del><ins>cannot</ins> help with that");
  fc.assert(
    fc.property(text, text, (before, after) => {
      const html = changes(before, after);
      expect(plainOf(html.replace(/<del>[\s\S]*?<\/del>/g, "").replace(/<\/?ins>/g, ""))).toBe(after);
      if (/<(?:ins|del)>/.test(html)) expect(plainOf(html.replace(/<ins>[\s\S]*?<\/ins>/g, "").replace(/<\/?del>/g, ""))).toBe(before);
    }),
  );
});

test("texts without much in common are not diffed", () => {
  expect(changes("one two three four", "something else <entirely>")).toBe("something else &lt;entirely&gt;");
});

test("names are as short as they can be and tell all folders apart", () => {
  expect(distinctNames(["/x/runs/quick", "/x/seed-2"])).toEqual(["quick", "seed-2"]);
  expect(distinctNames(["/a/runs/quick", "/b/runs/quick", "/c"])).toEqual(["a/runs/quick", "b/runs/quick", "c"]);
  const path = fc.array(fc.constantFrom("a", "b", "runs", "quick"), { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
  fc.assert(
    fc.property(fc.uniqueArray(path, { minLength: 1, maxLength: 6 }), (paths) => {
      const names = distinctNames(paths);
      expect(new Set(names).size).toBe(paths.length);
      for (const [i, name] of names.entries()) expect(paths[i]!.endsWith(name)).toBe(true);
    }),
  );
});

test("values in tables: digests short, lists joined, long texts cut", () => {
  expect(written("ab".repeat(32))).toBe("abababababab");
  expect(written(["q_proj", "k_proj"])).toBe("q_proj, k_proj");
  expect(written(undefined)).toBe("–");
  expect(written("x".repeat(200))).toHaveLength(90);
});

test("differing parameters in words: a run without one has no value", () => {
  const setting = (values: unknown[]) => inWords({ differing: [{ name: "seed", values }], same: [] });
  expect(setting([1, 2])).toBe("Parameters that differ: `seed` (`1` and `2`).");
  expect(setting([1, 2, 1])).toBe("Parameters that differ: `seed` (2 values).");
  expect(setting([1, undefined, 1])).toBe("Parameters that differ: `seed` (1 value, 1 run without).");
});

test("a text from a run is code in Markdown, whatever it holds", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: fc.constantFrom("`", "``", "a", "*", "$", "@fig-a", "[x](y)", "<b>") }), (text) => {
      const tokens = new MarkdownReader([]).inline(`${codeSpan(text)}`);
      expect(tokens.map(({ type }) => type)).toEqual(["codespan"]);
    }),
  );
});
