import { mkdirSync, mkdtempSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildFolder, builtBinding } from "../../src/setup/binding.js";
import { askedWheels, cudaWheels, dataWheels, tensorflowWheels } from "../../src/setup/wheels.js";

const cache = process.env.ERPO_CACHE;

beforeEach(() => {
  process.env.ERPO_CACHE = mkdtempSync(join(tmpdir(), "erpo-binding-"));
});

afterEach(() => {
  if (cache === undefined) delete process.env.ERPO_CACHE;
  else process.env.ERPO_CACHE = cache;
});

test("a build is taken when every file has its recorded size, and named when one has not", () => {
  expect(builtBinding("linux-x64")).toBe("the native TensorFlow library is not set up");
  const dir = buildFolder("linux-x64");
  mkdirSync(join(dir, "tensorflow"), { recursive: true });
  const files = { "tensorflow/tfjs_binding.node": 4, "tensorflow/libtensorflow_cc.so.2": 9 };
  for (const [name, size] of Object.entries(files)) writeFileSync(join(dir, name), "x".repeat(size));
  writeFileSync(join(dir, "manifest.json"), JSON.stringify({ tensorflow: "2.21.0", files }));
  expect(builtBinding("linux-x64")).toMatchObject({ file: join(dir, "tensorflow/tfjs_binding.node"), origin: "built", cuda: [] });
  const library = join(dir, "tensorflow/libtensorflow_cc.so.2");
  truncateSync(library, 3);
  expect(builtBinding("linux-x64")).toBe(`${library} is damaged (3 bytes, not 9)`);
  writeFileSync(join(dir, "manifest.json"), "{");
  expect(builtBinding("linux-x64")).toContain(`${dir} is damaged`);
});

test("every wheel that set-up fetches is one version with one digest, CUDA's within TensorFlow's bounds", () => {
  const wheels = [...Object.values(tensorflowWheels), ...cudaWheels, ...dataWheels, ...askedWheels];
  for (const { file, sha256, version, package: name } of wheels) {
    expect(sha256, file).toMatch(/^[0-9a-f]{64}$/);
    expect(file).toMatch(new RegExp(`^${name.replaceAll("-", "_")}-${version}-`));
  }
  expect(new Set(wheels.map(({ sha256 }) => sha256)).size).toBe(wheels.length);
  // `tensorflow[and-cuda]` 2.21.0's own requirements: the least version, and the first one beyond
  const bounds: Record<string, [number, number, number]> = {
    cublas: [12, 5, 13],
    "cuda-cupti": [12, 5, 13],
    "cuda-nvcc": [12, 5, 13],
    "cuda-nvrtc": [12, 5, 13],
    "cuda-runtime": [12, 5, 13],
    cudnn: [9, 3, 10],
    cufft: [11, 2, 12],
    curand: [10, 3, 11],
    cusolver: [11, 6, 12],
    cusparse: [12, 5, 13],
    nccl: [2, 27, 3],
    nvjitlink: [12, 5, 13],
  };
  const found = Object.fromEntries(cudaWheels.map(({ package: name, version }) => [name, version.split(".").map(Number)]));
  expect(Object.keys(found).sort()).toEqual(
    Object.keys(bounds)
      .map((name) => `nvidia-${name}-cu12`)
      .sort(),
  );
  for (const [name, [major, minor, beyond]] of Object.entries(bounds)) {
    const [first, second] = found[`nvidia-${name}-cu12`] as [number, number];
    expect(first === major ? second >= minor : first > major && first < beyond, name).toBe(true);
  }
});

test("builds for the CPU, for CUDA and for another library lie apart", () => {
  expect(buildFolder("linux-x64")).toMatch(/native\/tfjs-4\.22\.0-tensorflow-cpu-2\.21\.0-/);
  expect(buildFolder("linux-x64-cuda")).not.toBe(buildFolder("linux-x64"));
});
