import { execFileSync, spawn } from "node:child_process";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { assertWritable, isStream, writeOutput } from "../../src/cli/output.js";

const folder = mkdtempSync(join(tmpdir(), "erpo-output-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

test("standard output has three names beside `-`", async () => {
  let written = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation(((text: string, done: () => void) => {
    written += text;
    done();
    return true;
  }) as typeof process.stdout.write);
  for (const name of ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]) {
    assertWritable(name);
    expect(isStream(name)).toBe(true);
    await writeOutput(name, `${name}\n`);
  }
  write.mockRestore();
  expect(written).toBe("-\n/dev/stdout\n/dev/fd/1\n/proc/self/fd/1\n");
});

test("a link stays a link, and the file that it leads to is written, there or not", async () => {
  writeFileSync(at("old"), "old");
  symlinkSync("old", at("link"));
  symlinkSync(at("link"), at("link-to-link"));
  symlinkSync("new", at("dangling"));
  for (const [name, file] of [
    ["link-to-link", "old"],
    ["dangling", "new"],
  ] as const) {
    assertWritable(at(name));
    await writeOutput(at(name), name);
    expect(lstatSync(at(name)).isSymbolicLink()).toBe(true);
    expect(lstatSync(at(file)).isFile()).toBe(true);
    expect(readFileSync(at(file), "utf8")).toBe(name);
  }
  expect(readdirSync(folder).sort()).toEqual(["dangling", "link", "link-to-link", "new", "old"]);
});

test("a device stays a device; a full one is named", async () => {
  assertWritable("/dev/null");
  await writeOutput("/dev/null", "text");
  expect(lstatSync("/dev/null").isCharacterDevice()).toBe(true);
  await expect(writeOutput("/dev/full", "text")).rejects.toThrow("/dev/full: cannot be written (ENOSPC");
});

test("a pipe is written when it is read, all of it, and stays a pipe", async () => {
  execFileSync("mkfifo", [at("pipe")]);
  assertWritable(at("pipe")); // does not wait for a reader, nor end one
  const text = "line\n".repeat(50_000); // more than a pipe holds
  const reader = spawn("cat", [at("pipe")], { stdio: ["ignore", "pipe", "inherit"] });
  let read = "";
  reader.stdout.setEncoding("utf8").on("data", (part: string) => {
    read += part;
  });
  const closed = new Promise((done) => reader.on("close", done));
  await writeOutput(at("pipe"), text);
  await closed;
  expect(read).toBe(text);
  expect(lstatSync(at("pipe")).isFIFO()).toBe(true);
});
