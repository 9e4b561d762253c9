import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { renderReports } from "../../reports/report.js";
import { launchChromium, openDetails, openPage, testChromium } from "../chromium.js";
import { code, md, shown, writeNotebook } from "./notebooks.js";
import { payloads } from "./payloads.js";
import { slots } from "./slots.js";

const executablePath = testChromium();
const browserTest = test.skipIf(!executablePath);
let browser: Browser;
beforeAll(async () => {
  if (executablePath) browser = await launchChromium(executablePath);
});
afterAll(() => browser?.close());

/** What a page may consist of, judged by the browser's own parser: anything else is listed. */
const LOOK = `(() => {
  const protocol = (element) => element.protocol ?? Object.assign(document.createElement("a"), { href: element.getAttribute("href") }).protocol; // MathML has no links
  const wrong = typeof ran === "undefined" ? [] : ["a payload ran"];
  const banned = "script,iframe,frame,object,embed,link,base,form,input:not(#report-code),button,textarea,select,video,audio,source,track,template,portal,dialog,use:not([href^='#']),image:not([href^='data:image/']),feImage,animate,animateTransform,set,foreignObject,maction,annotation-xml,meta[http-equiv]:not([http-equiv=Content-Security-Policy])";
  for (const element of document.querySelectorAll("body *, head *")) {
    if (element.matches(banned) || element.namespaceURI.endsWith("svg") && element.localName === "a") wrong.push(element.outerHTML.slice(0, 100));
    for (const { name, value } of element.attributes) {
      if (/^on|^style$|^srcset$|^ping$|^background$|^xlink|^action$|^formaction$/i.test(name)) wrong.push(name + "=" + value.slice(0, 80));
      if (/url\\s*\\((?!#)/i.test(value) && element.namespaceURI.endsWith("svg") && !/^aria-|^id$/.test(name)) wrong.push(name + "=" + value.slice(0, 80));
      if (name === "src" && !/^data:image\\/(png|jpeg|gif|webp|svg\\+xml);base64,/.test(value)) wrong.push("src=" + value.slice(0, 80));
    }
    // ":" is what the browser says of an address that it cannot read and does not follow
    if (element.hasAttribute("href") && element.localName !== "image" && !["http:", "https:", "mailto:", "file:", ":"].includes(protocol(element))) wrong.push("href=" + element.getAttribute("href").slice(0, 80));
  }
  return [...new Set(wrong)];
})()`;

const POLICY = /<meta http-equiv="Content-Security-Policy"[^>]*>/;

/** Opens a page and waits: what it asked for besides itself, what ran, what it consists of that it must not. */
async function watch(file: string): Promise<string[]> {
  const { page, requests, messages } = await openPage(browser, file, 1280);
  await openDetails(page);
  await new Promise((resolve) => setTimeout(resolve, 150));
  const wrong = (await page.evaluate(LOOK)) as string[];
  await page.close();
  const told = messages.filter((message) => !/^Error: <\w+> attribute \w+: /.test(message)); // a number that is none, in an SVG
  return [...requests.slice(1), ...told, ...wrong];
}

browserTest("what runs or loads is seen", async () => {
  const file = join(dirname(writeNotebook([])), "page.html");
  const seen: [string, string | RegExp][] = [
    ["<script>top.ran=1</script>", "a payload ran"],
    ["<img src=x onerror=top.ran=1>", "a payload ran"],
    ["<img src=https://evil.example/pixel.png>", "https://evil.example/pixel.png"],
    ["<div style='background:url(https://evil.example/x)'>x</div>", "https://evil.example/x"],
    ["<a href=' java\nscript:top.ran=1'>x</a>", "href= java\nscript:top.ran=1"],
    ["<svg><use href='https://evil.example/x.svg#a'/></svg>", /^<use/],
  ];
  for (const [payload, sign] of seen) {
    writeFileSync(file, payload);
    const expected = typeof sign === "string" ? sign : expect.stringMatching(sign);
    expect(await watch(file), payload).toContainEqual(expected);
  }
});

test("the corpus has at least 60 payloads", () => expect(new Set(payloads).size).toBeGreaterThanOrEqual(60));

browserTest.each(Object.entries(slots))(
  "all payloads in %s: nothing runs, nothing is asked for, with and without the page's policy",
  async (_name, fill) => {
    const { cells, metadata, bibliography = "@misc{known, title={Known}}" } = fill(payloads);
    const notebook = writeNotebook([md("# Title"), ...cells], "hostile.ipynb", metadata);
    const folder = dirname(notebook);
    writeFileSync(join(folder, "references.bib"), bibliography);
    const second = join(folder, "other.ipynb");
    writeFileSync(second, readFileSync(notebook)); // two, so that there is an index
    const { failures } = await renderReports([notebook, second], { output: folder, to: ["html", "slides"] });
    expect(failures).toEqual([]);
    const deck = join(folder, "hostile.slides.html");
    const slides = readFileSync(deck, "utf8");
    expect(slides).toMatch(POLICY);
    writeFileSync(
      deck,
      slides.replace(POLICY, "").replace(/<script>\/\/ Runs in the reader's browser[\s\S]*?<\/script>(?=\n<\/body>)/, ""),
    );
    expect(await watch(deck)).toEqual([]);
    const file = join(folder, "hostile.html");
    expect(await watch(file)).toEqual([]);
    expect(await watch(join(folder, "index.html"))).toEqual([]);
    const page = readFileSync(file, "utf8");
    expect(page).toMatch(POLICY);
    writeFileSync(file, page.replace(POLICY, ""));
    expect(await watch(file)).toEqual([]);
  },
);

browserTest("a notebook's file name is text", async () => {
  const notebook = writeNotebook([code("1")], '"><img src=x onerror=top.ran=1>.ipynb');
  const { written } = await renderReports([notebook, writeNotebook([md("# B")], "b.ipynb")], { output: dirname(notebook) });
  for (const file of written) {
    const plain = join(dirname(notebook), "page.html");
    writeFileSync(plain, readFileSync(file, "utf8").replace(POLICY, ""));
    expect(await watch(plain)).toEqual([]);
  }
});

const chart = (more: Record<string, unknown>) => ({
  data: { values: [{ a: 1, b: "x" }] },
  mark: "point",
  encoding: { x: { field: "a", type: "quantitative" } },
  ...more,
});
/** Specifications without a picture of them: they are drawn here. */
const specifications: Record<string, Record<string, unknown>> = {
  "data from the network": chart({ data: { url: "https://evil.example/x.csv" } }),
  "data from a file": chart({ data: { url: "file:///etc/passwd", format: { type: "csv" } } }),
  "look-up data": chart({ transform: [{ lookup: "a", from: { data: { url: "https://evil.example/x.json" }, key: "a", fields: ["b"] } }] }),
  "a picture mark": chart({ mark: { type: "image", url: "https://evil.example/x.png", width: 9, height: 9 } }),
  "a link": chart({ mark: { type: "point", href: "javascript:top.ran=1" }, encoding: { href: { value: "javascript:top.ran=1" } } }),
  "an expression that reaches out": chart({ transform: [{ calculate: "datum.constructor.constructor('process.exit(3)')()", as: "c" }] }),
  "an expression with toString": chart({
    transform: [{ calculate: "replace('a', /a/, {toString: 'x'.constructor})", as: "c" }],
    params: [{ name: "p", expr: "event.view.eval('top.ran=1')" }],
  }),
  "markup as text": chart({ mark: { type: "text", text: "</text><script>top.ran=1</script>" }, title: "<script>top.ran=1</script>" }),
  "markup as font, colour, description": chart({
    description: '"><script>top.ran=1</script>',
    mark: { type: "text", font: "'\"><script>top.ran=1</script>", color: "url(https://evil.example/x)", text: "x" },
    background: "url(https://evil.example/y)",
  }),
  "a theme's usermeta": chart({
    usermeta: { embedOptions: { loader: { baseURL: "https://evil.example" } } },
    config: { font: "url(https://evil.example)" },
  }),
  "rows that fill the memory": chart({ data: { sequence: { start: 0, stop: 3e7, as: "a" } } }),
  "rows without end": chart({ data: { sequence: { start: 0, stop: 1e12, as: "a" } } }),
};

browserTest.each(Object.entries(specifications))("a figure with %s", async (_name, spec) => {
  const bundle = (mime: string) => shown({ [mime]: spec }, { label: "fig-x", "fig-cap": "x", "fig-alt": "x" });
  const notebook = writeNotebook([md("# T"), code("1", [bundle("application/vnd.vegalite.v6+json")])]);
  const output = dirname(notebook);
  expect((await renderReports([notebook], { output })).failures).toEqual([]);
  const file = join(output, "nb.html");
  const page = readFileSync(file, "utf8");
  expect(page).toMatch(/<svg|this figure cannot be drawn/);
  writeFileSync(file, page.replace(POLICY, ""));
  expect(await watch(file)).toEqual([]);
});
