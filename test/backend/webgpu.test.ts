import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Device } from "../../src/backend/device.js";
import { openRanges } from "../../src/model/files.js";
import { readSafetensors } from "../../src/model/safetensors.js";
import llama from "../fixtures/llama-tiny.json" with { type: "json" }; // made by test/fixtures/llama_fixture.py
import { fixture } from "../model/open.js";
import { skipped } from "../programs.js";
import { softwareVulkan, vulkanLack } from "../vulkan.js";

/** The same work on every device, each in a process of its own; WebGPU on SwiftShader. */

const vulkan = softwareVulkan();
const note = skipped(vulkanLack());
const root = join(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "erpo-webgpu-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Step {
  loss: number;
  grad_norm: number;
}

/** What on-device.mjs writes. */
interface Result {
  device: Device;
  llama: { logits: number[]; loss: number[]; gradients: Record<string, number[]> };
  qwen3: Result["llama"];
  greedy: number[];
  batch: number[][];
  drawn: number[][];
  sft: Step[];
  trained: number[];
  resumed: Step[];
  reference: { chosen: number; rejected: number }[];
  preference: Step[];
  leaked: number;
}

const kinds = ["tensorflow", "wasm", "webgpu"] as const;
const results = {} as Record<(typeof kinds)[number], Result>;

/** All numbers of two values, one after the other. */
const numbers = (value: unknown): number[] =>
  typeof value === "number" ? [value] : typeof value === "object" && value !== null ? Object.values(value).flatMap(numbers) : [];

/** Every number is within a tolerance of the other one, relative where that is larger than 1. */
function agree(ours: unknown, theirs: unknown, within: number): void {
  const [a, b] = [numbers(ours), numbers(theirs)];
  expect(a.length).toBe(b.length);
  expect(Math.max(...a.map((x, i) => Math.abs(x - b[i]!) / Math.max(1, Math.abs(b[i]!))))).toBeLessThan(within);
}

/** Sums in another order differ by up to 4e-6 here. */
const ROUNDING = 1.5e-5;

describe.skipIf(!vulkan)(`tiny models on each device${note}`, () => {
  beforeAll(async () => {
    const run = async (kind: (typeof kinds)[number]) => {
      const words = [join(import.meta.dirname, "on-device.mjs"), join(scratch, kind)];
      const { stdout } = await promisify(execFile)(process.execPath, words, { env: { ...process.env, ...vulkan, ERPO_BACKEND: kind } });
      results[kind] = JSON.parse(stdout);
    };
    await Promise.all(kinds.map(run));
  });

  test.each(kinds)("%s: logits, loss and gradients agree with PyTorch, greedy decoding with transformers", (kind) => {
    const { device, llama: ours, greedy, resumed, sft, leaked } = results[kind];
    expect(device).toMatchObject({ kind, precision: "f32" });
    agree(ours.logits, llama.logits_row_0.values[2], ROUNDING);
    agree(ours.loss, [llama.loss], ROUNDING);
    const file = openRanges(fixture("llama-tiny-gradients.safetensors"));
    const stored = readSafetensors(file);
    for (const [name, values] of Object.entries(ours.gradients)) agree(values, [...stored.read(name).data], ROUNDING);
    expect(Object.keys(ours.gradients).length).toBe(stored.names.length);
    file.close();
    expect(greedy).toEqual(llama.greedy.slice(6, 12));
    expect(resumed).toEqual(sft.slice(1)); // from a checkpoint, bit for bit
    expect(leaked).toBe(0);
  });

  test.each(["wasm", "webgpu"] as const)("%s: normed heads, batches, training and files agree with native TensorFlow", (kind) => {
    const [ours, theirs] = [results[kind], results.tensorflow];
    agree(ours.qwen3, theirs.qwen3, ROUNDING);
    expect(ours.batch).toEqual(theirs.batch);
    expect(ours.drawn).toEqual(theirs.drawn);
    agree(ours.sft, theirs.sft, ROUNDING);
    agree(ours.reference, theirs.reference, ROUNDING);
    agree(ours.preference, theirs.preference, ROUNDING);
    agree(ours.trained, theirs.trained, 2.5e-5); // 5e-6 here: AdamW makes much of a small gradient's rounding
    for (const file of ["adapter/adapter_model.safetensors", "model.gguf"]) {
      expect(readFileSync(join(scratch, kind, file)).equals(readFileSync(join(scratch, "tensorflow", file))), file).toBe(true);
    }
  });
});

/** Runs a script after the device has been opened, in a process of its own. */
function opened(env: NodeJS.ProcessEnv, script = "") {
  const program = `
    import * as tf from "@tensorflow/tfjs";
    import { openDevice } from "./dist/src/backend/device.js";
    const logged = [];
    let device, shown, error;
    try {
      device = await openDevice({ log: (line) => logged.push(line) });
      ${script}
    } catch (caught) {
      error = caught.name + ": " + caught.message;
    }
    console.log(JSON.stringify({ device, shown, error, logged, navigator: typeof navigator }));`;
  const words = ["--input-type=module", "-e", program];
  const { stdout, stderr } = spawnSync(process.execPath, words, { cwd: root, env: { ...process.env, ...env }, encoding: "utf8" });
  return { ...(JSON.parse(stdout) as { device: Device; shown: unknown; error?: string; logged: string[]; navigator: string }), stderr };
}

test.skipIf(!vulkan)(`a program on the processor is no GPU: WebAssembly is chosen before it${note}`, () => {
  const { device, logged, stderr } = opened({ ...vulkan, ERPO_CACHE: join(scratch, "no native library") });
  expect(device).toMatchObject({ kind: "wasm", reason: expect.stringMatching(/; WebGPU finds no GPU, only swiftshader/) });
  expect(logged).toEqual([expect.stringMatching(/is not set up; WebGPU finds .*setup` mends it; going on with TensorFlow.js WebAssembly/)]);
  expect(stderr).toBe("");
});

test.skipIf(!vulkan)(`reading at once is refused with what to do; values that were waited for stay${note}`, () => {
  const script = `
    const sum = tf.add(tf.ones([100, 100]), tf.randomUniform([100, 100], 0, 1, "float32", 1));
    try { sum.dataSync(); } catch (error) { shown = error.message; }
    await sum.data();
    shown += sum.dataSync().length;`;
  const { device, shown, error, navigator, stderr } = opened({ ...vulkan, ERPO_BACKEND: "webgpu" }, script);
  expect(error).toBe(undefined);
  expect(device).toMatchObject({ kind: "webgpu", reason: "ERPO_BACKEND=webgpu", precision: "f32" });
  expect(device.library).toMatch(/^TensorFlow.js WebGPU 4.22.0, SwiftShader/);
  expect(shown).toMatch(/call `await tensor.data\(\)` before .*10000$/);
  expect(navigator).toBe(opened({ ERPO_BACKEND: "cpu" }).navigator);
  expect(stderr).toBe("");
});

test.skipIf(!vulkan)(`an operation that the GPU could not do is an error when its result is read, not zeros${note}`, () => {
  const script = "await tf.slice(tf.add(tf.zeros([40_000, 10_000]), 1), [0, 0], [1, 3]).data();"; // 1.6 GB
  const { error, stderr } = opened({ ...vulkan, ERPO_BACKEND: "webgpu" }, script);
  expect(error).toMatch(/^DeviceError: WebGPU has failed; .*: Buffer size \(1600000000\) exceeds/);
  expect(stderr).toBe("");
});

test.skipIf(!vulkan)(`memory of tensors that are gone is given back, whatever their sizes${note}`, () => {
  const script = `
    shown = [];
    for (let i = 0; i < 8; i++) {
      const squares = tf.tidy(() => tf.square(tf.fill([10_000_000 + i], i))); // two buffers of 40 MB
      shown.push((await tf.tidy(() => tf.slice(squares, [9_999_999], [1])).data())[0]);
      squares.dispose();
    }
    shown.push(tf.memory().numBytesAllocatedInGPU);`;
  const { shown, error } = opened({ ...vulkan, ERPO_BACKEND: "webgpu" }, script);
  expect(error).toBe(undefined);
  const [bytes, ...squares] = (shown as number[]).reverse();
  expect(squares.reverse()).toEqual([0, 1, 4, 9, 16, 25, 36, 49]);
  expect(bytes).toBeLessThan(600e6); // of 640 MB
});

test.skipIf(!vulkan)(`the kernel waits for the values that it shows${note}`, () => {
  const script = `
    const { format } = await import("./dist/kernel/session/format.js");
    shown = (await format(tf.matMul(tf.ones([2, 600]), tf.ones([600, 2])))).data["text/plain"];`;
  const { shown, error } = opened({ ...vulkan, ERPO_BACKEND: "webgpu" }, script);
  expect(error).toBe(undefined);
  expect(shown).toBe("Tensor float32 [2, 2] on webgpu\n    [[600, 600],\n     [600, 600]]");
});

test("without a Vulkan library WebGPU is refused in one line", () => {
  const env = { ERPO_BACKEND: "webgpu", LD_LIBRARY_PATH: "", VK_ICD_FILENAMES: "" };
  const { error, device, stderr } = opened(env);
  if (!device) expect(error).toMatch(/^DeviceError: WebGPU finds no GPU/); // where there is one, it has opened
  expect(stderr).toBe("");
});
