import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { mainNotebooks } from "../../src/methods/erpo/plan.js";
import { plannedResults } from "../../src/methods/erpo/results.js";
import { answersOnly } from "../../src/methods/erpo/stage1.js";
import { profile } from "../../src/runs/profile.js";
import { runStatus } from "../../src/runs/status.js";
import { passesSolutions } from "../notebooks/solutions.js";
import { finish, openTiny } from "../runs/tiny-run.js";

const root = resolve(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "erpo-start-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

function start(args: readonly string[], watch?: (child: ChildProcess, stderr: string) => void): Promise<Ended> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [join(root, "src/setup/bootstrap.mjs"), "start", ...args], { cwd: root, detached: true });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (text) => {
      stdout += text;
    });
    child.stderr.on("data", (text) => {
      stderr += text;
      watch?.(child, stderr);
    });
    child.on("close", (code, signal) => done({ code, signal, stdout, stderr }));
  });
}

const wrongProfile = join(scratch, "wrong.json");
writeFileSync(wrongProfile, '{"stage1": {"corections": 0}}');

/** The demo's notebook alone. */
const short = join(scratch, "short.json");
writeFileSync(short, '{"extends": "tiny", "notebooks": "demo", "stage3": {"rounds": 1}}');

/** All rounds of stage 3, in the demo's notebook. */
const oneNotebook = join(scratch, "one-notebook.json");
writeFileSync(oneNotebook, '{"extends": "tiny", "notebooks": "demo"}');

const linked = join(scratch, "linked");
mkdirSync(linked);
symlinkSync(join(root, "notebooks"), join(linked, "notebooks"));

const tiny = (run: string) => ["--profile", "tiny", "--model", join(root, "test/fixtures/llama-tiny"), "--run", join(scratch, run)];

const stages = ["1-sft/decision", "1-sft", "2-dpo", "3-length-controlled", "baseline-answers-only"];
const adapters = (run: string) =>
  stages.map((stage) =>
    createHash("sha256")
      .update(readFileSync(join(scratch, run, stage, "adapter_model.safetensors")))
      .digest("hex"),
  );

/** Metrics without what differs from one run to the next: times and memory. */
const losses = (run: string) =>
  stages
    .filter((stage) => existsSync(join(scratch, run, stage, "metrics.jsonl")))
    .map((stage) =>
      readFileSync(join(scratch, run, stage, "metrics.jsonl"), "utf8")
        .trim()
        .split("\n")
        .map((line) => {
          const { step, loss, grad_norm } = JSON.parse(line);
          return { stage, step, loss, grad_norm };
        }),
    );

test("the whole line on a tiny model, from the notebooks to the reports", async () => {
  const { code, stdout, stderr } = await start(tiny("first"));
  expect(stderr, stderr).toMatch(/\d+ tokens per second in training, on a/);
  expect(stderr).toMatch(/the tiny profile takes about \d.* here/);
  expect(stderr).toMatch(/notebook 1 of 6: 00-start-here\n(?: .*\n)*erpo: {3}\d+ s; .* left\n/);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain("stage 3, length");

  const hashes = adapters("first");
  expect(new Set(hashes).size).toBe(hashes.length);
  const reports = readdirSync(join(scratch, "first/reports"));
  expect(reports.filter((file) => file.endsWith(".html")).sort()).toEqual([...mainNotebooks.map((name) => `${name}.html`), "index.html"]);
  const evaluation = join(scratch, "first/reports/05-evaluation.html");
  const verified = spawnSync(process.execPath, [join(root, "src/setup/bootstrap.mjs"), "verify", evaluation, "--json"], {
    encoding: "utf8",
  });
  expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true });
  for (const kind of ["notebook", "output", "run", "data", "result", "parameter", "model", "code", "lockfile"])
    expect(JSON.parse(verified.stdout).checks).toContainEqual(expect.objectContaining({ kind, status: "same" }));
  for (const file of reports.filter((name) => name.endsWith(".html"))) {
    const html = readFileSync(join(scratch, "first/reports", file), "utf8");
    expect(html).not.toMatch(/<script(?![^>]*application\/json)|(?:src|href)="https?:\/\/[^"]*\.(?:js|css)/);
    expect(html).not.toMatch(new RegExp(`(?<![.\\w])${scratch}`)); // paths are relative
  }
  // what the main job is said to keep is what it keeps; beside it, only the score of the last kept round, which is another one each time
  const status = runStatus(join(scratch, "first"), plannedResults(profile("tiny")));
  expect(status.filter(({ state }) => state !== "current")).toEqual([]);
  const planned = plannedResults(profile("tiny")).map(({ path }) => path);
  const others = status.map(({ path }) => path).filter((path) => !planned.includes(path));
  expect(others.filter((path) => !/^3-length-controlled\/round-\d\/dev\.json$/.test(path))).toEqual([]);
}, 600_000);

test.each(mainNotebooks)(
  "%s read again beside all results: both solutions of its exercises pass their checks",
  { timeout: 240_000 },
  (name) => passesSolutions(name, scratch, { profileName: "tiny", runDir: join(scratch, "first") }),
);

test("killed on the way and started again: the same metrics and adapters as in one go", async () => {
  const killed = await start(tiny("second"), (child, stderr) => {
    if (stderr.includes("notebook 4 of 6")) process.kill(-child.pid!, "SIGKILL");
  });
  expect(killed.signal ?? killed.code).not.toBe(0);
  expect(existsSync(join(scratch, "second/1-sft/stage.json"))).toBe(true);
  const again = await start(tiny("second"));
  expect(again.code, again.stderr).toBe(0);
  expect(losses("second")).toEqual(losses("first"));
  expect(adapters("second")).toEqual(adapters("first"));
}, 600_000);

test("the demo: one notebook with all stages, its page and a summary of two policies", async () => {
  const { code, stdout, stderr } = await start(["--profile", short, ...tiny("demo").slice(2)]);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain("notebook 1 of 1: demo");
  expect(readdirSync(join(scratch, "demo/reports")).filter((file) => file.endsWith(".html"))).toContain("demo.html");
  expect(stdout).toContain("Stage 3 against the base model:");
  expect(existsSync(resolve(root, /^report: (.*)$/m.exec(stdout)![1]!))).toBe(true);
  expect(stdout).not.toContain("answers only");
  const status = runStatus(join(scratch, "demo"), plannedResults(profile(short)));
  expect(status.filter(({ state }) => state !== "current")).toEqual([]);
  expect(status.map(({ path }) => path)).toEqual(plannedResults(profile(short)).map(({ path }) => path));

  const again = await start(["--profile", short, ...tiny("demo").slice(2)]); // all is there: it says so, and estimates nothing
  expect(again.code, again.stderr).toBe(0);
  expect(again.stderr).toContain("demo has all results of the short profile: the notebooks read them\n");
  expect(again.stderr).not.toMatch(/three steps|tokens per second|takes about| left/);
  await passesSolutions("demo", scratch, { profileName: short, runDir: join(scratch, "demo") });
}, 600_000);

test("all three stages and the baseline of another family, Qwen2 with biases and a window", async () => {
  const model = join(scratch, "qwen2");
  cpSync(join(root, "test/fixtures/families/qwen2"), model, { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) cpSync(join(root, "test/fixtures/llama-tiny", file), join(model, file));
  const { code, stdout, stderr } = await start(["--profile", oneNotebook, "--model", model, "--run", join(scratch, "third")]);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain("Stage 3 against the base model:");
  await finish(answersOnly(await openTiny(join(scratch, "third"), { profile: oneNotebook, model })));
  expect(new Set(adapters("third")).size).toBe(stages.length);
  for (const { loss } of losses("third").flat()) expect(loss).toBeGreaterThan(0);
}, 600_000);

test.each([
  ["an unknown profile", ["--profile", "huge"], 2, "Allowed choices are demo, quick, full, tiny and JSON files"],
  ["a profile with a field that there is not", ["--profile", wrongProfile], 1, "wrong.json: stage1.corections: there is no such field"],
  ["an unknown model", ["--profile", "tiny", "--model", "gpt-9"], 1, "gpt-9"],
  ["a seed that is no number", ["--seed", "x"], 2, "whole number"],
  ["an option that does not exist", ["--frofile", "tiny"], 2, "--frofile"],
  ["a run's folder that is empty, as a variable that is not set", ["--run", ""], 2, "It must be a folder: it is empty"],
  ["a run's folder that is erpo's own", ["--profile", "demo", "--run", "."], 1, "would write over erpo's own notebooks"],
  ["a run's folder with a link to erpo's notebooks", ["--profile", "demo", "--run", linked], 1, "would write over erpo's own notebooks"],
  [
    "a folder that cannot be written",
    ["--profile", "tiny", "--model", join(root, "test/fixtures/llama-tiny"), "--run", "/proc/erpo"],
    1,
    "/proc/erpo",
  ],
])("%s ends in one clear line", async (_, args, code, words) => {
  const ended = await start(args);
  expect(ended.code, ended.stderr).toBe(code);
  const lines = ended.stderr.trim().split("\n");
  expect(lines.at(-1)).toContain(words);
  expect(ended.stderr).not.toMatch(/^\s+at /m);
});

test("a run that another job is working in is refused before anything is tried", async () => {
  const output = join(scratch, "busy/notebooks/04-stage-3-length-controlled.ipynb");
  mkdirSync(join(scratch, "busy/notebooks"), { recursive: true });
  writeFileSync(join(scratch, "busy/notebooks/.04-stage-3-length-controlled.ipynb.lock"), `${process.pid} ${hostname()}`);
  const { code, stderr } = await start(tiny("busy"));
  expect(code).toBe(1);
  const advice = "wait for it, or choose another folder (--run)";
  expect(stderr.trim().split("\n").at(-1)).toBe(`erpo: ${output}: is being written by another run (process ${process.pid}); ${advice}`);
  expect(stderr).not.toContain("three steps");
}, 60_000);

test("a folder with another run or a broken record is left as it is", async () => {
  const dir = join(scratch, "other");
  mkdirSync(dir);
  for (const [record, words] of [
    ['{"format":1,"profile":"tiny","seed":2,"model":{"name":"m","sha256":"0"}}', "holds a run with seed 2, not 1"],
    ['{"format":', "run.json: not JSON"],
    ["{}", "run.json: not the record of a run"],
  ] as const) {
    writeFileSync(join(dir, "run.json"), record);
    const { code, stderr } = await start(tiny("other"));
    expect(code).toBe(1);
    expect(stderr.trim().split("\n").at(-1)).toContain(words);
    expect(readdirSync(dir)).toEqual(["run.json"]);
  }
}, 60_000);
