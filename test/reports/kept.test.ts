import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { executeNotebook } from "../../reports/execute/execute.js";
import { holds } from "../../reports/provenance/check.js";
import { readReport } from "../../reports/provenance/read.js";
import { resultChecks } from "../../reports/provenance/results.js";
import { verifyReport } from "../../reports/provenance/verify.js";
import { renderReports } from "../../reports/report.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { stage2 } from "../../src/methods/erpo/stage2.js";
import { modelDigests } from "../../src/model/load.js";
import { keptResults } from "../../src/runs/claim.js";
import { evaluate } from "../../src/runs/evaluate.js";
import type { Run } from "../../src/runs/run.js";
import { staleReason } from "../../src/runs/stale.js";
import { fixture } from "../model/open.js";
import { finish, openTiny } from "../runs/tiny-run.js";
import { erpo } from "./cli.js";
import { code, notebookJSON, type RawCell } from "./notebooks.js";

/** What commands say of results that were kept, on a run of the tiny model whose stage 2 was trained with beta 0.1. */

const root = realpathSync(mkdtempSync(join(tmpdir(), "erpo-kept-")));
const path = (...parts: string[]) => join(root, ...parts);
afterAll(() => rmSync(root, { recursive: true, force: true }));

let run: Run;
beforeAll(async () => {
  run = await openTiny(path("run"));
  await finish(stage1(run));
  await finish(stage2(run, { beta: 0.1 }));
  await finish(evaluate(run, await run.policy("2-dpo"), ["harmful"]));
});

const settings = `let profileName = "tiny";\nlet modelName = ${JSON.stringify(fixture("llama-tiny"))};\nlet runDir = "../run";\nlet beta = 0.1;`;
const notebook = (name: string, cells: RawCell[], parameters = settings): string => {
  const file = path("notebooks", `${name}.ipynb`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, notebookJSON([code(parameters, [], { tags: ["parameters"] }), ...cells]));
  return file;
};

/** Runs a notebook and renders it. @returns its report */
async function reported(file: string, parameters: Record<string, unknown> = {}): Promise<string> {
  await executeNotebook(file, { parameters });
  const { written, failures } = await renderReports([file], { output: path("reports") });
  expect(failures).toEqual([]);
  return written[0]!;
}

async function told(report: string): Promise<{ ok: boolean; lines: string[] }> {
  const checks = await verifyReport(readReport(report), report, { modelDigests, keptResults, staleReason });
  const other = checks.filter(({ status }) => status !== "same");
  return { ok: holds(checks), lines: other.map(({ status, kind, name, note }) => [status, kind, name, note].filter(Boolean).join(" ")) };
}

test("another beta on a finished run ends in one line, and no report of it is certified", async () => {
  const training = `import { openRun, stage2 } from "erpo";
const run = await openRun(runDir, { profile: profileName, model: modelName });
for await (const _ of stage2(run, { beta }));`;
  const file = notebook("03-stage-2-dpo", [code(training)]);
  const before = statSync(run.path("2-dpo/adapter_model.safetensors")).mtimeMs;
  const { code: status, stderr, stdout } = await erpo(["execute", file, "-p", "beta", "0.5"]);
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).toBe(
    `erpo: 03-stage-2-dpo.ipynb: 2-dpo was trained with beta 0.1, not 0.5: use a branch (run.branch) or another folder, or remove ../run/2-dpo\n`,
  );
  expect(statSync(run.path("2-dpo/adapter_model.safetensors")).mtimeMs).toBe(before);
  const { written } = await renderReports([file], { output: path("reports") });
  expect(await told(written[0]!)).toMatchObject({ ok: false, lines: ["differs notebook run to the end it was stopped, or a cell failed"] });
}, 120_000);

test("a report whose parameters are not those that its stage was trained with is refused in words", async () => {
  const cells = [
    code('import { readFileSync } from "node:fs";\nconsole.log(beta, readFileSync(runDir + "/2-dpo/metrics.jsonl", "utf8").length > 0);'),
  ];
  const right = await reported(notebook("right", cells));
  expect(await told(right)).toEqual({ ok: true, lines: [] });
  const wrong = await reported(notebook("wrong", cells), { beta: 0.5 });
  const line = "the notebook's parameters say beta 0.5, but 2-dpo was trained with beta 0.1";
  expect(await told(wrong)).toEqual({ ok: false, lines: [`differs parameter beta ${line}`] });
  const command = await erpo(["verify", wrong]);
  expect(command.code).toBe(1);
  expect(command.stdout).toContain(line);
  // a notebook that has not read stage 2 may call anything beta; one that varies the seed's stages may not
  const other = [code('import { readFileSync } from "node:fs";\nreadFileSync(runDir + "/1-sft/metrics.jsonl");')];
  expect((await told(await reported(notebook("other", other), { beta: 0.5 }))).ok).toBe(true);
  const seeded = await reported(notebook("seeded", other, `${settings}\nlet seed = 2;`));
  expect((await told(seeded)).lines).toEqual([
    "differs parameter seed the notebook's parameters say seed 2, but 1-sft was trained with seed 1",
  ]);
}, 240_000);

test("a report that was rendered while the run went on holds when it has gone on", async () => {
  const rows = run.data.dev.slice(0, 3);
  writeFileSync(path("words.txt"), "");
  const partial = run.path("evaluation/2-dpo/own.jsonl");
  writeFileSync(partial, '{"id":"a"}\n{"id":"b"}\n');
  const cells = [
    code(`import { readFileSync } from "node:fs";
for (const file of ["2-dpo/metrics.jsonl", "evaluation/2-dpo/harmful.json", "evaluation/2-dpo/own.jsonl", "run.json"]) console.log(readFileSync(runDir + "/" + file).length);`),
  ];
  const report = await reported(notebook("meanwhile", cells));
  const { files, lengths } = readReport(report).provenance.run!;
  expect(Object.keys(files)).toEqual(["2-dpo/metrics.jsonl", "evaluation/2-dpo/harmful.json", "evaluation/2-dpo/own.jsonl"]);
  expect(lengths["evaluation/2-dpo/own.jsonl"]).toBe(22);
  appendFileSync(partial, '{"id":"c"}\n'); // the evaluation goes on, another one begins, and a machine is added
  await finish(evaluate(run, await run.policy("1-sft"), [{ name: "later", rows }]));
  const record = JSON.parse(readFileSync(run.path("run.json"), "utf8"));
  writeFileSync(run.path("run.json"), JSON.stringify({ ...record, environments: [...record.environments, { node: "v99" }] }));
  const later = await told(report);
  expect(later.ok).toBe(true);
  expect(later.lines.length).toBeGreaterThan(0);
  for (const line of later.lines) expect(line).toMatch(/^new run \.\.\/run\/evaluation\/1-sft\/later\./);
  writeFileSync(run.path("run.json"), JSON.stringify({ ...record, seed: 7 }));
  expect((await told(report)).lines).toEqual(["differs run ../run/run.json", ...later.lines]);
  writeFileSync(run.path("run.json"), JSON.stringify(record));
  rmSync(partial);
}, 120_000);

test("results of a second run, which the notebook has read beside its own, are stale or not too", () => {
  writeFileSync(path("second.txt"), "");
  mkdirSync(path("second"));
  writeFileSync(path("second/run.json"), "{}");
  const identity = {};
  const records = ["evaluation/a.json", "evaluation/b.json"].map((file) => ({ path: file, record: { files: [file], identity } }));
  const read = ["../second/evaluation/a.json", "../second.txt"].map((file) => ({ file, sha256: "" }));
  const checks = resultChecks(
    { read } as never,
    path("reports"),
    {},
    { keptResults: () => records, staleReason: (dir, file) => `${dir} ${file}` },
  );
  const note = `it is stale: ${path("second")} evaluation/a.json`;
  expect(checks).toEqual([{ kind: "result", name: "../second/evaluation/a.json", status: "differs", note }]);
});

test("an evaluation that outlives the adapter that it judged is not certified", async () => {
  const cells = [
    code('import { readFileSync } from "node:fs";\nconsole.log(readFileSync(runDir + "/evaluation/2-dpo/harmful.json").length);'),
  ];
  const file = notebook("evaluation", cells);
  const report = await reported(file);
  expect((await told(report)).ok).toBe(true);
  rmSync(run.path("2-dpo"), { recursive: true }); // trained again, with another beta
  await finish(stage2(run, { beta: 0.5 }));
  const stale = ["differs result evaluation/2-dpo/harmful.json it is stale: 2-dpo is another one than it was made from"];
  expect(await told(report)).toEqual({ ok: false, lines: stale });
  expect(await told(await reported(file))).toEqual({ ok: false, lines: stale }); // nor rendered anew
  expect(existsSync(run.path("evaluation/2-dpo/harmful.json"))).toBe(true);
}, 120_000);
