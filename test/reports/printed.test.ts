import { expect, test } from "vitest";
import { printedHTML } from "../../reports/html/printed.js";
import { lineGroups } from "../../reports/html/text-tables.js";

const tables = (...lines: string[]) => lineGroups(lines).flatMap((group) => (group.table ? group.lines : []));

test.each([
  ["columns by spaces", ["name      AUC", "stage 1  0.91", "stage 2  0.93"]],
  ["columns by tabs", ["name\tAUC", "stage 1\t0.91"]],
  ["a rule below the names", ["name     AUC", "------------", "stage 1  0.91"]],
  ["a rule at its end", ["a    1", "b    2", "------"]],
  ["a frame", ["┌───┬───┐", "│ a │ b │", "└───┴───┘"]],
  ["Markdown", ["| a | b |", "|---|---|", "| 1 | 2 |"]],
  ["in colours", ["\u001b[1mname\u001b[0m   AUC", "stage  \u001b[31m0.91\u001b[0m"]],
])("a table is kept whole: %s", (_, lines) => {
  expect(tables(...lines)).toEqual(lines);
  expect(tables("A sentence before it.", ...lines, "", "One behind it.")).toEqual(lines);
});

test.each([
  ["sentences", ["Only stage 1 is right on 21 of the contrasts.", "Chance explains that (p = 0.11), so these prompts show no difference."]],
  ["two spaces behind a sentence", ["It holds.  The rest does, too.", "It does.  So does this."]],
  ["a value behind its name, alone", ["prompt: Can I?", "row:    <assess>none</assess>"]],
  ["indented text", ["{", "  a: 1,", "      b: 2", "}"]],
  ["a rule alone", ["----------", "Part two", "=========="]],
])("is no table: %s", (_, lines) => {
  expect(tables(...lines)).toEqual([]);
});

test("every line stands once and in order, escaped; a colour goes on over the edge of a table", () => {
  const text = "\u001b[31mBefore <b>\na   1\nb   2\nbehind\u001b[0m";
  const html = printedHTML(text);
  expect(html).toBe(
    [
      '<span class="ansi-red-fg">Before &lt;b&gt;</span>',
      '<span class="columns"><span class="ansi-red-fg">a   1',
      "b   2</span></span>",
      '<span class="ansi-red-fg">behind</span>',
    ].join("\n"),
  );
  expect(printedHTML("")).toBe("");
});

test("a terminal's link keeps its words", () => {
  expect(
    printedHTML("see \u001b]8;;https://a.org\u0007the\u001b]8;;\u0007 \u001b]8;id=1;https://a.org\u001b\\page\u001b]8;;\u001b\\."),
  ).toBe("see the page.");
});

test("long lines of one letter are read in no time", () => {
  for (const letter of ["-", " ", "|", "│", "\t", "x "]) {
    const began = performance.now();
    lineGroups([`a${letter.repeat(100_000)}b`, `a${letter.repeat(100_000)}`]);
    expect(performance.now() - began).toBeLessThan(1000);
  }
});
