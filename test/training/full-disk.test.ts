import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { packageRoot } from "../../src/setup/paths.js";
import { newestCheckpoint } from "../../src/training/checkpoint.js";
import { readMetrics } from "../../src/training/metrics.js";
import trl from "../fixtures/trl-run.json" with { type: "json" }; // made by test/fixtures/trl_run.py
import { fixture } from "../model/open.js";

const root = mkdtempSync(join(tmpdir(), "erpo-disk-"));
const disk = join(root, "disk");
let whole: Trained;

/** `erpo train` into a folder; the disk is full after so many bytes. */
function train(dir: string, quota = Number.POSITIVE_INFINITY): { status: number | null; lines: string[]; bytes: number } {
  const config = `${dir}.json`;
  const data = join(root, "pairs.jsonl");
  const run = { method: "dpo", model: fixture("llama-tiny"), data, output_dir: dir, lora: { r: 2, alpha: 4 }, resume: true };
  const plan = { max_steps: 5, batch_size: 1, gradient_accumulation_steps: 2, learning_rate: 0.01, save_steps: 1 };
  mkdirSync(join(dir, ".."), { recursive: true });
  writeFileSync(config, JSON.stringify({ ...run, ...plan }));
  const main = pathToFileURL(join(packageRoot(), "dist/src/cli/main.js")).href;
  const script = `import { run } from ${JSON.stringify(main)}; process.exitCode = await run(process.argv.slice(1));`;
  const words = ["--import", join(import.meta.dirname, "moments.mjs"), "--input-type=module", "-e", script, "train", config];
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3", QUOTA: String(quota) };
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: "utf8", env });
  const [said, moments] = stderr.split("moments ");
  return { status, lines: said!.trim().split("\n"), bytes: JSON.parse(moments!).bytes };
}

interface Trained {
  losses: number[][];
  adapter: string;
  files: string[];
}

const trained = (dir: string): Trained => ({
  losses: readMetrics(dir).map(({ step, loss, grad_norm }) => [step, loss, grad_norm]),
  adapter: readFileSync(join(dir, "adapter_model.safetensors"), "latin1"),
  files: readdirSync(dir).sort(),
});

/** What a run leaves that the full disk has ended: one line, whole checkpoints and a record of the steps; the same command goes on from there. */
async function endsWell(dir: string, ended: { status: number | null; lines: string[] }): Promise<void> {
  expect(ended.status).toBe(1);
  expect(ended.lines).toEqual([expect.stringMatching(/^erpo: .*: cannot be written \(ENOSPC: no space left on device\)$/)]);
  const others = readdirSync(dir).filter((name) => !/^checkpoint-\d$/.test(name));
  expect(["adapter_config.json", "metrics.jsonl", "train.json"]).toEqual(expect.arrayContaining(others)); // no adapter, nothing half-written
  const { checkpoint, broken } = await newestCheckpoint(dir);
  expect(broken).toEqual([]);
  expect(readMetrics(dir).length).toBeGreaterThanOrEqual(checkpoint?.step ?? 0);
}

beforeAll(() => {
  writeFileSync(join(root, "pairs.jsonl"), trl.runs[2]!.rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
});
afterAll(() => {
  spawnSync("umount", [disk]);
  rmSync(root, { recursive: true, force: true });
});

test("a disk that is full after any number of bytes ends the run with one line; with space again it comes to the same losses", async () => {
  const { status, lines, bytes } = train(join(root, "whole"));
  expect(status, lines.join("\n")).toBe(0);
  whole = trained(join(root, "whole"));
  expect(whole.losses.length).toBe(5);
  const rng = createRng(3);
  for (let n = 1; n <= 4; n++) {
    const dir = join(root, `quota-${n}`);
    await endsWell(dir, train(dir, rng.integer(2_000, bytes - 1)));
    const again = train(dir);
    expect(again.status, again.lines.join("\n")).toBe(0);
    expect(trained(dir)).toEqual(whole);
  }
});

/** A file system of its own, where this process may mount one. */
const mounted = () => {
  mkdirSync(disk);
  return spawnSync("mount", ["-t", "tmpfs", "-o", "size=400k", "tmpfs", disk]).status === 0;
};

test("the same on a file system that is really full", async ({ skip }) => {
  if (!mounted()) return skip("mounting needs root; the test above fails writes as a full disk does");
  const dir = join(disk, "run");
  const size = readdirSync(join(root, "whole/checkpoint-5")).reduce(
    (sum, file) => sum + statSync(join(root, "whole/checkpoint-5", file)).size,
    0,
  );
  const ballast = join(disk, "ballast");
  writeFileSync(ballast, Buffer.alloc(400 * 1024 - Math.round(2.7 * size)));
  await endsWell(dir, train(dir));
  expect((await newestCheckpoint(dir)).checkpoint?.step).toBeGreaterThan(0);
  rmSync(ballast);
  const again = train(dir);
  expect(again.status, again.lines.join("\n")).toBe(0);
  expect(trained(dir)).toEqual(whole);
});
