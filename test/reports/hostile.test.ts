import fc from "fast-check";
import { expect, test } from "vitest";
import { sanitizeMarkdown, sanitizeOutput, sanitizeSVG } from "../../reports/html/sanitize.js";
import { contentOf, documentOf, md } from "./notebooks.js";
import { payloads } from "./payloads.js";
import { slots } from "./slots.js";

/** What runs, loads or leaves the page, wherever it stands inside a tag. */
function dangers(html: string): string[] {
  const tags = html.match(/<[a-zA-Z/!][^>]*>/g) ?? [];
  return tags.filter((tag) => {
    const bare = tag.replace(/"[^"]*"/g, '""');
    const values = [...tag.matchAll(/\s(?:href|src)="([^"]*)"/g)].map(([, value]) => value!);
    return (
      /^<\/?(?:script|style|iframe|object|embed|link|meta|base|form|input|button|video|audio|picture|source|template|foreignobject|animate|set|main|body|html|!)/i.test(
        tag,
      ) ||
      (/^<use\b/i.test(tag) && !values.every((value) => value.startsWith("#"))) || // a part of the same picture
      (/^<image\b/i.test(tag) && !values.every((value) => value.startsWith("data:image/"))) ||
      /\s(?:on\w+|style|srcset|srcdoc|xlink:href|formaction|action)\s*=/i.test(bare) ||
      values.some(
        (value) =>
          !(/^<img\b/.test(tag) && value.startsWith("data:image/svg+xml;base64,")) && // where SVG neither runs nor loads anything
          /^(?!https?:|mailto:|data:image\/(?:png|jpeg|gif|webp);base64,)[a-z][a-z0-9+.-]*:/i.test(
            value.replace(/^[\0-\x20]+|[\t\r\n]/g, ""),
          ),
      ) ||
      (/^<(?!a\b)/.test(tag) && values.some((value) => /^(?:https?:)?\/\//i.test(value))) ||
      /url\(\s*(?!#)/i.test(bare)
    );
  });
}

test.each(Object.entries(slots))("nothing runs or loads from %s", async (_name, notebook) => {
  for (const payload of payloads) {
    const { cells, metadata } = notebook([payload]);
    const html = await contentOf(documentOf([md("# Title"), ...cells], undefined, metadata));
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
  const uses =
    '<svg><use xlink:href="#a"/><use href="https://evil.example/x.svg#a"/><image href="https://evil.example/x.png"/><use/></svg>';
  expect(sanitizeSVG(uses, "b1-")).toBe('<svg><use href="#b1-a"></use></svg>');
});
