import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { buildFolder, builtBinding } from "../../src/setup/binding.js";
import { damagedBuild, digestOfFile } from "../../src/setup/damage.js";
import { ensureKernels, kernelsFile } from "../../src/setup/kernels.js";
import { ensureNative } from "../../src/setup/native.js";
import { damagedNative } from "../../src/setup/ready.js";

/** Files of the right size with another byte. */

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "erpo-damage-"));
  vi.stubEnv("ERPO_CACHE", join(dir, "cache"));
  vi.stubEnv("ERPO_BACKEND", undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** Turns one byte of a file; its times stay where `quiet`. */
function flip(file: string, quiet = false): void {
  const { atime, mtime } = statSync(file);
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(file, bytes);
  if (quiet) utimesSync(file, atime, mtime);
}
const digest = (text: string) => createHash("sha256").update(text).digest("hex");

/** A build as set-up leaves it, with text in the place of libraries. */
function build(noted: boolean): { library: string; manifest: string } {
  const folder = buildFolder("linux-x64");
  const texts = { "tensorflow/tfjs_binding.node": "addon", "tensorflow/libtensorflow_cc.so.2": "library" };
  for (const [name, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const each = (value: (text: string) => unknown) => Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, value(text)]));
  const manifest = { tensorflow: "2.21.0", files: each((text) => text.length), ...(noted && { sha256: each(digest) }) };
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
  return { library: join(folder, "tensorflow/libtensorflow_cc.so.2"), manifest: join(folder, "manifest.json") };
}

test("a digest is remembered while size, times and inode are the same; looked at by reading it is found all the same, and remembered", async () => {
  const file = join(dir, "large");
  writeFileSync(file, "some bytes");
  expect(await digestOfFile(file, "remember")).toBe(digest("some bytes"));
  flip(file); // the time of its inode's change tells, whatever the others say
  expect(await digestOfFile(file, "remember")).toBe(digest(readFileSync(file, "utf8")));
  const notes = join(dir, "cache/digests");
  const note = join(notes, `${digest(file).slice(0, 32)}.json`);
  const seen = JSON.parse(readFileSync(note, "utf8"));
  writeFileSync(note, JSON.stringify({ ...seen, sha256: "remembered" }));
  expect(await digestOfFile(file, "remember")).toBe("remembered");
  expect(await digestOfFile(file, "read")).toBe(seen.sha256);
  expect(await digestOfFile(file, "remember")).toBe(seen.sha256);
  writeFileSync(note, "{");
  expect(await digestOfFile(file, "remember")).toBe(seen.sha256);
});

test.skipIf(process.platform !== "linux" || process.arch !== "x64")(
  "a native library with another byte is named, and set-up builds it again",
  async () => {
    const { library } = build(true);
    expect(await damagedNative()).toEqual([]);
    flip(library, true);
    expect(builtBinding("linux-x64")).toMatchObject({ origin: "built" }); // its size is right
    expect(await damagedNative()).toEqual([library]);
    vi.stubEnv("PATH", dir); // without pip there is no library to build against
    mkdirSync(join(dir, "bin"));
    writeFileSync(join(dir, "g++"), "#!/bin/sh\nexit 0\n");
    chmodSync(join(dir, "g++"), 0o755);
    const said: string[] = [];
    expect(await ensureNative((line) => said.push(line))).toMatch(/fetched with pip, but Python 3 with pip is not installed|needs .* left/);
    expect(said).toContain(`${library} is damaged: building it again`);
    expect(existsSync(library)).toBe(false);
  },
);

test("a build of before is noted as it is, and held to that from then on", async () => {
  const { library, manifest } = build(false);
  expect(await damagedBuild("linux-x64", "remember")).toEqual([]);
  expect(JSON.parse(readFileSync(manifest, "utf8")).sha256["tensorflow/libtensorflow_cc.so.2"]).toBe(digest("library"));
  flip(library);
  expect(await damagedBuild("linux-x64", "remember")).toEqual([library]);
});

test.skipIf(process.platform !== "linux" || process.arch !== "x64")("kernels with another byte are named and compiled again", async () => {
  build(true);
  const compiler = join(dir, "g++"); // writes its "library" where -o says
  writeFileSync(compiler, '#!/bin/sh\n[ "$1" = --version ] && exit 0\nwhile [ "$1" != -o ]; do shift; done\nprintf kernels > "$2"\n');
  chmodSync(compiler, 0o755);
  vi.stubEnv("CXX", compiler);
  const binding = builtBinding("linux-x64");
  if (typeof binding === "string") throw new Error(binding);
  const kernels = kernelsFile(binding)!;
  const said: string[] = [];
  const log = (line: string) => void said.push(line);
  expect(await ensureKernels(binding, log)).toBeUndefined();
  expect(await ensureKernels(binding, log)).toBeUndefined();
  expect(said).toEqual(["compiling the kernels (10 s or so)"]);
  flip(kernels);
  expect(await damagedNative()).toEqual([kernels]);
  await ensureKernels(binding, log);
  expect(said.slice(1)).toEqual([`${kernels} is damaged: compiling it again`, "compiling the kernels (10 s or so)"]);
  expect(readFileSync(kernels, "utf8")).toBe("kernels");
  expect(await damagedNative()).toEqual([]);
});
