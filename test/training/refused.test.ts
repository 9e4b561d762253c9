import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "../../src/setup/paths.js";
import { removeUnfinished } from "../../src/training/checkpoint.js";
import trl from "../fixtures/trl-run.json" with { type: "json" }; // made by test/fixtures/trl_run.py
import { fixture } from "../model/open.js";

const dir = mkdtempSync(join(tmpdir(), "erpo-refused-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const main = pathToFileURL(join(packageRoot(), "dist/src/cli/main.js")).href;
const script = `import { run } from ${JSON.stringify(main)}; process.exitCode = await run(process.argv.slice(1));`;
const moments = ["--import", join(import.meta.dirname, "moments.mjs")];
const words = (...args: string[]) => ["--input-type=module", "-e", script, "train", ...args];
const surroundings = { cwd: dir, env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3" } };
const train = (file: string) => spawnSync(process.execPath, words(file), { ...surroundings, encoding: "utf8" });

const base = {
  method: "dpo",
  model: fixture("llama-tiny"),
  data: "pairs.jsonl",
  output_dir: "run",
  max_steps: 2,
  batch_size: 2,
  save_steps: 1,
};
const write = (name: string, value: unknown) => writeFileSync(join(dir, name), JSON.stringify(value));
const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

/** Every file below a folder, with the SHA-256 of its bytes and its time of change. */
const state = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => [name, statSync(join(folder, name))] as const)
    .filter(([, stat]) => stat.isFile())
    .map(
      ([name, { mtimeMs }]) =>
        `${name} ${mtimeMs} ${createHash("sha256")
          .update(readFileSync(join(folder, name)))
          .digest("hex")}`,
    )
    .sort();

beforeAll(() => {
  writeFileSync(join(dir, "pairs.jsonl"), lines(trl.runs[2]!.rows));
  writeFileSync(join(dir, "empty.jsonl"), "");
  writeFileSync(join(dir, "weightless.jsonl"), lines([{ prompt_ids: [5], completion_ids: [6, 7], weights: [0, 0] }]));
  writeFileSync(join(dir, "plan.json"), "[[0, 9999]]");
  writeFileSync(join(dir, "file"), "");
  mkdirSync(join(dir, "nan"));
  cpSync(fixture("llama-tiny-adapter"), join(dir, "nan"), { recursive: true });
  const weights = readFileSync(join(dir, "nan/adapter_model.safetensors"));
  weights.fill(0xff, weights.length - 64); // not a number
  writeFileSync(join(dir, "nan/adapter_model.safetensors"), weights);
  write("run.json", base);
  const { status, stderr } = train("run.json");
  expect(status, stderr).toBe(0);
});

test.each<[string, object, string]>([
  ["a field", { seed: "x" }, 'field "seed"'],
  ["no rows", { data: "empty.jsonl" }, ""],
  ["a plan of other rows", { batches: "plan.json", max_steps: undefined }, "plan.json: step 1 has row 9999"],
  ["a plan that is not there", { batches: "none.json", max_steps: undefined }, "none.json: no such file"],
  ["a reference that is not there", { reference_adapter: "none" }, "none"],
  ["a reference with NaN", { reference_adapter: "nan" }, ""],
  ["an adapter that is not there", { init_adapter: "none" }, "none"],
  ["rows that count for nothing", { method: "sft", data: "weightless.jsonl" }, "step 1: no completion token"],
  ["held-out rows without text", { eval_data: "weightless.jsonl" }, "weightless.jsonl"],
  ["another learning rate than the checkpoint's", { learning_rate: 0.5, resume: true }, "checkpoint-2: made with"],
  ["a tracker's folder in a file", { report_to: "tensorboard", logging_dir: "file/runs" }, "file is no folder"],
])("a start that is refused for %s leaves an earlier run's files byte for byte", (_, change, message) => {
  const before = state(join(dir, "run"));
  expect(before.length).toBeGreaterThan(10);
  write("changed.json", { ...base, ...change });
  const { status, stderr } = train("changed.json");
  expect(status).toBe(1);
  expect(stderr).toMatch(/^erpo: [^\n]+\n$/);
  expect(stderr).toContain(message);
  expect(state(join(dir, "run"))).toEqual(before);
});

test("so does one whose metrics.jsonl is broken or a folder", () => {
  for (const spoil of [
    (file: string) => writeFileSync(file, `{"step":1\n${readFileSync(file, "utf8")}`),
    (file: string) => {
      rmSync(file);
      mkdirSync(file);
    },
  ]) {
    cpSync(join(dir, "run"), join(dir, "spoilt"), { recursive: true });
    spoil(join(dir, "spoilt/metrics.jsonl"));
    const before = state(join(dir, "spoilt"));
    write("spoilt.json", { ...base, output_dir: "spoilt", resume: true });
    const { status, stderr } = train("spoilt.json");
    expect([status, stderr]).toEqual([1, expect.stringContaining("spoilt/metrics.jsonl")]);
    expect(state(join(dir, "spoilt"))).toEqual(before);
    rmSync(join(dir, "spoilt"), { recursive: true });
  }
});

/** A training that computes a reference for long. */
function startLong(name: string) {
  writeFileSync(join(dir, "many.jsonl"), lines(Array(6000).fill({ prompt: "a", chosen: "b ".repeat(20), rejected: "c ".repeat(20) })));
  write(`${name}.json`, { ...base, data: "many.jsonl", output_dir: name, batch_size: 1 });
  return spawn(process.execPath, words(`${name}.json`), { ...surroundings, stdio: "ignore" });
}

const appears = async (file: string) => {
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 20));
};

test("a second process cannot train into the folder, and changes nothing there; it can when the first one was killed", async () => {
  cpSync(join(dir, "run"), join(dir, "shared"), { recursive: true });
  const child = startLong("shared");
  const lock = join(dir, "shared/.train.lock");
  await appears(lock);
  const before = state(join(dir, "shared"));
  write("second.json", { ...base, output_dir: "shared" });
  const second = train("second.json");
  const message = `erpo: shared: is being written by another run (process ${child.pid}); wait for it, or choose another output_dir\n`;
  expect([second.status, second.stderr]).toEqual([1, message]);
  expect(state(join(dir, "shared")).filter((line) => !line.startsWith(".train.lock"))).toEqual(
    before.filter((line) => !line.startsWith(".train.lock")),
  );
  child.kill("SIGKILL");
  await once(child, "close");
  expect(existsSync(lock)).toBe(true);
  const third = train("second.json");
  expect(third.status, third.stderr).toBe(0);
  expect(existsSync(lock)).toBe(false);
});

test.each(["SIGTERM", "SIGHUP", "SIGINT"] as const)("%s leaves no lock, and no folder that was made for it", async (signal) => {
  const child = startLong(signal);
  await appears(join(dir, signal, ".train.lock"));
  child.kill(signal);
  await once(child, "close");
  expect(existsSync(join(dir, signal, ".train.lock"))).toBe(false);
  if (signal === "SIGINT") expect(existsSync(join(dir, signal))).toBe(false);
});

test("a disk that takes no byte more leaves no lock", () => {
  const full = (quota: number) =>
    spawnSync(process.execPath, [...moments, ...words("full.json")], {
      ...surroundings,
      env: { ...surroundings.env, QUOTA: String(quota) },
      encoding: "utf8",
    });
  write("full.json", { ...base, output_dir: "full" });
  for (const quota of [5, 100]) {
    const { status, stderr } = full(quota);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^erpo: full\S*: cannot be written \(ENOSPC: no space left on device\)\n/)]);
    expect(existsSync(join(dir, "full"))).toBe(false);
  }
});

test("what a living process is writing stays, what a dead one has left goes", async () => {
  const folder = mkdtempSync(join(dir, "unfinished-"));
  const { pid: dead } = spawnSync("true");
  for (const pid of [dead, process.ppid]) {
    mkdirSync(join(folder, `tmp-checkpoint-4-${pid}`));
    writeFileSync(join(folder, `tmp-checkpoint-4-${pid}/state.json`), "{");
    writeFileSync(join(folder, `.metrics.jsonl.${pid}.tmp`), "{");
  }
  await removeUnfinished(folder);
  expect(readdirSync(folder).sort()).toEqual([`.metrics.jsonl.${process.ppid}.tmp`, `tmp-checkpoint-4-${process.ppid}`]);
});

test("a file that this user may not write is named before anything is removed", ({ skip }) => {
  if (process.getuid?.() === 0) return skip("root may write everything");
  chmodSync(join(dir, "run/metrics.jsonl"), 0o444);
  const before = state(join(dir, "run"));
  expect(train("run.json").stderr).toContain("run/metrics.jsonl: cannot be written (EACCES");
  expect(state(join(dir, "run"))).toEqual(before);
});

test("a lock that says another process than the one that has its number now is taken over", () => {
  cpSync(join(dir, "run"), join(dir, "reused"), { recursive: true });
  writeFileSync(join(dir, "reused/.train.lock"), `${process.pid} ${hostname()} 1`);
  write("reused.json", { ...base, output_dir: "reused" });
  const { status, stderr } = train("reused.json");
  expect(status, stderr).toBe(0);
});
