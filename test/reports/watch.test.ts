import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { watchReports } from "../../reports/watch.js";
import { bootstrap } from "./cli.js";
import { md, notebookJSON, writeNotebook } from "./notebooks.js";

const folder = () => mkdtempSync(join(tmpdir(), "erpo-test-"));

test("a report is rendered again when its notebook, its references or its pictures change, and not otherwise", async () => {
  const notebook = writeNotebook([md("# One\n\nBefore [@a]. ![dot](dot.png)")]);
  const output = folder();
  const page = () => readFileSync(join(output, "nb.html"), "utf8");
  const stop = new AbortController();
  const renderings = watchReports([notebook], { output }, stop.signal);
  expect((await renderings.next()).value).toMatchObject({ written: [join(output, "nb.html")], failures: [] });
  expect(page()).toContain("citation @a is not in references.bib");

  writeFileSync(join(dirname(notebook), "references.bib"), "@misc{a, title = {A title}}");
  await renderings.next();
  expect(page()).toContain("A title");

  writeFileSync(join(dirname(notebook), "dot.png"), Buffer.from("iVBORw0KGgo=", "base64"));
  await renderings.next();
  expect(page()).toContain('<img src="data:image/png;base64,iVBORw0KGgo=" alt="dot" />');

  writeFileSync(notebook, "{");
  expect((await renderings.next()).value!.failures).toEqual([expect.stringContaining("nb.ipynb: not JSON")]);
  writeFileSync(notebook, notebookJSON([md("# One\n\nAfter.")]));
  await renderings.next();
  expect(page()).toContain("After.");

  const beside = join(dirname(notebook), "beside.ipynb");
  writeFileSync(beside, notebookJSON([md("# Beside\n\n## Part {#sec-part}")]));
  writeFileSync(notebook, notebookJSON([md("# One\n\nSee @sec-part.")]));
  await renderings.next();
  writeFileSync(beside, notebookJSON([md("# Aside\n\n## Part {#sec-part}")]));
  await renderings.next();
  expect(page()).toContain("Section 1 of <em>Aside</em>");
  writeFileSync(join(dirname(notebook), "glossary.md"), "### A term\n\nWhat it means.\n");
  await renderings.next();

  const none = renderings.next();
  writeFileSync(join(dirname(notebook), "other.ipynb"), "");
  const first = await Promise.race([none.then(() => "rendered"), new Promise((resolve) => setTimeout(resolve, 1000, "quiet"))]);
  expect(first).toBe("quiet");
  stop.abort();
  expect((await none).done).toBe(true);
});

test("the command prints one line for each rendering, and ends with 0 at Ctrl-C", async () => {
  const notebook = writeNotebook([md("# One")]);
  const child = spawn(process.execPath, [bootstrap, "report", notebook, "--watch", "--output", folder()], { env: process.env });
  let [stdout, stderr] = ["", ""];
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const lines = async (count: number) => {
    while (stdout.split("\n").length <= count) stdout += String((await once(child.stdout, "data"))[0]);
  };
  await lines(1);
  writeFileSync(notebook, notebookJSON([md("# Two")]));
  await lines(2);
  child.kill("SIGINT");
  const [code] = await once(child, "exit");
  expect(stdout).toMatch(/^(?:\d\d:\d\d:\d\d {2}rendered nb\.html in \d+\.\d s\n){2}$/);
  expect([code, stderr]).toEqual([0, ""]);
});
