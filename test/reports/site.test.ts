import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newestRun } from "../../reports/site/pages.js";
import { buildSite, replaceSite, type SiteResult } from "../../reports/site/site.js";
import { launchChromium, openDetails, openPage, testChromium } from "../chromium.js";

const executablePath = testChromium();
const browserTest = test.skipIf(!executablePath);
const scratch = mkdtempSync(join(tmpdir(), "erpo-site-"));

/** Writes a folder of files. */
function folder(name: string, files: Record<string, string>): string {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(scratch, name, file)), { recursive: true });
    writeFileSync(join(scratch, name, file), text);
  }
  return join(scratch, name);
}

const notebook = (text: string, code: string, outputs?: object[]) =>
  JSON.stringify({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: [
      { cell_type: "markdown", id: "a", metadata: {}, source: text },
      { cell_type: "code", id: "b", metadata: {}, source: code, execution_count: outputs ? 1 : null, outputs: outputs ?? [] },
    ],
  });

const spec = {
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  data: { values: [1, 2, 3, 4, 5].map((step) => ({ step, loss: 1 / step })) },
  mark: "line",
  encoding: { x: { field: "step", type: "quantitative" }, y: { field: "loss", type: "quantitative" } },
};
const drawn = {
  output_type: "display_data",
  data: {
    "application/vnd.vegalite.v6+json": spec,
    "image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="30"><path d="M0 0L60 30" stroke="black"/></svg>',
  },
  metadata: { label: "fig-loss", "fig-cap": "The loss.", "fig-alt": "A line that falls." },
};
const sample =
  'import { figure, trainingCurves } from "erpo";\nfigure(trainingCurves(["loss"], { rows: [{ step: 1, loss: 2 }, { step: 2, loss: 1 }] }), { caption: "Two steps.", alt: "A line." });';

const root = folder("root", {
  "README.md":
    "# erpo\n\nRead [one](notebooks/one.ipynb#results), [the kernel](kernel/README.md#stopping) and the [licence](LICENSE).\n\n## Use\n\nText.\n",
  LICENSE: "free",
  "kernel/README.md": "# The kernel\n\n![A line](line.svg)\n\n## Stopping\n\nInterrupts. [Back](../README.md#use). [Notes](notes.md).\n",
  "kernel/line.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><path d="M0 5H20" stroke="black"/></svg>',
  "kernel/notes.md": "# Notes\n\nNothing links here but the kernel's page.\n",
  "notebooks/glossary.md": "# Glossary\n\n### Frame\n\nA sentence with a gap.\n",
  "notebooks/one.ipynb": notebook("# One\n\n## Results\n\nSee @fig-loss, and a [frame](glossary.md#frame).", "trainingCurves(rows)"),
  "notebooks/how-to/two.ipynb": notebook("# Two\n\nIn @fig-loss and [there](../one.ipynb).", "1"),
  "notebooks/how-to/figures.md": `# Gallery\n\n## Curves\n\n\`\`\`ts\n${sample}\n\`\`\`\n\nBehind it.\n`,
  "notebooks/how-to/own.md": "# Your own\n\n## A zyzzyva\n\nThe word zyzzyva stands on this page only.\n",
});
const run = folder("runs/quick", {
  "notebooks/one.ipynb": notebook("# One\n\n## Results\n\nSee @fig-loss, and a [frame](glossary.md#frame).", "trainingCurves(rows)", [
    drawn,
  ]),
});
const api = folder("api", {
  "README.md": "# erpo\n",
  "functions/dpo.md":
    "# Function: dpo()\n\n> **dpo**(`beta`): [`PairLoss`](../interfaces/PairLoss.md)\n\nDefined in: [src/objectives/dpo.ts:15](source:objectives/dpo.ts)\n\nDirect preference optimization. More.\n",
  "interfaces/PairLoss.md":
    "# Interface: PairLoss\n\nDefined in: [src/objectives/types.ts:3](source:objectives/types.ts)\n\n## Properties\n\n### loss\n\n> **loss**: `Scalar`\n",
});
const output = join(scratch, "out");
const page = (path: string) => readFileSync(join(output, path), "utf8");

let result: SiteResult;
let browser: Browser;
beforeAll(async () => {
  result = await buildSite({ root, output, run, api });
  if (executablePath) browser = await launchChromium(executablePath);
});
afterAll(() => browser?.close());

test("each file has its page, what a page links to comes along, and no link is dead", () => {
  expect(result.failures).toEqual([]);
  expect(result.executed).toBe(1);
  expect(result.pages.sort()).toEqual([
    "api/README.html",
    "api/functions/dpo.html",
    "api/interfaces/PairLoss.html",
    "index.html",
    "kernel/README.html",
    "kernel/notes.html",
    "notebooks/glossary.html",
    "notebooks/how-to/figures.html",
    "notebooks/how-to/own.html",
    "notebooks/how-to/two.html",
    "notebooks/one.html",
  ]);
  expect(page("files/LICENSE")).toBe("free");
  expect(page("kernel/README.html")).toContain("<svg");
  expect(page("api/README.html")).toMatch(/id="objectives"[\s\S]*functions\/dpo\.html">dpo\(\)<\/a>: Direct preference optimization\.</);
});

test("a notebook of the run has its outputs, another one says that it was not executed; references go across folders", () => {
  expect(page("notebooks/one.html")).toContain('<figure id="fig-loss"');
  expect(page("notebooks/one.html")).not.toContain("was not executed");
  expect(page("notebooks/how-to/two.html")).toContain("was not executed");
  expect(page("notebooks/how-to/two.html")).toContain('href="../one.html#fig-loss">Figure 1 of <em>One</em></a>');
});

test("the gallery draws its samples, and shows the run's figure of the same kind with its cell and its specification", () => {
  const gallery = page("notebooks/how-to/figures.html");
  expect(gallery.match(/<figure/g)).toHaveLength(2);
  expect(gallery).toContain("Two steps.");
  expect(gallery).toMatch(/cell 2 of <a href="\.\.\/one\.html">One<\/a>/);
  expect(gallery).toContain("with 3 of 5 rows of data");
});

test("links to no page and to no part of a page are told, one line each", async () => {
  const broken = folder("broken", {
    "README.md": "# erpo\n\n[a](nowhere.md), [b](kernel/README.md#nothing), [c](#use), [d](https://example.org/x)\n",
    "kernel/README.md": "# The kernel\n",
  });
  const { failures } = await buildSite({ root: broken, output: join(scratch, "broken-out") });
  expect(failures).toEqual([
    "index.html: the link nowhere.md leads to no page",
    "index.html: the link kernel/README.html#nothing leads to no part of kernel/README.html",
    "index.html: the link #use leads to no part of index.html",
  ]);
});

test("a folder with other files is left alone, an earlier site gives way", async () => {
  const mine = folder("mine", { "thesis.txt": "years of work" });
  await expect(buildSite({ root, output: mine })).rejects.toThrow("holds files that are no site");
  expect(readFileSync(join(mine, "thesis.txt"), "utf8")).toBe("years of work");
  const again = join(scratch, "again");
  await buildSite({ root: join(scratch, "broken"), output: again });
  writeFileSync(join(again, "old.html"), "");
  await buildSite({ root: join(scratch, "broken"), output: again });
  expect(() => readFileSync(join(again, "old.html"))).toThrow("ENOENT");
});

test("a site that was stopped halfway is one, and is made anew", async () => {
  const half = join(scratch, "half");
  const stopped = {
    path: "a.html",
    get content(): string {
      throw new Error("stopped");
    },
  };
  expect(() => replaceSite(half, [stopped, { path: "assets/search-data.js", content: "" }])).toThrow("stopped");
  await buildSite({ root: join(scratch, "broken"), output: half });
  expect(readFileSync(join(half, "index.html"), "utf8")).toContain("erpo");
});

test("the newest run with executed notebooks is found", () => {
  expect(newestRun(join(scratch, "runs"))).toBe(run);
  expect(newestRun(join(scratch, "nothing"))).toBeUndefined();
});

browserTest("from a folder, a word is typed into the search box and its page is found, with no request beyond the folder", async () => {
  const { page: tab, requests, messages } = await openPage(browser, join(output, "api/functions/dpo.html"), 390);
  await tab.type("input[type=search]", "zyzzyva");
  await tab.waitForSelector(".found li a");
  expect(await tab.$$eval(".found li a", (links) => links.map((link) => link.textContent))).toEqual(["Your own: A zyzzyva"]);
  await Promise.all([tab.waitForNavigation(), tab.keyboard.press("Enter")]);
  expect(tab.url()).toBe(`file://${join(output, "notebooks/how-to/own.html")}#a-zyzzyva`);
  expect(await tab.$eval("h1", (heading) => heading.textContent)).toBe("Your own");
  await tab.type("input[type=search]", "qqqqqq");
  await tab.waitForFunction("document.querySelector('.found [role=status]').textContent === 'Nothing found'");
  expect(requests.every((url) => url.startsWith(`file://${output}/`))).toBe(true);
  expect(messages).toEqual([]);
  await tab.close();
});

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const FINDINGS = `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .flatMap(({ id, nodes }) => nodes.slice(0, 3).map(({ html }) => id + ": " + html.slice(0, 200))))`;

browserTest.each([1280, 390])("at %i px axe finds nothing serious, light and dark, and nothing is wider than the page", async (width) => {
  for (const path of ["notebooks/one.html", "notebooks/how-to/figures.html", "api/functions/dpo.html"]) {
    for (const scheme of ["light", "dark"] as const) {
      const { page: tab } = await openPage(browser, join(output, path), width, scheme);
      await tab.type("input[type=search]", "loss");
      await tab.waitForSelector(".found li a");
      await openDetails(tab);
      await tab.evaluate(axe);
      expect(await tab.evaluate(FINDINGS), `${path}, ${scheme}`).toEqual([]);
      expect(await tab.evaluate("document.documentElement.scrollWidth"), path).toBeLessThanOrEqual(width);
      await tab.close();
    }
  }
});
