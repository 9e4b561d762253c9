import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newestCheckpoint } from "../../src/training/checkpoint.js";
import { readMetrics } from "../../src/training/metrics.js";

const root = mkdtempSync(join(tmpdir(), "erpo-resume-"));
const STEPS = 9;
let whole: ReturnType<typeof numbers>;

/** Runs the compiled trainer in a process of its own; see killed-run.mjs. */
async function run(dir: string, killAfter = 0): Promise<{ signal: string | null; code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "killed-run.mjs"), dir, String(STEPS), String(killAfter)], {
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3" },
  });
  let stderr = "";
  child.stderr.on("data", (bytes) => {
    stderr += bytes;
  });
  const [code, signal] = await once(child, "close");
  return { code, signal, stderr };
}

/** What must be bit-identical. */
const numbers = (dir: string) => readMetrics(dir).map(({ step_seconds, tokens_per_second, peak_rss_bytes, ...rest }) => rest);
const adapter = (dir: string, step: number) => readFileSync(join(dir, `checkpoint-${step}`, "adapter_model.safetensors"));
const checkpoints = (dir: string) => readdirSync(dir).filter((name) => name.includes("checkpoint"));

beforeAll(async () => {
  const { code, stderr } = await run(join(root, "whole"));
  expect(code, stderr).toBe(0);
  whole = numbers(join(root, "whole"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("an undisturbed run has a row a step and keeps its two newest checkpoints", () => {
  expect(whole.map((row) => row.step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(checkpoints(join(root, "whole")).sort()).toEqual(["checkpoint-8", "checkpoint-9"]);
});

test.each([1, 4, 7])(
  "killed with SIGKILL after step %i, then resumed: the same losses, gradients and weights, bit for bit",
  async (killAfter) => {
    const dir = join(root, `killed-${killAfter}`);
    expect((await run(dir, killAfter)).signal).toBe("SIGKILL");
    expect(readMetrics(dir).length).toBe(killAfter);
    const { code, stderr } = await run(dir);
    expect(code, stderr).toBe(0);
    if (killAfter > 1) expect(stderr).toContain(`going on from ${join(dir, `checkpoint-${killAfter - (killAfter % 2)}`)}`);
    expect(numbers(dir)).toEqual(whole);
    expect(adapter(dir, STEPS).equals(adapter(join(root, "whole"), STEPS))).toBe(true);
  },
);

test("killed twice, with half-written files left behind", async () => {
  const dir = join(root, "twice");
  await run(dir, 3);
  appendFileSync(join(dir, "metrics.jsonl"), '{"step": 4, "lo'); // a torn row
  mkdirSync(join(dir, "tmp-checkpoint-4-123"));
  writeFileSync(join(dir, "tmp-checkpoint-4-123", "state.json"), "{");
  await run(dir, 5);
  expect((await run(dir)).code).toBe(0);
  expect(numbers(dir)).toEqual(whole);
  expect(existsSync(join(dir, "tmp-checkpoint-4-123"))).toBe(false);
});

test("a broken checkpoint is named and the one before it taken", async () => {
  const dir = join(root, "broken");
  await run(dir, 5);
  expect(checkpoints(dir).sort()).toEqual(["checkpoint-2", "checkpoint-4"]);
  const file = join(dir, "checkpoint-4", "optimizer.safetensors");
  const bytes = readFileSync(file);
  bytes[bytes.length - 1]! ^= 1; // one bit
  writeFileSync(file, bytes);
  const found = await newestCheckpoint(dir);
  expect(found.checkpoint?.step).toBe(2);
  expect(found.broken).toEqual([`${join(dir, "checkpoint-4")}: optimizer.safetensors has changed since it was written`]);
  const { stderr } = await run(dir);
  expect(stderr).toContain("skipped a broken checkpoint: ");
  expect(numbers(dir)).toEqual(whole);
});

test.each(["manifest.json", "adapter_model.safetensors", "state.json"])("a checkpoint without its %s is skipped", async (file) => {
  const dir = join(root, `without-${file}`);
  cpSync(join(root, "whole"), dir, { recursive: true });
  rmSync(join(dir, "checkpoint-9", file));
  const { checkpoint, broken } = await newestCheckpoint(dir);
  expect(checkpoint?.step).toBe(8);
  expect(broken.length).toBe(1);
});
