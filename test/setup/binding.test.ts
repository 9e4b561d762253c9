import { mkdirSync, mkdtempSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildFolder, builtBinding } from "../../src/setup/binding.js";

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

test("builds for the CPU, for CUDA and for another library lie apart", () => {
  expect(buildFolder("linux-x64")).toMatch(/native\/tfjs-4\.22\.0-tensorflow-cpu-2\.21\.0-/);
  expect(buildFolder("linux-x64-cuda")).not.toBe(buildFolder("linux-x64"));
});
