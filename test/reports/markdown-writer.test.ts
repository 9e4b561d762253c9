import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Marked, type Token } from "marked";
import markedFootnote from "marked-footnote";
import { expect, test } from "vitest";
import { anchor } from "../../reports/document/anchors.js";
import { walk } from "../../reports/document/markdown.js";
import { atStart, codeBlock, codeSpan, escapeMarkdown } from "../../reports/markdown/escape.js";
import { renderReports } from "../../reports/report.js";
import { code, md, type RawCell, shown, writeNotebook } from "./notebooks.js";
import { payloads } from "./payloads.js";

const lexer = new Marked({ gfm: true });
const withFootnotes = new Marked({ gfm: true }).use(markedFootnote());

/** The Markdown of a notebook, and its tokens as GitHub reads them. */
async function written(cells: RawCell[], metadata = {}): Promise<{ text: string; tokens: Token[] }> {
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const { failures } = await renderReports([writeNotebook(cells, "nb.ipynb", metadata)], { output, to: ["markdown"] });
  expect(failures).toEqual([]);
  const text = readFileSync(join(output, "nb.md"), "utf8");
  return { text, tokens: [...walk(withFootnotes.lexer(text))] };
}

test("no HTML of a notebook survives, and links lead to pages and mail only", async () => {
  const cells = payloads.flatMap((payload, i) => {
    const line = payload.replace(/\s+/g, " ");
    return [
      md(`text ${payload}\n\n${payload}\n\n## ${line}\n\n- ${payload}\n\n> ${payload}`),
      md(
        `[x](<${line.replace(/[<>]/g, "")}> "${line.replace(/"/g, "")}") ![y](<${line.replace(/[<>]/g, "")}>) [z](javascript:x) [d](data:text/html,x)`,
      ),
      md(`$${payload}$ $\\text{${payload}}$\n\n$$\na < b ${payload}\n$$\n\n$$\na <b> c\n$$`),
      md(
        `\`\`\`${line.replace(/`/g, "")}\n${payload}\n\`\`\`\n\n[^n${i}]\n\n[^n${i}]: ${payload}\n\n| ${line.replaceAll("|", "")} |\n| --- |\n| ${line.replaceAll("|", "")} |`,
      ),
      code(`${payload}\n\`\`\`\n${payload}`, [
        shown({ "text/html": payload }),
        shown({ "text/html": `<table><tr><td>${payload}</td></tr></table>` }, { label: `tbl-${i}`, "tbl-cap": payload }),
        shown({ "image/svg+xml": '<svg width="9" height="9"/>' }, { label: `fig-${i}`, "fig-cap": payload, "fig-alt": payload }),
        shown({ "text/markdown": payload }),
        shown({ "text/latex": payload }),
        shown({ "text/plain": `\`\`\`\n${payload}` }),
        shown({ "application/json": 1 }, { label: `val-${i}`, text: payload }),
        { output_type: "error", ename: payload, evalue: payload, traceback: [payload] },
      ]),
    ];
  });
  const { text, tokens } = await written(cells, { title: payloads[0], authors: payloads });
  expect(tokens.filter(({ type }) => type === "html").map(({ raw }) => raw)).toEqual([]);
  for (const token of tokens)
    if (token.type === "link" || token.type === "image") expect(token.href).not.toMatch(/^(?!https?:|mailto:)[a-z][a-z0-9+.-]*:/i);
  // Where a reader knows no mathematics, dollars protect nothing.
  expect(text.replace(/^(`{3,}).*\n[\s\S]*?\n\1$|(`+)(?!`)[\s\S]*?[^`]\2(?!`)|\\</gm, "")).not.toMatch(/<[a-z!/?]/i);
});

test("text is shown as it is", () => {
  const parts = fc.array(
    fc.oneof(
      fc.constantFrom(
        "*",
        "_",
        "`",
        "[",
        "]",
        "(",
        ")",
        "<b>",
        "&amp;",
        "&",
        "#",
        "- ",
        "1. ",
        "> ",
        "|",
        "$",
        "~~",
        "!",
        "\\",
        "a",
        " ",
        "http://x.org",
        "=",
        "+",
      ),
      fc.string({ unit: "grapheme", maxLength: 4 }),
    ),
    { maxLength: 15 },
  );
  fc.assert(
    fc.property(parts, (some) => {
      const text = `x${some.join("")}x`.replace(/\s+/g, " ").replace(/\p{Cc}/gu, "");
      const html = lexer.parse(atStart(escapeMarkdown(text)), { async: false }).replace(/<a href="[^"]*">|<\/a>/g, "");
      const entities: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
      // The backslash before | and $ is read by GitHub, not by marked.
      const shownText = html.replace(/^<p>|<\/p>\n$/g, "").replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => entities[entity]!);
      expect(shownText).toBe(text);
    }),
    { numRuns: 1000 },
  );
});

test("what would begin a block does not", () => {
  for (const text of ["# a", "- a", "+ a", "1. a", "23) a", "> a", "=== a", "--- a", "* a", "```", "~~~", "<div>", "| a |", "[a]: b"]) {
    const [token] = lexer.lexer(atStart(escapeMarkdown(text)));
    expect(token!.type, text).toBe("paragraph");
  }
});

test("nor does what stands behind a hard break", async () => {
  const lines = ["\\# a", "\\- a", "1\\. a", "\\> a", "=== a"];
  const { tokens } = await written([md(lines.map((line) => `first  \n${line}`).join("\n\n"))]);
  expect(tokens.filter(({ type }) => type === "br")).toHaveLength(lines.length);
  const blocks = tokens.filter(({ type }) => ["heading", "list", "blockquote"].includes(type));
  expect(blocks.map(({ raw }) => raw.trim())).toEqual(["# nb", "## Provenance"]);
});

test("a bar in a table's code or formula ends no cell", async () => {
  const row = "| `a \\| b` | $\\pi(y \\| x)$ | $\\text{a\\|b}$ | c |";
  const cell = "<table><tr><th>h</th></tr><tr><td><code>x|y</code></td></tr></table>";
  const { text, tokens } = await written([
    md(`# T\n\n| h | i | j | k |\n|---|---|---|---|\n${row}`),
    code("1", [shown({ "text/html": cell })]),
  ]);
  const rows = tokens.flatMap((token) =>
    token.type === "table" ? token.rows.map((cells: { text: string }[]) => cells.map(({ text }) => text)) : [],
  );
  expect(rows.slice(0, 2)).toEqual([["`a | b`", "$\\pi(y \\vert x)$", "$\\text{a|b}$", "c"], ["`x|y`"]]);
  expect(text).toContain("`x\\|y`");
});

test("code keeps its backticks", () => {
  expect(codeSpan("a ` b")).toBe("``a ` b``");
  expect(codeSpan("`a")).toBe("`` `a ``");
  expect(codeSpan(" a ")).toBe("`  a  `"); // of which a reader takes one space off each end
  expect(codeBlock("a\n````\nb", "ts x")).toBe("`````tsx\na\n````\nb\n`````");
});

test("anchors are GitHub's", () => {
  expect(anchor("2.1 What's new? – É_x")).toBe("21-whats-new--é_x");
});
