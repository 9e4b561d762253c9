import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { InterruptedError } from "../../reports/execute/execute.js";
import { parseNotebook } from "../../reports/notebook/read.js";
import { readReport } from "../../reports/provenance/read.js";
import { rerunChecks, restorePaths } from "../../reports/provenance/rerun.js";
import { makeProject, render, steadyCells, write } from "./experiment.js";
import { code, md, notebookJSON } from "./notebooks.js";

test("the paths of ten and more experiments are those that a reader knows again", () => {
  const moved = Array.from({ length: 11 }, (_, i): [string, string] => [`runs/$&${i + 1}`, `/tmp/x/run-${i + 1}`]);
  const printed = (at: 0 | 1) => moved.map((paths) => `${paths[at]}/run.json`).join(" ");
  const notebook = parseNotebook(notebookJSON([code("1", [{ output_type: "stream", name: "stdout", text: printed(1) }])]), "nb.ipynb");
  expect(restorePaths(notebook, moved).cells[0]).toMatchObject({ outputs: [{ text: printed(0) }] });
});

const rerun = (report: string) => rerunChecks(readReport(report).provenance, report, { tolerance: 1e-6 });

const copies = () => readdirSync(tmpdir()).filter((name) => name.startsWith("erpo-verify-"));

/** Every file of a folder with its time of change. */
const state = (folder: string) =>
  (readdirSync(folder, { recursive: true, encoding: "utf8" }) as string[]).map(
    (file) => `${file} ${lstatSync(join(folder, file)).mtimeMs}`,
  );

test("a notebook that gives the same again, although it writes into its experiments: same, and nothing is touched", async () => {
  const { root, path, notebook, report } = await makeProject(
    [
      ...steadyCells.map((cell, i) => (i === 1 ? { ...cell, source: `${cell.source}\nconst third: string = "own";` } : cell)),
      code(
        `import { appendFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
if (runDir) appendFileSync(runDir + "/run.json", " ");
mkdirSync(other, { recursive: true });
writeFileSync(other + "/run.json", "{}");
console.log("in", runDir, "and", other, "and", third, "with seed", seed, "after", performance.now().toFixed(1), "ms");
console.log(["data/reports/x.json", "1-sft/checkpoint-5"].map((file) => existsSync(runDir + "/" + file)));`,
      ),
      code('import { openDevice } from "erpo";\nprocess.env.ERPO_BACKEND = "cpu";\nawait openDevice();'),
    ],
    { "notebooks/own/run.json": "{}", "runs/a/data/reports/x.json": "{}" },
  );
  for (const name of ["nowhere", "itself"]) symlinkSync(name.replace("nowhere", "gone"), path("runs/a/1-sft", name));
  expect(spawnSync("mkfifo", [path("runs/a/1-sft/pipe")]).status).toBe(0);
  const before = state(root);
  const { provenance } = readReport(report);
  expect(provenance.execution!.device).toMatchObject({
    kind: "cpu",
    library: expect.stringMatching(/^TensorFlow\.js \d/),
    precision: "f32",
  });
  const checks = await rerunChecks(provenance, report, { tolerance: 1e-6 });
  expect(checks).toMatchObject([
    { kind: "rerun", name: "6 outputs within a tolerance of 0.000001", status: "same" },
    { kind: "environment", name: expect.stringMatching(/^computed on .*, TensorFlow\.js .*, f32$/), status: "same" },
  ]);
  expect(state(root)).toEqual(before);
  expect(copies()).toEqual([]);

  // as papermill runs it: the parameters stand in its cell alone
  const other = JSON.parse(readFileSync(notebook, "utf8"));
  delete other.metadata.erpo.execution.parameters;
  write(notebook, JSON.stringify(other));
  await render(path("runs/a"));
  const then = state(root);
  expect(await rerun(report)).toMatchObject([{ status: "same" }, { status: "same" }]);
  expect(state(root)).toEqual(then);
}, 240_000);

test("planted random numbers are told with their cell, and with the number that differs", async () => {
  const { report } = await makeProject([
    md("# Random"),
    code('console.log("steady 1");\nconsole.log("random", Math.random(), Math.random());'),
    code('import { figure, table, trainingCurves, value } from "erpo";\nvalue("val-random", Math.random());\nvalue("val-steady", 1);'),
    code(
      'figure(trainingCurves(["loss"], { rows: [{ step: 1, loss: 1 }, { step: 2, loss: Math.random() }] }), { label: "fig-random", alt: "a" });',
    ),
    code('table([{ a: 1 }, { a: Math.random() }], { label: "tbl-random" });'),
    code("1 + 1e-4 * Math.random()"), // within the tolerance
  ]);
  const checks = await rerunChecks(readReport(report).provenance, report, { tolerance: 1e-3 });
  const number = expect.stringMatching(/^0\.\d+$/);
  const differs = { kind: "rerun", status: "differs", reported: number, found: number };
  expect(checks).toMatchObject([
    { ...differs, name: "cell 2, printed text: line 2", note: "and 1 more in it" },
    { ...differs, name: "cell 3, val-random: value" },
    { ...differs, name: expect.stringMatching(/^cell 4, fig-random: .*\[1\]\.loss$/) },
    { ...differs, name: "cell 5, tbl-random: data[1].a" },
  ]);
  for (const { reported, found } of checks) expect(found).not.toBe(reported);
}, 240_000);

test("a notebook that fails now, or kills its kernel: the error, and what differs until then", async () => {
  const { report, path } = await makeProject([
    code('import { existsSync } from "node:fs";\nconsole.log(existsSync("stop"));'),
    code('if (existsSync("stop")) throw new TypeError("stopped");'),
    code('if (existsSync("stop")) process.exit(3);'),
    code("console.log(Math.random())"),
  ]);
  const stop = new AbortController();
  const stopped = rerunChecks(readReport(report).provenance, report, { tolerance: 0, signal: stop.signal, onProgress: () => stop.abort() });
  await expect(stopped).rejects.toThrow(InterruptedError);
  write(path("notebooks/stop"), "");
  expect(await rerun(report)).toMatchObject([
    { kind: "rerun", status: "differs", name: expect.stringMatching(/^nb\.ipynb: cell 3: the kernel died: exit code 3/) },
    { kind: "rerun", status: "differs", name: "cell 1, printed text", reported: "false", found: "true" },
    { kind: "rerun", status: "differs", name: "cell 2, error", reported: "nothing", found: "TypeError: stopped" },
  ]);
  rmSync(path("notebooks"), { recursive: true });
  await expect(rerun(report)).rejects.toThrow(/nb\.html: the folder that its notebook was run in is gone: .*notebooks$/);
  rmSync(path("runs/a/notebooks"), { recursive: true });
  await expect(rerun(report)).rejects.toThrow(/nb\.ipynb: no such file$/);
  expect(copies()).toEqual([]);
  expect(existsSync(report)).toBe(true);
}, 240_000);
