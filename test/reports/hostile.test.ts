import fc from "fast-check";
import { expect, test } from "vitest";
import { sanitizeMarkdown, sanitizeOutput, sanitizeSVG } from "../../reports/html/sanitize.js";
import { code, contentOf, documentOf, md, type RawCell, shown } from "./notebooks.js";
import { payloads } from "./payloads.js";

const slots: Record<string, (payload: string) => RawCell> = {
  markdown: (payload) => md(`text ${payload}\n\n${payload}`),
  "markdown link": (payload) =>
    md(`[x](<${payload.replace(/[<>\n]/g, "")}> "${payload.replace(/"/g, "")}") ![y](<${payload.replace(/[<>\n]/g, "")}>)`),
  heading: (payload) => md(`## ${payload.replace(/\n/g, " ")} {#sec-x"${payload.replace(/\s/g, "")}}`),
  mathematics: (payload) => md(`$\\text{${payload}}$ and $\\href{javascript:top.ran=1}{x} \\url{javascript:top.ran=1} \\htmlData{a=b}{x}$`),
  "code fence": (payload) => md(`\`\`\`${payload.replace(/[\n`]/g, "")}\n${payload}\n\`\`\``),
  source: (payload) => code(payload),
  "text/html": (payload) => code("1", [shown({ "text/html": payload })]),
  "a table": (payload) =>
    code("1", [shown({ "text/html": `<table><tr><td>${payload}</td></tr></table>` }, { label: `tbl-x`, "tbl-cap": payload })]),
  "image/svg+xml": (payload) =>
    code("1", [shown({ "image/svg+xml": `<svg xmlns="http://www.w3.org/2000/svg" id="${payload}" viewBox="0 0 9 9">${payload}</svg>` })]),
  "image/png": (payload) => code("1", [shown({ "image/png": payload })]),
  caption: (payload) =>
    code("1", [shown({ "image/svg+xml": "<svg/>" }, { label: `fig-${payload}`, "fig-cap": payload, "fig-alt": payload })]),
  "text/markdown": (payload) => code("1", [shown({ "text/markdown": payload })]),
  "text/latex": (payload) => code("1", [shown({ "text/latex": `$$${payload}$$` })]),
  "text/plain": (payload) => code("1", [shown({ "text/plain": payload })]),
  "a value": (payload) => code("1", [shown({ "application/json": payload }, { label: "val-x", text: payload })]),
  "a stream": (payload) =>
    code("1", [{ output_type: "stream", name: "stdout", text: `\u001b]8;;javascript:top.ran=1\u0007x\u001b]8;;\u0007${payload}` }]),
  "an error": (payload) => code("1", [{ output_type: "error", ename: payload, evalue: payload, traceback: [payload] }]),
  metadata: (payload) => ({
    ...code("1", [shown({ "image/svg+xml": "<svg/>" })]),
    metadata: { label: payload, "fig-cap": payload, tags: [payload] },
  }),
};

/** What runs, loads or leaves the page, wherever it stands inside a tag. */
function dangers(html: string): string[] {
  const tags = html.match(/<[a-zA-Z/!][^>]*>/g) ?? [];
  return tags.filter((tag) => {
    const bare = tag.replace(/"[^"]*"/g, '""');
    const values = [...tag.matchAll(/\s(?:href|src)="([^"]*)"/g)].map(([, value]) => value!);
    return (
      /^<\/?(?:script|style|iframe|object|embed|link|meta|base|form|input|button|video|audio|picture|source|template|foreignobject|use|image|animate|set|main|body|html|!)/i.test(
        tag,
      ) ||
      /\s(?:on\w+|style|srcset|srcdoc|xlink:href|formaction|action)\s*=/i.test(bare) ||
      values.some((value) =>
        /^(?!https?:|mailto:|data:image\/(?:png|jpeg|gif|webp);base64,)[a-z][a-z0-9+.-]*:/i.test(
          value.replace(/^[\0-\x20]+|[\t\r\n]/g, ""),
        ),
      ) ||
      (/^<(?!a\b)/.test(tag) && values.some((value) => /^(?:https?:)?\/\//i.test(value))) ||
      /url\(\s*(?!#)/i.test(bare)
    );
  });
}

test.each(Object.entries(slots))("nothing runs or loads from %s", async (_name, cell) => {
  for (const payload of payloads) {
    const html = await contentOf(documentOf([md("# Title"), cell(payload)]));
    expect(dangers(html), payload).toEqual([]);
  }
});

const markup = fc.array(
  fc.oneof(
    fc.constantFrom("<", ">", "</", "/>", "<!--", "-->", '"', "'", "=", " ", "\n", "&lt;", "&#60;", "<![CDATA[", "]]>", "\0"),
    fc.constantFrom(
      "script",
      "svg",
      "math",
      "mtext",
      "style",
      "img",
      "a",
      "p",
      "title",
      "table",
      "onerror",
      "src",
      "href",
      "xlink:href",
      "javascript:x",
      "url(//x)",
      "id",
      "g",
      "text",
    ),
    fc.constantFrom(...payloads),
    fc.string({ maxLength: 5 }),
  ),
  { maxLength: 12 },
);

test("whatever is thrown at it, the sanitiser lets nothing through that runs or loads", () => {
  fc.assert(
    fc.property(markup, (parts) => {
      const dirty = parts.join("");
      for (const clean of [sanitizeMarkdown(dirty), sanitizeOutput(dirty), sanitizeSVG(`<svg>${dirty}</svg>`, "f-")])
        expect(dangers(clean)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test("what is clean stays as it is", () => {
  fc.assert(
    fc.property(markup, (parts) => {
      const once = sanitizeOutput(parts.join(""));
      expect(sanitizeOutput(once)).toBe(once);
    }),
  );
});

test("ids of one picture do not reach another, and only its own are referred to", () => {
  const svg =
    '<svg><defs><clipPath id="clip0"><rect/></clipPath></defs><g clip-path="url(#clip0)" fill="url(https://evil.example)"><path d="M0,0"/></g></svg>';
  const clean = sanitizeSVG(svg, "b1-");
  expect(clean).toContain('<clipPath id="b1-clip0">');
  expect(clean).toContain('clip-path="url(#b1-clip0)"');
  expect(clean).not.toContain("evil");
});
