import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Device } from "../../src/backend/device.js";
import { checkHeap } from "../../src/cli/wasm-heap.js";
import { checkModel } from "../../src/model/load.js";
import { changedProfile, type Profile, profile } from "../../src/runs/profile.js";
import { variants } from "../../src/setup/binding.js";
import { chromiumPlaces } from "../../src/setup/chromium.js";
import { memoryProblems } from "../../src/setup/doctor.js";
import { tensorflowWheels } from "../../src/setup/wheels.js";
import index from "../fixtures/pypi-tensorflow.json" with { type: "json" }; // PyPI's listing of tensorflow and tensorflow-cpu 2.21.0, CPython 3.11
import { fixture } from "../model/open.js";

/** What set-up does on other machines, with their platforms recorded. */

const root = join(import.meta.dirname, "../..");
const platforms = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64"] as const;

test("the pinned TensorFlow wheels are those of PyPI, with their sizes and digests", () => {
  for (const { file, size, sha256 } of Object.values(tensorflowWheels)) expect(index).toContainEqual({ file, size, sha256 });
});

test("native TensorFlow is for Linux; elsewhere WebGPU is asked next, whose library every platform gets", () => {
  expect(platforms.map((platform) => variants(platform, false))).toEqual([["linux-x64"], ["linux-arm64"], [], [], []]);
  expect(variants("linux-x64", true)).toEqual(["linux-x64-cuda", "linux-x64"]);
  expect(variants("linux-arm64", true)).toEqual(["linux-arm64"]);
  const dawn = readdirSync(join(root, "node_modules/webgpu/dist"));
  for (const platform of platforms) expect(dawn).toContain(platform.startsWith("darwin") ? "darwin-universal" : platform);
});

test("the other binaries are there for every platform", () => {
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  const canvas = { "linux-x64": "linux-x64-gnu", "linux-arm64": "linux-arm64-gnu", "win32-x64": "win32-x64-msvc" } as Record<
    string,
    string
  >;
  for (const platform of platforms) {
    expect(lock).toContain(`"node_modules/@napi-rs/canvas-${canvas[platform] ?? platform}"`);
    const addons = readdirSync(join(root, "node_modules/zeromq/build", platform.replace("-", "/")), { recursive: true, encoding: "utf8" });
    expect(
      addons.some((file) => file.endsWith(".node")),
      platform,
    ).toBe(true);
  }
});

test("doctor notes less memory than README asks for, and lets the main job run", () => {
  expect(memoryProblems(6e9)).toEqual([{ what: "6.0 GB of memory, less than 8 GB", mend: "a machine with more", serious: false }]);
  expect(memoryProblems(8e9)).toEqual([]);
  expect(readFileSync(join(root, "README.md"), "utf8")).toContain(" 8 GB of memory ");
});

test("Chromium is looked for where each platform has it", () => {
  expect(chromiumPlaces("linux", { PATH: "/usr/bin:/snap/bin" }).slice(0, 3)).toEqual([
    "/usr/bin/chromium",
    "/snap/bin/chromium",
    "/usr/bin/chromium-browser",
  ]);
  const mac = chromiumPlaces("darwin", { PATH: "/opt/homebrew/bin", HOME: "/Users/ada" });
  expect(mac[0]).toBe("/opt/homebrew/bin/chromium");
  expect(mac).toContain("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
  expect(mac).toContain("/Users/ada/Applications/Chromium.app/Contents/MacOS/Chromium");
  const env = {
    Path: "C:\\bin;C:\\other",
    ProgramFiles: "C:\\Program Files",
    "ProgramFiles(x86)": "C:\\Program Files (x86)",
    LOCALAPPDATA: "C:\\Local",
  };
  const windows = chromiumPlaces("win32", env);
  expect(windows.slice(0, 2)).toEqual(["C:\\bin\\chrome.exe", "C:\\other\\chrome.exe"]);
  expect(windows).toContain("C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe");
  expect(windows).toContain("C:\\Local\\Google\\Chrome\\Application\\chrome.exe");
  expect(windows).toContain("C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe");
});

test.skipIf(process.platform === "win32")("on Windows npm is npm.cmd, which a command processor starts", () => {
  const place = mkdtempSync(join(tmpdir(), "erpo-windows-"));
  mkdirSync(join(place, "src/setup"), { recursive: true });
  for (const name of ["bootstrap.mjs", "bootstrap-lock.mjs"]) copyFileSync(join(root, "src/setup", name), join(place, "src/setup", name));
  for (const file of ["package.json", "tsconfig.json"]) writeFileSync(join(place, file), "{}");
  writeFileSync(join(place, "package-lock.json"), '{"packages":{"":{},"node_modules/a":{"version":"1.0.0"}}}');
  writeFileSync(join(place, "cmd.sh"), `#!/bin/sh\necho "$*" > "${place}/asked"\nexit 1\n`);
  chmodSync(join(place, "cmd.sh"), 0o755);
  writeFileSync(join(place, "windows.mjs"), 'Object.defineProperty(process, "platform", { value: "win32" });');
  const { npm_execpath: _, ...env } = process.env;
  const words = ["--import", join(place, "windows.mjs"), join(place, "src/setup/bootstrap.mjs"), "doctor"];
  const { status, stderr } = spawnSync(process.execPath, words, { env: { ...env, comspec: join(place, "cmd.sh") }, encoding: "utf8" });
  expect(readFileSync(join(place, "asked"), "utf8")).toContain("npm.cmd ci --loglevel=error\n");
  expect(stderr).toMatch(/^erpo: npm ci failed: /);
  expect(status).toBe(1);
  rmSync(place, { recursive: true });
});

test("WebAssembly says before it starts what does not fit its 4 GB, and a change that does", async () => {
  const shape = { hiddenSize: 576, intermediateSize: 1536, numLayers: 30, numHeads: 9, numKvHeads: 3, headDim: 64, vocabSize: 49152 };
  const config = { ...(await checkModel(fixture("llama-tiny"))), ...shape }; // SmolLM2-135M's
  const check = (given: Profile, kind: Device["kind"] = "wasm") => checkHeap({ kind }, given, config);
  let message = "";
  try {
    check(profile("quick"));
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toMatch(
    /^WebAssembly has 4\.3 GB of memory, and "personas" of the quick profile needs [\d.]+ GB: a profile with "evaluation": \{"attackPrompts": \d+\} fits/,
  );
  const evaluation = JSON.parse(/\{.*?\}/.exec(message)![0]);
  expect(() => check(changedProfile(profile("quick"), { name: "light", evaluation }))).not.toThrow();
  expect(() => check(profile("quick"), "tensorflow")).not.toThrow();
  expect(() => check(profile("tiny"))).not.toThrow();
  expect(() => check(changedProfile(profile("tiny"), { name: "large", rank: 4000 }))).toThrow("take a smaller model, or take a machine");
});
