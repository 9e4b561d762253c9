import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { expect, test } from "vitest";
import { renderReports } from "../../reports/report.js";
import { register } from "../../src/cli/report.js";
import { code, md, shown, writeNotebook } from "./notebooks.js";

const folder = () => mkdtempSync(join(tmpdir(), "erpo-test-"));
const execution = {
  started: "2026-01-02T03:04:05.000Z",
  seconds: 83.2,
  source_sha256: "ab".repeat(32),
  parameters: { beta: 0.1 },
  kernel: "erpo",
  complete: true,
  environment: {
    erpo: "0.1.0",
    node: "v20",
    v8: "11",
    platform: "linux-x64",
    cpu: "a CPU",
    commit: "c".repeat(40),
    dirty: true,
    lockfile_sha256: "d".repeat(64),
  },
};

test("a set of notebooks: pages, an index, references across", async () => {
  const first = writeNotebook(
    [md("# One"), code("1", [shown({ "image/svg+xml": "<svg/>" }, { label: "fig-a", "fig-alt": "alt" })])],
    "one.ipynb",
    { erpo: { execution } },
  );
  const second = writeNotebook([md("# Two\n\nSee @fig-a and [one](one.ipynb)."), code("1", [], {})], "two.ipynb");
  const output = folder();
  const { written, failures } = await renderReports([first, second], { output });
  expect(failures).toEqual([]);
  expect(written.map((file) => file.slice(output.length + 1))).toEqual(["one.html", "two.html", "index.html"]);
  const two = readFileSync(join(output, "two.html"), "utf8");
  expect(two).toContain('<a class="reference" href="one.html#fig-a">Figure 1 of <em>One</em></a>');
  expect(two).toContain('<a href="one.html">one</a>');
  const index = readFileSync(join(output, "index.html"), "utf8");
  expect(index).toContain("See Figure 1 of One and one.");
  expect(index).toContain("1 figure · run on 2026-01-02 in 1 min 23 s");
});

test("the index cuts a long beginning behind a word, and where there are none behind a character", async () => {
  const paths = [`${"word ".repeat(60)}end`, "漢".repeat(300)].map((text, i) => writeNotebook([md(`# T\n\n${text}`)], `${i}.ipynb`));
  const output = folder();
  await renderReports(paths, { output });
  const index = readFileSync(join(output, "index.html"), "utf8");
  expect(index).toContain(`<p>${"word ".repeat(40)}…</p>`);
  expect(index).toContain(`<p>${"漢".repeat(200)} …</p>`);
});

test("the index is called by the run that all its reports show", async () => {
  const run = folder();
  const record = { format: 1, profile: "mine & yours", seed: 3, model: { name: "model.gguf" }, environments: [] };
  writeFileSync(join(run, "run.json"), JSON.stringify(record));
  const paths = ["One", "Two"].map((title) => writeNotebook([md(`# ${title}`)], `${title}.ipynb`));
  const titleWith = async (options: object) => {
    const output = folder();
    expect((await renderReports(paths, { output, ...options })).failures).toEqual([]);
    return /<h1>(.*)<\/h1>/.exec(readFileSync(join(output, "index.html"), "utf8"))?.[1];
  };
  expect(await titleWith({ run })).toBe("A run of the mine &amp; yours profile on model.gguf, seed 3");
  expect(await titleWith({})).toBe("Reports");
});

test("the index shows what notebooks have marked for it, without code, headings and named numbers, and leads to the reports", async () => {
  const first = writeNotebook(
    [md("# One"), code("1", [shown({ "image/svg+xml": "<svg/>" }, { label: "fig-a", "fig-cap": "The first.", "fig-alt": "alt" })])],
    "one.ipynb",
  );
  const marked = { tags: ["index"] };
  const second = writeNotebook(
    [
      md("# Two\n\nNot marked."),
      { ...md("## Result\n\nIt is @val-rate: see @fig-a and @fig-b.[^why]\n\n[^why]: A reason."), metadata: marked },
      {
        ...code("secret()", [
          shown({ "application/json": 0.5, "text/plain": "50%" }, { label: "val-rate", text: "50%" }),
          shown({ "image/svg+xml": "<svg/>" }, { label: "fig-b", "fig-cap": "The second.", "fig-alt": "alt" }),
          { output_type: "stream", name: "stdout", text: "a sentence" },
        ]),
        metadata: marked,
      },
    ],
    "two.ipynb",
  );
  const output = folder();
  const { failures } = await renderReports([first, second], { output });
  expect(failures).toEqual([]);
  const index = readFileSync(join(output, "index.html"), "utf8");
  const results = index.slice(index.indexOf("<section>"), index.indexOf("</section>"));
  expect(results).toContain('href="two.html#val-rate">50%</a>: see');
  expect(results).toContain('href="one.html#fig-a">Figure 1 of <em>One</em></a>');
  expect(results).toMatch(/<figure id="fig-b"[\s\S]*Figure 1<\/a> The second\./);
  expect(results).toContain("a sentence");
  expect(results).toContain('<sup class="footnote-mark"><a href="two.html#fn-1" aria-label="Footnote 1">1</a></sup>');
  expect(readFileSync(join(output, "two.html"), "utf8")).toContain('<sup class="footnote-mark" id="fnref-1-1"><a href="#fn-1"');
  expect(results).toContain('<a href="two.html">Two</a>');
  for (const absent of ["Not marked", "Result<", "secret", "<code>val-rate", "The first"]) expect(results).not.toContain(absent);
  expect(index.indexOf("</section>")).toBeLessThan(index.indexOf("The pages, in the order to read"));
});

test("named numbers go across the set and into captions, alternative text and footnotes; unknown and ambiguous ones are told at the top", async () => {
  const value = (label: string, text: string) => shown({ "application/json": 0.5, "text/plain": text }, { label, text });
  const options = { label: "fig-a", "fig-cap": "A rate of @val-rate, not @val-lost-1.", "fig-alt": "A line at @val-rate." };
  const first = writeNotebook([md("# One"), code("1", [value("val-rate", "12.3%"), value("val-own", "1")])], "one.ipynb");
  const second = writeNotebook(
    [
      md("# Two\n\n@val-rate, @val-own and @val-lost-2. [^a]\n\n[^a]: @val-lost-3\n"),
      code("1", [shown({ "image/svg+xml": "<svg/>" }, options), value("val-own", "2")]),
    ],
    "two.ipynb",
  );
  const output = folder();
  await renderReports([first, second], { output });
  const html = readFileSync(join(output, "two.html"), "utf8");
  const rate = '<a class="reference" href="one.html#val-rate">12.3%</a>';
  expect(html).toContain(`<p>${rate}, <a class="reference" href="#val-own">2</a> and <span class="unresolved">@val-lost-2</span>.`);
  expect(html).toContain(`A rate of ${rate}, not <span class="unresolved">@val-lost-1</span>.`);
  expect(html).toContain("A line at 12.3%.");
  const warnings = /<aside class="warnings"[\s\S]*?<\/aside>/.exec(html)![0];
  for (const label of ["val-lost-1", "val-lost-2", "val-lost-3"]) expect(warnings).toContain(`reference @${label} leads nowhere`);
  expect(warnings).toContain("val-own is 2 here and 1 in one, to which other notebooks refer");
});

test("the page loads nothing and says where it comes from", async () => {
  const notebook = writeNotebook([md("# One\n\n$x$"), code("1")], "one.ipynb", { erpo: { execution } });
  const run = folder();
  writeFileSync(
    join(run, "run.json"),
    JSON.stringify({
      seed: 7,
      profile: "quick",
      model: { name: "tiny", sha256: "e".repeat(64) },
      environments: [{ device: "tensorflow", library: "2.21.0", precision: "f32" }],
    }),
  );
  const output = folder();
  await renderReports([notebook], { output, run });
  const html = readFileSync(join(output, "one.html"), "utf8");
  expect(html).toContain(`content="default-src 'none'; `);
  expect(html).not.toMatch(/<script|<link|\son\w+=/);
  for (const fact of [
    "with uncommitted changes",
    "beta = 0.1",
    "a CPU",
    `SHA-256 ${"d".repeat(64)}`,
    "<td>7</td>",
    "tensorflow, 2.21.0, f32",
    "tiny, SHA-256 eee",
  ])
    expect(html).toContain(fact);
  const json = /<pre id="provenance-json"[^>]*>([\s\S]*?)<\/pre>/.exec(html)![1]!.replaceAll("&quot;", '"');
  expect(JSON.parse(json).execution).toEqual(execution);
  expect(readdirSync(output)).toEqual(["one.html"]);
});

test("the same notebook gives the same bytes", async () => {
  const notebook = writeNotebook([
    md("# One\n\n$x^2$ [^a]\n\n[^a]: b"),
    code("1", [shown({ "text/html": "<table><tr><td>1</td></tr></table>" })]),
  ]);
  const pages: string[] = [];
  for (const output of [folder(), folder()]) {
    await renderReports([notebook], { output });
    pages.push(readFileSync(join(output, "nb.html"), "utf8"));
  }
  expect(pages[1]).toBe(pages[0]);
});

test("without input, code is left out of every format, and all else stays", async () => {
  const text = { output_type: "stream", name: "stdout", text: "an output" };
  const notebook = writeNotebook([md("# One\n\nProse with `code`."), code("secret()", [text])]);
  for (const input of [true, false]) {
    const output = folder();
    await renderReports([notebook], { output, to: ["html", "markdown", "latex"], input });
    for (const file of ["nb.html", "nb.md", "latex/nb.tex"]) {
      const page = readFileSync(join(output, file), "utf8");
      expect(page.replace(/<pre id="provenance-json[\s\S]*?<\/pre>/, "").includes("secret"), file).toBe(input);
      for (const kept of ["Prose with", "an output"]) expect(page).toContain(kept);
    }
  }
});

test("one bad notebook does not stop the others, and each is told in one line", async () => {
  const good = writeNotebook([md("# Good")], "good.ipynb");
  const bad = join(folder(), "bad.ipynb");
  const cells = {
    "not JSON": "{",
    nbformat: '{"cells":[]}',
    "nbformat 2": '{"nbformat":2,"worksheets":[]}',
    "cell 1: source": '{"nbformat":4,"metadata":{},"cells":[{"cell_type":"markdown","source":3}]}',
    "cell 1: output 1: output_type":
      '{"nbformat":4,"metadata":{},"cells":[{"cell_type":"code","source":"","outputs":[{"output_type":"pyout"}]}]}',
  };
  for (const [cause, text] of Object.entries(cells)) {
    writeFileSync(bad, text);
    const { written, failures } = await renderReports([bad, good, "/nonexistent.ipynb"], { output: folder() });
    expect(written.map((file) => file.split("/").at(-1))).toEqual(["good.html", "index.html"]);
    expect(failures).toEqual([expect.stringMatching(new RegExp(`^bad\\.ipynb: .*${cause}`)), "/nonexistent.ipynb: no such file"]);
  }
});

test("an id stands once in a page, whatever its headings are called", async () => {
  const headings = ["Content", "References", "References", "Provenance", "Footnotes", "Cell 2", "Fn 1", "Fnref 1 1", "B2 title", "Fig a"];
  const text = headings.map((name) => `## ${name}\n\n[to it](#${name.toLowerCase()})`).join("\n\n");
  const figure = shown({ "image/svg+xml": "<svg/>" }, { label: "fig-a", "fig-cap": "A.", "fig-alt": "a" });
  const notebook = writeNotebook([md(`# T\n\nA note[^a] [@a].\n\n${text}\n\n[^a]: b`), code("1", [figure])]);
  writeFileSync(join(notebook, "..", "references.bib"), "@misc{a, title={A}}");
  const output = folder();
  await renderReports([notebook], { output });
  const html = readFileSync(join(output, "nb.html"), "utf8");
  const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id!);
  expect(ids.filter((id, i) => ids.indexOf(id) < i)).toEqual([]);
  for (const id of ["references", "provenance", "fig-a"]) expect(html).toMatch(new RegExp(`<(?:h2|figure) id="${id}"`));
  for (const [, id] of html.matchAll(/<li class="level-2"><a href="#([^"]*)"/g)) expect(ids).toContain(id);
});

test("a notebook called index has its report, but none beside the page that leads to all", async () => {
  const [index, other] = [writeNotebook([md("# I")], "index.ipynb"), writeNotebook([md("# O")], "other.ipynb")];
  expect((await renderReports([index], { output: folder() })).failures).toEqual([]);
  expect((await renderReports([index, other], { output: folder() })).failures).toEqual([
    "index.ipynb: the page that leads to the reports has this name; rename the notebook, or render it alone",
  ]);
});

test("an output folder that cannot be written is named", async () => {
  const good = writeNotebook([md("# Good")]);
  const file = join(folder(), "file");
  writeFileSync(file, "");
  await expect(renderReports([good], { output: join(file, "sub") })).rejects.toThrow(
    /nb\.html: cannot be written \(ENOTDIR: not a directory\)$/,
  );
});

test("where a report cannot be put, nothing half-written is left", async () => {
  const output = folder();
  mkdirSync(join(output, "nb.html"));
  await expect(renderReports([writeNotebook([md("# Good")])], { output })).rejects.toThrow(
    /nb\.html: cannot be written \(EISDIR: illegal operation on a directory\)$/,
  );
  expect(readdirSync(output)).toEqual(["nb.html"]);
});

test("a table's caption stands once, though the table says it to JupyterLab, too", async () => {
  const table = "<table>\n<tbody><tr><td>1</td></tr></tbody></table>";
  const own = code("1", [
    shown({ "text/html": `<p>@tbl-a: Some numbers.</p>\n${table}` }, { label: "tbl-a", "tbl-cap": "Some numbers." }),
    shown({ "text/html": `<p>@tbl-b</p>\n${table}` }, { label: "tbl-b" }),
  ]);
  const foreign = code("2", [shown({ "text/html": `<p>Of pandas.</p>\n${table}` })]);
  const output = folder();
  await renderReports([writeNotebook([md("# A"), own, foreign])], { output, to: ["html", "latex", "markdown"] });
  for (const file of ["nb.html", "latex/nb.tex", "nb.md"]) {
    const text = readFileSync(join(output, file), "utf8");
    expect(text.match(/Some numbers\./g), file).toHaveLength(1);
    expect(text, file).not.toMatch(/@tbl-[ab]/);
  }
  expect(readFileSync(join(output, "nb.html"), "utf8")).toContain("<p>Of pandas.</p>");
});

test("a notebook that was not run, or not to the end, says so", async () => {
  const output = folder();
  const fresh = writeNotebook([md("# A\n\nSee @tbl-a: @val-a."), { ...code("1"), execution_count: null }], "a.ipynb");
  const broken = writeNotebook([md("# B"), code("1")], "b.ipynb", { erpo: { execution: { ...execution, complete: false } } });
  const stopped = writeNotebook([md("# C"), { ...code("1"), execution_count: null }], "c.ipynb", {
    erpo: { execution: { ...execution, complete: false } },
  });
  await renderReports([fresh, broken, stopped], { output, to: ["html", "latex", "markdown"] });
  expect(readFileSync(join(output, "c.html"), "utf8")).toContain("<li>the notebook was not run to the end</li>");
  const page = readFileSync(join(output, "a.html"), "utf8");
  expect(page).toContain("<li>the notebook has not been run</li>");
  expect(page).toContain('See <span class="absent" title="tbl-a">[table]</span>: <span class="absent" title="val-a">[number]</span>.');
  expect(page).not.toContain("leads nowhere"); // its table and its number wait for the cell
  expect(readFileSync(join(output, "latex", "a.tex"), "utf8")).toContain("See {[}table{]}: {[}number{]}.");
  expect(readFileSync(join(output, "a.md"), "utf8")).toContain("See \\[table\\]: \\[number\\].");
  expect(readFileSync(join(output, "b.html"), "utf8")).toContain("<li>the notebook was not run to the end</li>");
});

test("the command: written files, one line a failure, wrong use", async () => {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  register(program);
  const output = folder();
  const good = writeNotebook([md("# Good")]);
  try {
    await program.parseAsync(["report", good, "--to", "html", "--output", output], { from: "user" });
    expect(process.exitCode ?? 0).toBe(0);
    await program.parseAsync(["report", good, "/nonexistent.ipynb", "--output", output], { from: "user" });
    expect(process.exitCode).toBe(1);
    await expect(program.parseAsync(["report", good, "--to", "html,docx"], { from: "user" })).rejects.toThrow(
      "docx: not known; there is: html",
    );
  } finally {
    process.exitCode = undefined;
  }
});
