import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { newestCheckpoint } from "../../src/training/checkpoint.js";
import { readMetrics } from "../../src/training/metrics.js";

const root = mkdtempSync(join(tmpdir(), "erpo-resume-"));
const STEPS = 9;
let whole: ReturnType<typeof numbers>;
/** How many tensor operations and calls that change files the whole run takes. */
let moments: { ops: number; calls: number };

/** Runs the compiled trainer, whose steps are of two micro-batches and whose epochs of four steps, in a process of its own; see killed-run.mjs. */
async function run(dir: string, killAfter = 0, kill = ""): Promise<{ signal: string | null; code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "killed-run.mjs"), dir, String(STEPS), String(killAfter)], {
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3", KILL: kill },
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
  moments = JSON.parse(stderr.split("moments ")[1]!);
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

test.each([1, 2, 3])("killed at random moments, in sums and in the middle of files (seed %i)", async (seed) => {
  const rng = createRng(seed);
  const dir = join(root, `random-${seed}`);
  for (const kind of ["calls", "ops", "calls"] as const) {
    const { signal, code, stderr } = await run(dir, 0, `${kind} ${rng.integer(1, moments[kind] >> 1)}`);
    expect([signal, code], stderr).toContainEqual(code === 0 ? 0 : "SIGKILL"); // a moment behind the end of what was left to do
  }
  expect((await run(dir)).code).toBe(0);
  expect(numbers(dir)).toEqual(whole);
  expect(adapter(dir, STEPS).equals(adapter(join(root, "whole"), STEPS))).toBe(true);
  expect(readdirSync(dir).sort()).toEqual(readdirSync(join(root, "whole")).sort());
});

test("killed twice, with half-written files left behind", async () => {
  const dir = join(root, "twice");
  await run(dir, 3);
  appendFileSync(join(dir, "metrics.jsonl"), '{"step": 4, "lo'); // a torn row
  expect(readMetrics(dir).map(({ step }) => step)).toEqual([1, 2, 3]);
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
  const cause = "optimizer.safetensors is not what manifest.json says: its SHA-256 differs";
  expect(found.broken).toEqual([`${join(dir, "checkpoint-4")}: ${cause}`]);
  const { stderr } = await run(dir);
  expect(stderr).toContain("skipped a broken checkpoint: ");
  expect(numbers(dir)).toEqual(whole);
});

const FILES = ["adapter_config.json", "adapter_model.safetensors", "manifest.json", "optimizer.safetensors", "state.json"];

describe.each(FILES)("a checkpoint whose %s is damaged is named with it and skipped", (file) => {
  const path = join(root, `damaged-${file}`, "checkpoint-9", file);
  const dir = join(root, `damaged-${file}`);
  const rng = createRng(FILES.indexOf(file));
  const skipped = async () => {
    const { checkpoint, broken } = await newestCheckpoint(dir);
    expect(checkpoint?.step).toBe(8);
    expect(broken.length).toBe(1);
    return broken[0]!;
  };
  beforeEach(() => cpSync(join(root, "whole"), dir, { recursive: true, force: true }));

  test("missing", async () => {
    rmSync(path);
    expect(await skipped()).toBe(`${join(dir, "checkpoint-9")}: ${file} is missing`);
  });

  test("cut short", async () => {
    const { length } = readFileSync(path);
    for (const size of [length - 2, rng.integer(2, length - 2), 1, 0]) {
      truncateSync(path, size);
      expect(await skipped()).toContain(file);
    }
  });

  test("with a bit that has changed", async () => {
    for (let n = 0; n < 20; n++) {
      const bytes = readFileSync(join(root, "whole", "checkpoint-9", file));
      bytes[rng.integer(0, bytes.length - 1)]! ^= 1 << rng.integer(0, 7);
      writeFileSync(path, bytes);
      expect(await skipped()).toContain(file);
    }
  });
});

test.each(FILES.filter((file) => file !== "manifest.json"))("a manifest with a wrong hash of %s", async (file) => {
  const dir = join(root, `hash-${file}`);
  cpSync(join(root, "whole"), dir, { recursive: true });
  const path = join(dir, "checkpoint-9", "manifest.json");
  const manifest = JSON.parse(readFileSync(path, "utf8"));
  manifest.files[file].sha256 = "0".repeat(64);
  writeFileSync(path, JSON.stringify(manifest));
  const { checkpoint, broken } = await newestCheckpoint(dir);
  expect(checkpoint?.step).toBe(8);
  expect(broken).toEqual([`${join(dir, "checkpoint-9")}: ${file} is not what manifest.json says: its SHA-256 differs`]);
});

test("where no checkpoint is whole the run starts over, says so, and keeps what it stores from then on", async () => {
  const dir = join(root, "none-left");
  cpSync(join(root, "whole"), dir, { recursive: true });
  for (const step of [8, 9]) rmSync(join(dir, `checkpoint-${step}`, "state.json"));
  const { signal, stderr } = await run(dir, 3);
  expect(signal).toBe("SIGKILL");
  expect(stderr).toContain(`skipped a broken checkpoint: ${join(dir, "checkpoint-9")}: state.json is missing`);
  expect(stderr).toContain(`${dir} has no whole checkpoint left: starting over`);
  expect(checkpoints(dir)).toEqual(["checkpoint-2"]);
  const again = await run(dir);
  expect(again.stderr).toContain(`going on from ${join(dir, "checkpoint-2")}`);
  expect(numbers(dir)).toEqual(whole);
});
