import { cpSync, mkdirSync, mkdtempSync, realpathSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { readFiles, usedRuns } from "../../reports/execute/used-runs.js";
import { parseNotebook } from "../../reports/notebook/read.js";
import { collectProvenance, experimentOf, type Provenance } from "../../reports/provenance/collect.js";
import { sha256 } from "../../reports/provenance/digests.js";
import { facts, provenanceHTML } from "../../reports/provenance/html.js";
import { inputs } from "../../reports/provenance/run-files.js";
import { renderReports } from "../../reports/report.js";
import { write } from "./experiment.js";
import { code, notebookJSON, shown } from "./notebooks.js";

/** What a report says of its origin, where no notebook has to be run for it: a run in runs/a, and a notebook that has read its data and its metrics. */

let root: string;
const path = (...parts: string[]) => join(root, ...parts);
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "erpo-test-")));
  write(path("runs/a/run.json"), '{"seed":3}');
  write(path("runs/a/data/x.json"), "{}");
  write(path("runs/a/1-sft/metrics.jsonl"), "{}\n");
  write(path("runs/a/2-dpo/metrics.jsonl"), "{}\n");
  write(path("runs/ab/run.json"), "{}");
  write(path("runs/ab/1-sft/metrics.jsonl"), "{}\n");
  write(path("notebooks/own.csv"), "1");
});

/** What a kernel tells that was started in a folder and has read these files, or has read and written them. */
const trace = (folder: string, files: readonly string[], accesses = ["read"]) =>
  [...accesses.flatMap((access) => files.map((file) => ({ access, path: resolve(folder, file), state: "" }))), { end: true }]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join("");
const read = ["../runs/a/data/x.json", "../runs/a/1-sft/metrics.jsonl", "../runs/ab/1-sft/metrics.jsonl", "own.csv"];

/** The provenance of a notebook that has noted what it has read there. */
function reported(folder: string, run?: string): Provenance {
  const traced = trace(realpathSync(folder), read);
  const runs = usedRuns(traced, { runDir: "../runs/a", other: "../runs/ab" }, folder);
  const execution = {
    started: "2026-01-02T03:04:05Z",
    seconds: 1,
    complete: true,
    folder: ".",
    runs,
    files: readFiles(traced, runs, folder),
  };
  return collected(folder, { erpo: { execution } }, run);
}

function collected(folder: string, metadata: object, run?: string): Provenance {
  const notebook = parseNotebook(notebookJSON([code("1")], metadata as Record<string, unknown>), "nb.ipynb");
  const [file, output] = [join(folder, "nb.ipynb"), join(folder, "reports")];
  return collectProvenance(notebook, file, Buffer.from(""), output, experimentOf(notebook, file, output, run));
}

test("a project that is reached through a link has the same provenance", () => {
  const direct = reported(path("notebooks"));
  expect(direct.run!.file).toBe("../../runs/a/run.json");
  expect(direct.run!.files).toEqual({ "1-sft/metrics.jsonl": sha256("{}\n"), "data/x.json": sha256("{}") });
  expect(direct.run!.lengths).toEqual({ "1-sft/metrics.jsonl": 3 });
  expect(direct.read).toEqual([
    { file: "../own.csv", sha256: sha256("1") },
    { file: "../../runs/ab/1-sft/metrics.jsonl", sha256: sha256("{}\n"), length: 3 },
  ]);
  symlinkSync(".", path("link"));
  expect(reported(path("link/notebooks"))).toEqual(direct);
  const told = { ...direct.run, file: "../../link/runs/a/run.json" };
  expect(reported(path("notebooks"), path("link/runs/a"))).toEqual({ ...direct, run: told });
  renameSync(path("runs"), path("disk"));
  symlinkSync("disk", path("runs"));
  expect(reported(path("link/notebooks"))).toEqual(direct);
  const real = trace(path("notebooks"), ["../disk/a/data/x.json"]); // code may ask where a link leads
  expect(usedRuns(real, { runDir: "../runs/a" }, path("notebooks"))).toMatchObject([
    { folder: "../runs/a", files: { "data/x.json": sha256("{}") } },
  ]);
});

test("what a notebook has written into a run it has used, and what it has written elsewhere it has not read", () => {
  const used = (...accesses: string[]) => {
    const traced = trace(path("notebooks"), read, accesses);
    const runs = usedRuns(traced, { runDir: "../runs/a" }, path("notebooks"));
    return [runs.flatMap(({ files }) => Object.keys(files)), readFiles(traced, runs, path("notebooks")).map(({ file }) => file)];
  };
  const inRun = ["1-sft/metrics.jsonl", "data/x.json"];
  expect(used("read")).toEqual([inRun, ["own.csv", "../runs/ab/1-sft/metrics.jsonl"]]);
  expect(used("write")).toEqual([inRun, []]);
  expect(used("read", "write")).toEqual([inRun, []]);
  expect(used("probe")).toEqual([[], []]);
});

test("of a trace that is not whole nothing is known", () => {
  const torn = trace(path("notebooks"), read).replace(/.*end.*\n/, "");
  expect([usedRuns(torn, { runDir: "../runs/a" }, path("notebooks")), readFiles(torn, [], path("notebooks"))]).toEqual([[], []]);
});

test("a notebook in a folder that is a link has used the run beside that folder, not the one of the same name beside the link", () => {
  mkdirSync(path("elsewhere"));
  renameSync(path("notebooks"), path("elsewhere/notebooks"));
  symlinkSync("elsewhere/notebooks", path("notebooks"));
  write(path("elsewhere/runs/a/run.json"), '{"seed":4}');
  write(path("elsewhere/runs/a/data/x.json"), "{ }");
  const { run } = reported(path("notebooks"));
  expect(run).toMatchObject({ file: "../../elsewhere/runs/a/run.json", record: { seed: 4 }, files: { "data/x.json": sha256("{ }") } });
});

test("a report says the digests that files had at the end of the notebook's run, also of a run that was moved since", () => {
  const { run } = reported(path("notebooks"));
  const traced = trace(path("notebooks"), read);
  const runs = usedRuns(traced, { runDir: "../runs/a" }, path("notebooks"));
  const metadata = { erpo: { execution: { started: "2026-01-02T03:04:05Z", seconds: 1, folder: ".", runs } } };
  writeFileSync(path("runs/a/data/x.json"), '{"changed":1}');
  expect(collected(path("notebooks"), metadata).run!.files).toEqual(run!.files);
  renameSync(path("runs/a"), path("runs/moved"));
  expect(collected(path("notebooks"), metadata).run).toBeUndefined();
  const moved = collected(path("notebooks"), metadata, path("runs/moved"));
  expect(moved.run).toMatchObject({ file: "../../runs/moved/run.json", files: run!.files, lengths: run!.lengths });
  expect(moved.read).toBeUndefined(); // nothing is looked for where the run was
});

test("a report names no run that its notebook has not used, and one that was moved since", async () => {
  const runs = usedRuns(trace(path("notebooks"), read), { runDir: "../runs/a" }, path("notebooks"));
  const execution = { started: "2026-01-02T03:04:05Z", seconds: 1, folder: ".", runs };
  write(path("notebooks/nb.ipynb"), notebookJSON([code("1")], { erpo: { execution } }));
  cpSync(path("runs/a"), path("runs/b"), { recursive: true });
  const rendered = (run: string) => renderReports([path("notebooks/nb.ipynb")], { output: path("out"), run: path(run) });
  const { written, failures } = await rendered("runs/b");
  expect(written).toEqual([]);
  expect(failures).toEqual([expect.stringMatching(/nb\.ipynb: it has used .*runs\/a, not .*runs\/b: leave --run out/)]);
  renameSync(path("runs/a"), path("runs/c"));
  expect((await rendered("runs/c")).failures).toEqual([]);
});

test("of a run that no executor has noted all files are taken, those behind links too", () => {
  write(path("disk/evaluation/base/harmful.json"), "{}");
  symlinkSync("../../disk/evaluation", path("runs/a/evaluation"));
  symlinkSync("nowhere", path("runs/a/2-dpo/nowhere"));
  symlinkSync("itself", path("runs/a/itself"));
  const files = ["1-sft/metrics.jsonl", "2-dpo/metrics.jsonl", "data/x.json", "evaluation/base/harmful.json"];
  expect(inputs(path("runs/a")).filter((file) => !/nowhere|itself/.test(file))).toEqual(files);
  expect(Object.keys(collected(path("notebooks"), {}, path("runs/a")).run!.files)).toEqual(files);
});

test("a run is complete where its executor says so, else where a cell was run and none failed", () => {
  const error = { output_type: "error", ename: "E", evalue: "e", traceback: [] };
  const complete = (counts: (number | null)[], outputs: object[] = [], metadata = {}) => {
    const cells = counts.map((execution_count) => ({ ...code("1", outputs), execution_count }));
    const notebook = parseNotebook(notebookJSON(cells, metadata), "nb.ipynb");
    return collectProvenance(notebook, path("nb.ipynb"), Buffer.from(""), root).complete;
  };
  expect([complete([null]), complete([null, 1]), complete([1], [error]), complete([1], [shown({ "text/plain": "1" })])]).toEqual([
    false,
    true,
    false,
    true,
  ]);
  const noted = (value: boolean) => ({ erpo: { execution: { started: "2026-01-02T03:04:05Z", seconds: 1, complete: value } } });
  expect([complete([1], [], noted(false)), complete([null], [], noted(true))]).toEqual([false, true]);
});

test("a reader is told what a report was made from, and where there is nothing to say nothing", () => {
  const rendered = { erpo: "0.2", node: "v20" };
  const notebook = { file: "nb.ipynb", sha256: "n" };
  const bare: Provenance = { format: 1, notebook, cells: [], rendered, complete: true };
  const frame = (...rows: [string, string][]) => [["Notebook", "nb.ipynb, SHA-256 n"], ...rows, ["Rendered", "erpo 0.2, Node v20"]];
  expect(facts(bare)).toEqual(frame(["Run", "times and environment were not noted"]));
  expect(facts({ ...bare, complete: false })).toEqual(frame(["Run", "not run, or with errors"]));
  const environment = { erpo: "0.1", node: "v22", v8: "12", platform: "linux-x64", cpu: "a CPU, 2 cores", commit: "c", dirty: true };
  const execution = {
    started: "2026-01-02",
    seconds: 3,
    kernel: "erpo",
    complete: true,
    parameters: { beta: 0.5, seed: 4 },
    source_sha256: "s",
    cached: "2026-02-03",
    environment: { ...environment, code_sha256: "f", lockfile_sha256: "l" },
    device: { kind: "cpu", name: "plain", library: "TensorFlow.js", precision: "f32" },
  } as Provenance["execution"];
  const run = [
    ["Run", "2026-01-02, 3 s, kernel erpo"],
    ["Cache", "nothing that it depends on had changed at 2026-02-03: taken from the cache, not run again"],
    ["Parameters", "beta = 0.5, seed = 4"],
    ["Source as run", "SHA-256 s"],
    ["Code", "commit c, with uncommitted changes; SHA-256 of the files f"],
    ["Lockfile", "SHA-256 l"],
    ["Software", "erpo 0.1, Node v22, V8 12, linux-x64"],
    ["Processor", "a CPU, 2 cores"],
    ["Computed on", "plain, TensorFlow.js, f32"],
  ] as [string, string][];
  expect(facts({ ...bare, execution })).toEqual(frame(...run, ["Seed", "4"]));
  expect(facts({ ...bare, execution, complete: false })[1]).toEqual(["Run", `${run[0]![1]}; not run to the end, or with errors`]);
  const record = {
    profile: "tiny",
    seed: 0,
    model: { name: "m", sha256: "w", digest: "d" },
    rules: { name: "R", digest: "r" },
    environments: [{ device: "CPU", library: "TF", precision: "bf16", node: "v20", platform: "linux" }, { device: "GPU" }],
  };
  const experiment = { file: "../run.json", sha256: "j", files: { "data/manifest.json": "p", "a.json": "q" }, lengths: {}, record };
  expect(facts({ ...bare, execution, run: experiment, compared: [notebook] })).toEqual(
    frame(
      ...run,
      ["Experiment", "../run.json, SHA-256 j"],
      ["Experiment's files", "2; the HTML report's JSON has the SHA-256 of each"],
      ["Data", "data/manifest.json, SHA-256 p"],
      ["Profile", "tiny"],
      ["Seed", "0"],
      ["Model", "m, SHA-256 w; with its configuration, tokenizer and template d"],
      ["Rules", "R, SHA-256 r"],
      ["Device", "CPU, TF, bf16, Node v20, linux"],
      ["Device", "GPU"],
      ["Compared", "1 files of the runs; the HTML report's JSON has the SHA-256 of each"],
    ),
  );
});

test("the block at a report's end has a row per cell, and what a notebook calls things is text in it", () => {
  const cells = [
    { cell: 2, execution_count: 1, seconds: 1.234, outputs: ["a".repeat(64), "b".repeat(64)] },
    { cell: 3, execution_count: null, outputs: [] },
  ];
  const notebook = { file: "<b>.ipynb", sha256: "n" };
  const html = provenanceHTML({ format: 1, notebook, cells, rendered: { erpo: "0.2", node: "v20" }, complete: true });
  expect(html).toContain("<td>&lt;b&gt;.ipynb, SHA-256 n</td>");
  const rows = [...html.matchAll(/<tr><td class="number">.*<\/tr>/g)].map(([row]) => row.replace(/<[^>]*>/g, "|").replace(/\|+/g, "|"));
  expect(rows).toEqual([`|2|1|1.23|${"a".repeat(12)} ${"b".repeat(12)}|`, "|3|–|–|"]);
});
