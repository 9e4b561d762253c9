import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { beforeAll, expect, test, vi } from "vitest";
import { holds } from "../../reports/provenance/check.js";
import { codeToRun } from "../../reports/provenance/code.js";
import { readReport } from "../../reports/provenance/read.js";
import { verifyReport } from "../../reports/provenance/verify.js";
import { register } from "../../src/cli/verify.js";
import { modelDigests } from "../../src/model/load.js";
import { keptResults } from "../../src/runs/claim.js";
import { staleReason } from "../../src/runs/stale.js";
import { bootstrap, erpo } from "./cli.js";
import { makeProject, type Project, render, sha256sum, steadyCells, write } from "./experiment.js";
import { code } from "./notebooks.js";

let made: Project;
beforeAll(async () => {
  made = await makeProject(steadyCells);
});

/** A copy to change. */
function copy(): Project {
  const root = join(realpathSync(mkdtempSync(join(tmpdir(), "erpo-test-"))), "project");
  cpSync(made.root, root, { recursive: true });
  const path = (...parts: string[]) => join(root, ...parts);
  return { root, path, notebook: path("runs/a/notebooks/nb.ipynb"), report: path("runs/a/reports/nb.html") };
}

const lookups = { modelDigests, keptResults, staleReason };
const verify = (report: string) => verifyReport(readReport(report), report, lookups);

/** What is not `same`, as `status kind: name`. */
const told = async (report: string) =>
  (await verify(report)).filter(({ status }) => status !== "same").map(({ status, kind, name }) => `${status} ${kind}: ${name}`);

const edit = (file: string, change: (text: string) => string) => {
  const [before, after] = [readFileSync(file, "latin1"), change(readFileSync(file, "latin1"))];
  expect(after).not.toBe(before);
  writeFileSync(file, after, "latin1");
};

/** A notebook's text with other outputs of a cell, counted from 1. */
const withOutputs = (cell: number, outputs: object[]) => (json: string) => {
  const notebook = JSON.parse(json);
  notebook.cells[cell - 1].outputs = outputs;
  return JSON.stringify(notebook);
};

/** One byte in the middle becomes another. */
const flip = (file: string) => {
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(file, bytes);
};

test("a report carries the digests of all that it was made from, with paths from its own folder", async () => {
  const { provenance, intact } = readReport(made.report);
  expect(intact).toBe(true);
  expect(provenance.notebook).toEqual({ file: "../notebooks/nb.ipynb", sha256: sha256sum(made.notebook) });
  expect(provenance.run).toMatchObject({ file: "../run.json", sha256: sha256sum(made.path("runs/a/run.json")) });
  expect(provenance.run!.record).toMatchObject({ seed: 3, model: { sha256: sha256sum(made.path("models/tiny/model.safetensors")) } });
  const names = ["1-sft/metrics.jsonl", "data/manifest.json", "data/train.jsonl"];
  expect(provenance.run!.files).toEqual(Object.fromEntries(names.map((name) => [name, sha256sum(made.path("runs/a", name))])));
  expect(provenance.execution).toMatchObject({
    parameters: { runDir: "../runs/a", modelName: "../models/tiny", seed: 3 },
    folder: "../../../notebooks",
    environment: {
      node: process.version,
      code_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      lockfile_sha256: sha256sum("package-lock.json"),
    },
  });
  expect(provenance.cells.map(({ cell, outputs }) => [cell, outputs.length])).toEqual([
    [2, 0],
    [3, 0],
    [4, 1],
    [5, 1],
    [6, 2],
  ]);
  expect(provenance.cells.every(({ seconds }) => seconds! >= 0)).toBe(true);
  const html = readFileSync(made.report, "utf8");
  expect(html).not.toContain(made.root);
  expect(html).not.toMatch(/<script/);
  const json = /<pre id="provenance-json"[^>]*>([\s\S]*?)<\/pre>/.exec(html)![1]!;
  expect(JSON.parse(json)).toMatchObject({ format: 1 }); // as it stands: nothing in it needs an escape
  for (const fact of ["<td>3</td>", "tiny, SHA-256 ", "data/manifest.json, SHA-256 ", provenance.cells[2]!.outputs[0]!.slice(0, 12)])
    expect(html).toContain(fact);
});

test("what nobody has touched is the same, wherever the project lies", async () => {
  expect(await told(made.report)).toEqual([]);
  const project = copy();
  expect(await told(project.report)).toEqual([]);
  expect(holds(await verify(project.report))).toBe(true);
});

test.each<[string, (project: Project) => void, string[]]>([
  [
    "the page",
    ({ report }) => edit(report, (html) => html.replace("The rate is", "The rate was")),
    ["differs page: the page around the provenance"],
  ],
  [
    "an output",
    ({ notebook }) => edit(notebook, (json) => json.replace('"rows 2\\n"', '"rows 3\\n"')),
    ["differs notebook: ../notebooks/nb.ipynb", "differs output: cell 4, output 1"],
  ],
  [
    "a value",
    ({ notebook }) => edit(notebook, (json) => json.replace('"application/json": 0.1', '"application/json": 0.2')),
    ["differs notebook: ../notebooks/nb.ipynb", "differs output: cell 6, val-rate"],
  ],
  [
    "a cell's source",
    ({ notebook }) => edit(notebook, (json) => json.replace("rows[0].x / 3", "rows[0].x / 4")),
    ["differs notebook: ../notebooks/nb.ipynb", "differs source: the cells' sources as they were run"],
  ],
  [
    "a cell's type",
    ({ notebook }) => edit(notebook, (json) => json.replace('"cell_type": "markdown"', '"cell_type": "raw"')),
    ["differs notebook: ../notebooks/nb.ipynb", "differs source: the cells' sources as they were run"],
  ],
  [
    "an output, gone",
    ({ notebook }) => edit(notebook, withOutputs(4, [])),
    ["differs notebook: ../notebooks/nb.ipynb", "not found output: cell 4, output 1"],
  ],
  [
    "another output",
    ({ notebook }) => edit(notebook, withOutputs(3, [{ output_type: "stream", name: "stdout", text: "1" }])),
    ["differs notebook: ../notebooks/nb.ipynb", "differs output: cell 3, output 1"],
  ],
  ["the notebook's form only", ({ notebook }) => edit(notebook, (json) => `${json} `), ["differs notebook: ../notebooks/nb.ipynb"]],
  ["a notebook that is none any more", ({ notebook }) => writeFileSync(notebook, "{"), ["differs notebook: ../notebooks/nb.ipynb"]],
  ["the data", ({ path }) => flip(path("runs/a/data/train.jsonl")), ["differs data: ../data/train.jsonl"]],
  ["the run's record", ({ path }) => flip(path("runs/a/run.json")), ["differs run: ../run.json"]],
  ["a file of the run", ({ path }) => flip(path("runs/a/1-sft/metrics.jsonl")), ["differs run: ../1-sft/metrics.jsonl"]],
  ["the model", ({ path }) => flip(path("models/tiny/model.safetensors")), ["differs model: tiny"]],
  [
    "the model's configuration",
    ({ path }) => edit(path("models/tiny/config.json"), (json) => json.replace(/"rms_norm_eps": [^,]*/, '"rms_norm_eps": 0.01')),
    ["differs model: tiny"],
  ],
  ["a model that cannot be read", ({ path }) => writeFileSync(path("models/tiny/model.safetensors"), "x"), ["differs model: tiny"]],
  ["the notebook, gone", ({ notebook }) => rmSync(notebook), ["not found notebook: ../notebooks/nb.ipynb"]],
  ["data, gone", ({ path }) => rmSync(path("runs/a/data/train.jsonl")), ["not found data: ../data/train.jsonl"]],
])("%s: verify names it and nothing else", async (_, change, expected) => {
  const project = copy();
  change(project);
  expect(await told(project.report)).toEqual(expected);
  expect(holds(await verify(project.report))).toBe(false);
});

test("what an executor has not noted is not checked, and no difference", async () => {
  const project = copy();
  edit(project.notebook, (json) => json.replace('"source_sha256"', '"other"'));
  await render(project.path("runs/a"));
  expect(await told(project.report)).toEqual(["not checked source: the cells' sources as they were run"]);
});

test("outputs that were changed between the run and the report are told", async () => {
  const project = copy();
  edit(project.notebook, (json) => json.replace('"rows 2\\n"', '"rows 3\\n"'));
  await render(project.path("runs/a"));
  expect(await told(project.report)).toEqual(["differs output: all of them"]);
});

test("a run that goes on is no difference: rows are added, other files change, its record names another environment", async () => {
  const project = copy();
  appendFileSync(project.path("runs/a/1-sft/metrics.jsonl"), '{"loss":0.5}\n');
  flip(project.path("runs/a/2-dpo/metrics.jsonl")); // which the notebook has not read
  write(project.path("runs/a/2-dpo/pairs.json"), "{}\n");
  edit(project.path("runs/a/run.json"), (text) => text.replace('"environments":[]', '"environments":[{"node":"v99"}]'));
  expect(await told(project.report)).toEqual(["new run: ../2-dpo/pairs.json"]);
  expect(holds(await verify(project.report))).toBe(true);
  appendFileSync(project.path("runs/a/data/train.jsonl"), '{"x":1}\n'); // what it was made from does not grow
  expect(await told(project.report)).toEqual(["differs data: ../data/train.jsonl", "new run: ../2-dpo/pairs.json"]);
});

test("a run that another executor has not noted is checked whole, without what is not whole yet", async () => {
  const project = copy();
  edit(project.notebook, (json) => json.replace('"runs":', '"other":'));
  write(project.path("runs/a/2-dpo/samples-wrong.jsonl.partial"), '{"ids":[1]}\n');
  await render(project.path("runs/a"));
  rmSync(project.path("runs/a/2-dpo/samples-wrong.jsonl.partial"));
  rmSync(project.path("runs/a/1-sft/checkpoint-5"), { recursive: true });
  expect(await told(project.report)).toEqual([]);
  flip(project.path("runs/a/2-dpo/metrics.jsonl"));
  expect(await told(project.report)).toEqual(["differs run: ../2-dpo/metrics.jsonl"]);
});

test("files beside the experiment's that cells have read are checked: data, modules, and those of a second experiment", async () => {
  const project = await makeProject(
    [
      code('let runDir = "";\nlet modelName = "";\nlet seed = 1;\nconst other = "../runs/b";', [], { tags: ["parameters"] }),
      code(`import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { twice } from "./helper.ts";
writeFileSync("made.txt", "1");
readFileSync("made.txt");
for (const file of ["own.csv", runDir + "/data/train.jsonl", other + "/1-sft/metrics.jsonl"]) if (existsSync(file)) readFileSync(file);
console.log(twice(1));`),
    ],
    {
      "notebooks/own.csv": "1,2",
      "notebooks/helper.ts": "export const twice = (x: number): number => 2 * x;",
      "runs/b/run.json": "{}",
      "runs/b/1-sft/metrics.jsonl": '{"loss":1}\n',
    },
  );
  const read = readReport(project.report).provenance.read!;
  expect(read.map(({ file }) => file).sort()).toEqual([
    "../../../notebooks/helper.ts",
    "../../../notebooks/own.csv",
    "../../b/1-sft/metrics.jsonl",
  ]);
  expect(await told(project.report)).toEqual([]);
  appendFileSync(project.path("runs/b/1-sft/metrics.jsonl"), '{"loss":2}\n'); // a run that goes on
  expect(await told(project.report)).toEqual([]);
  flip(project.path("notebooks/own.csv"));
  rmSync(project.path("notebooks/helper.ts"));
  expect((await told(project.report)).sort()).toEqual([
    "differs file: ../../../notebooks/own.csv",
    "not found file: ../../../notebooks/helper.ts",
  ]);
  expect(holds(await verify(project.report))).toBe(false);

  // code that has changed is not run until somebody insists
  write(
    project.path("notebooks/helper.ts"),
    'import { writeFileSync } from "node:fs";\nwriteFileSync("ran.txt", "");\nexport const twice = (x: number) => x + x;',
  );
  const held = await erpo(["verify", project.report, "--rerun"]);
  expect(held.code).toBe(1);
  expect(held.stderr).toContain(`code: ../notebooks/nb.ipynb, SHA-256 ${sha256sum(project.notebook)}\n`);
  const [then] = read.filter(({ file }) => file.endsWith("helper.ts"));
  expect(held.stderr).toContain(
    `code: ../../../notebooks/helper.ts, SHA-256 ${sha256sum(project.path("notebooks/helper.ts"))}; when the report was written: ${then!.sha256}\n`,
  );
  expect(held.stderr).toContain("erpo: not run again: ../../../notebooks/helper.ts changed");
  expect(existsSync(project.path("notebooks/ran.txt"))).toBe(false);
  const forced = await erpo(["verify", project.report, "--rerun", "--force"]);
  expect(forced.stdout, forced.stderr).toMatch(/^rerun +same /m);
  expect(existsSync(project.path("notebooks/ran.txt"))).toBe(true);
}, 240_000);

test("changed sources of a notebook hold a re-run up, changed outputs do not", async () => {
  const [sources, outputs] = [copy(), copy()];
  edit(sources.notebook, (json) => json.replace("rows[0].x / 3", "rows[0].x / 4"));
  edit(outputs.notebook, (json) => json.replace('"rows 2\\n"', '"rows 3\\n"'));
  const held = async ({ report }: Project) => codeToRun(await verify(report)).map(({ file, changed }) => [file, changed]);
  expect(await held(sources)).toEqual([["../notebooks/nb.ipynb", true]]);
  expect(await held(outputs)).toEqual([["../notebooks/nb.ipynb", false]]);
  expect(await held(made)).toEqual([["../notebooks/nb.ipynb", false]]);
});

test.each<[string, (project: Project) => string]>([
  ["the data's place", ({ path }) => path("runs/a/data/train.jsonl")],
  ["the record's place", ({ path }) => path("runs/a/run.json")],
  ["the notebook's place", ({ notebook }) => notebook],
  ["a result's record", ({ path }) => path("runs/a/1-sft/identity.json")],
  ["an adapter's place", ({ path }) => path("runs/a/1-sft/adapter_model.safetensors")],
  ["a place of its own", ({ path }) => path("runs/a/1-sft/pipe")],
])("a pipe in %s is not waited for", async (_, place) => {
  const project = copy();
  rmSync(place(project), { force: true });
  expect(spawnSync("mkfifo", [place(project)]).status).toBe(0);
  const checked = spawnSync(process.execPath, [bootstrap, "verify", project.report], { encoding: "utf8", timeout: 60_000 });
  expect(checked.error).toBeUndefined(); // it came to its end
  expect(checked.status === 1 || checked.stdout.includes("new"), checked.stderr).toBe(true);
});

test("a model that this machine does not have is told, and is no failure", async () => {
  const project = copy();
  rmSync(project.path("models"), { recursive: true });
  expect(await told(project.report)).toEqual(["not checked model: tiny"]);
  expect(holds(await verify(project.report))).toBe(true);
  const named = async (model: string) => (model === "tiny" ? { sha256: "", digest: "" } : undefined); // as a built-in one is
  const checks = await verifyReport(readReport(project.report), project.report, { ...lookups, modelDigests: named });
  expect(checks).toContainEqual(expect.objectContaining({ kind: "model", status: "differs" }));
});

test("a record from before the model's digest is held to the SHA-256 of its weights", async () => {
  const project = copy();
  edit(project.path("runs/a/run.json"), (text) => text.replace(/,"digest":"[^"]*"/, ""));
  await render(project.path("runs/a"));
  expect(await told(project.report)).toEqual([]);
});

test("other code or packages are a difference, another machine is none", async () => {
  const project = copy();
  const set = (name: string, value: string) =>
    edit(project.notebook, (json) => json.replace(new RegExp(`"${name}": "[^"]*"`), `"${name}": "${value}"`));
  set("node", "v18.0.0");
  set("cpu", "an abacus");
  await render(project.path("runs/a"));
  expect(await told(project.report)).toEqual(["other environment: Node v18.0.0", "other environment: processor an abacus"]);
  expect(holds(await verify(project.report))).toBe(true);
  set("lockfile_sha256", "0".repeat(64));
  set("code_sha256", "1".repeat(64));
  await render(project.path("runs/a"));
  expect((await told(project.report)).slice(0, 2)).toEqual([
    expect.stringMatching(/^differs code: /),
    "differs lockfile: package-lock.json",
  ]);
  expect(holds(await verify(project.report))).toBe(false);
});

test("the command: a table or JSON, and the exit code", async () => {
  const run = async (...args: string[]) => {
    let text = "";
    const spy = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
      text += chunk;
      return true;
    });
    try {
      const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
      register(program);
      await program.parseAsync(["verify", ...args], { from: "user" });
      return { text, code: process.exitCode };
    } finally {
      spy.mockRestore();
      process.exitCode = undefined;
    }
  };
  const good = await run(made.report);
  expect(good.code).toBe(0);
  expect(good.text).toMatch(/^page {9}same {2}the page around the provenance\nnotebook {5}same {2}\.\.\/notebooks\/nb\.ipynb\n/);
  expect(good.text).toMatch(/^output {7}same {2}4 of 4$/m);
  const project = copy();
  flip(project.path("runs/a/data/train.jsonl"));
  const bad = await run(project.report);
  expect(bad.code).toBe(1);
  expect(bad.text).toMatch(
    /^data {9}same {5}1 of 2\ndata {9}differs {2}\.\.\/data\/train\.jsonl +SHA-256 [0-9a-f]{12} reported, SHA-256 [0-9a-f]{12} now$/m,
  );
  const json = JSON.parse((await run(project.report, "--json")).text);
  expect(json.ok).toBe(false);
  expect(json.checks).toContainEqual(
    expect.objectContaining({ kind: "data", status: "differs", found: sha256sum(project.path("runs/a/data/train.jsonl")) }),
  );
  await expect(run("/nonexistent.html")).rejects.toThrow("/nonexistent.html: no such file");
  for (const tolerance of ["-1", "", "x"])
    await expect(run(made.report, "--rerun", "--tolerance", tolerance)).rejects.toThrow("must be a number >= 0");
});
