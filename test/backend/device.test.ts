import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { expect, test, vi } from "vitest";
import { type Device, DeviceError, openDevice } from "../../src/backend/device.js";

/** As on a processor that multiplies BF16, so that to permit it asks for another device than float32's. */
vi.mock("../../src/backend/devices/cpu.js", async (original) => ({
  ...(await original<typeof import("../../src/backend/devices/cpu.js")>()),
  multipliesBf16: () => true,
}));

const root = join(import.meta.dirname, "../..");

/** Opens a device in a process of its own and multiplies [[1, 2], [3, 4]] by itself: [[7, 10], [15, 22]]. */
function elsewhere(env: NodeJS.ProcessEnv, precision = "f32") {
  const script = `
    import * as tf from "@tensorflow/tfjs";
    import { openDevice } from "./dist/src/backend/device.js";
    const device = await openDevice({ precision: "${precision}" }).catch((error) => ({ error: error.message }));
    const a = tf.tensor2d([[1, 2], [3, 4]]);
    console.log(JSON.stringify({ device, product: device.error ? [] : [...tf.matMul(a, a).dataSync()] }));`;
  const program = ["--input-type=module", "-e", script];
  const { stdout, stderr } = spawnSync(process.execPath, program, { cwd: root, env: { ...process.env, ...env }, encoding: "utf8" });
  return { ...(JSON.parse(stdout) as { device: Device & { error?: string }; product: number[] }), stderr };
}

test("opens once; the precision is fixed and float32 is float32", async () => {
  const device = await openDevice();
  expect(await openDevice({ precision: "f32" })).toBe(device);
  await expect(openDevice({ precision: "bf16" })).rejects.toThrow(DeviceError);
  await expect(openDevice({ precision: "bf16" })).rejects.toThrow(
    'the device is open with precision f32, which is fixed for the process: for bf16 begin a new one with `await openDevice({ precision: "bf16" })`',
  );
  expect(device.precision).toBe("f32");
  expect(tf.getBackend()).toBe(device.kind);
  const top = tf.topk(tf.tensor1d([3, 1, 2]), 2); // calls what Node 23 removed from util
  expect([...top.values.dataSync()]).toEqual([3, 2]);
});

test.each(["wasm", "cpu"])("ERPO_BACKEND=%s opens it and prints nothing", (kind) => {
  const { device, product, stderr } = elsewhere({ ERPO_BACKEND: kind });
  expect(device).toMatchObject({ kind, reason: `ERPO_BACKEND=${kind}` });
  expect(product).toEqual([7, 10, 15, 22]);
  expect(stderr).toBe("");
});

test("float32 is asked of the native library whatever the environment says, and it is silent", () => {
  const { device, product, stderr } = elsewhere({
    TF_SET_ONEDNN_FPMATH_MODE: "BF16",
    ONEDNN_DEFAULT_FPMATH_MODE: "BF16",
    TF_CPP_MIN_LOG_LEVEL: "3",
  });
  expect(device.precision).toBe("f32");
  expect(product).toEqual([7, 10, 15, 22]);
  if (device.reason.includes("built by set-up")) expect(stderr).toBe("");
});

test("where NVIDIA's driver is and CUDA's libraries are not, it computes on the processor and says why", () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-driver-"));
  writeFileSync(join(folder, "nvidia-smi"), "#!/bin/sh\nexit 9\n", { mode: 0o755 });
  const { device, product } = elsewhere({ PATH: `${folder}${delimiter}${process.env.PATH}` });
  expect(product).toEqual([7, 10, 15, 22]);
  expect(device.name).not.toContain("NVIDIA");
  if (device.kind === "tensorflow") expect(device.reason).toMatch(/loads, but sees no GPU, although there is NVIDIA's driver$/);
});

test("what cannot be opened is named with what mends it", () => {
  expect(elsewhere({ ERPO_BACKEND: "abacus" }).device.error).toBe('ERPO_BACKEND is "abacus": use tensorflow, webgpu, wasm or cpu');
});
