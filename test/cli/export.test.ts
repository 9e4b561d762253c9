import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openDirectory } from "../../src/model/directory.js";
import { openGguf } from "../../src/model/gguf.js";

const root = resolve(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "erpo-export-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const tiny = ["--model", join(root, "test/fixtures/llama-tiny"), "--adapter", join(root, "test/fixtures/llama-tiny-adapter")];

const erpo = (...args: string[]): Promise<{ code: number; stderr: string }> =>
  new Promise((done) => {
    execFile(process.execPath, [join(root, "src/setup/bootstrap.mjs"), "export", ...args], (error, _, stderr) => {
      done({ code: error ? Number(error.code) : 0, stderr });
    });
  });

test("export writes a GGUF file, and shards of safetensors", async () => {
  const file = join(scratch, "out/tiny.gguf");
  expect(await erpo("gguf", ...tiny, "--type", "q8_0", "--output", file)).toMatchObject({ code: 0 });
  const opened = await openGguf(file);
  expect(opened.config.numLayers).toBe(2);
  opened.close();
  const folder = join(scratch, "hf");
  expect(await erpo("safetensors", ...tiny, "--type", "bf16", "--max-shard-size", "20000", "--output", folder)).toMatchObject({ code: 0 });
  expect(existsSync(join(folder, "model.safetensors.index.json"))).toBe(true);
  (await openDirectory(folder)).close();
  const adapter = createHash("sha256").update(readFileSync(join(root, "test/fixtures/llama-tiny-adapter/adapter_model.safetensors")));
  expect(readFileSync(join(folder, "README.md"), "utf8")).toContain(adapter.digest("hex"));
}, 120_000);

test.each([
  [
    "a type that GGUF files of erpo do not have",
    ["gguf", ...tiny, "--type", "q2_k", "--output", "x.gguf"],
    2,
    "Allowed choices are f16, bf16, q8_0, f32",
  ],
  ["a folder where a file should be", ["gguf", ...tiny, "--output", scratch], 1, "cannot be written"],
  ["a model that is not there", ["gguf", "--model", "none", "--output", join(scratch, "x.gguf")], 1, "none: no such file"],
])("%s ends in one clear line", async (_, args, code, words) => {
  const ended = await erpo(...args);
  expect(ended.code, ended.stderr).toBe(code);
  expect(ended.stderr.trim().split("\n").at(-1)).toContain(words);
  expect(ended.stderr).not.toMatch(/^\s+at /m);
});
