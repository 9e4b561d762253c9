import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { assertWritable, isStream, writeOutput } from "../../src/cli/output.js";
import { writeAtomic } from "../../src/setup/atomic.js";

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

test("to try whether an output can be written leaves no folder behind, and takes none away that was there", async () => {
  mkdirSync(at("empty"));
  for (const path of ["empty/file", "empty/new/newer/file"]) assertWritable(at(path));
  expect(() => assertWritable(at(`empty/new/${"x".repeat(300)}`))).toThrow("ENAMETOOLONG");
  expect(readdirSync(folder, { recursive: true })).toEqual(["empty"]);
  await writeOutput(at("empty/new/newer/file"), "whole");
  expect(readFileSync(at("empty/new/newer/file"), "utf8")).toBe("whole");
  rmSync(at("empty"), { recursive: true });
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

test("a link of a linked folder leads where the system says: above the real folder", async () => {
  mkdirSync(at("real/inner"), { recursive: true });
  symlinkSync("real/inner", at("shortcut"));
  symlinkSync("../beside", at("real/inner/up"));
  await writeOutput(at("shortcut/up"), "text");
  expect(readFileSync(at("real/beside"), "utf8")).toBe("text");
});

test("links in a circle are named, and stay", async () => {
  symlinkSync("circle-b", at("circle-a"));
  symlinkSync("circle-a", at("circle-b"));
  const message = `${at("circle-a")}: cannot be written (ELOOP: too many symbolic links)`;
  expect(() => assertWritable(at("circle-a"))).toThrow(message);
  await expect(writeOutput(at("circle-a"), "text")).rejects.toThrow(message);
  expect(readlinkSync(at("circle-a"))).toBe("circle-b");
});

/** Whether this machine lets us make a device of our own: the system's own are not touched. */
function makeNull(path: string): boolean {
  return spawnSync("mknod", [path, "c", "1", "3"]).status === 0 && statSync(path).isCharacterDevice() && canWrite(path);
}
function canWrite(path: string): boolean {
  try {
    closeSync(openSync(path, "w")); // some folders are mounted without devices
    return true;
  } catch {
    return false;
  }
}

test("a device stays the same device, also behind a link", async ({ skip }) => {
  if (!makeNull(at("null"))) skip("mknod is not permitted here");
  symlinkSync("null", at("to-null"));
  const { ino, rdev } = statSync(at("null"));
  for (const name of ["null", "to-null"]) {
    assertWritable(at(name));
    await writeOutput(at(name), "text");
    writeAtomic(at(name), ["text"]);
    const after = statSync(at(name));
    expect([after.ino, after.rdev, after.isCharacterDevice()]).toEqual([ino, rdev, true]);
  }
  expect(readlinkSync(at("to-null"))).toBe("null");
});

test("a full device is named", async () => {
  await expect(writeOutput("/dev/full", "text")).rejects.toThrow("/dev/full: cannot be written (ENOSPC");
  expect(() => writeAtomic("/dev/full", ["text"])).toThrow("/dev/full: cannot be written (ENOSPC");
});

test("a pipe is written when it is read, all of it, and stays a pipe", async () => {
  execFileSync("mkfifo", [at("pipe")]);
  assertWritable(at("pipe")); // does not wait for a reader, nor end one
  const text = "line\n".repeat(50_000); // more than a pipe holds
  const writing = writeOutput(at("pipe"), text);
  await new Promise((done) => setTimeout(done, 50)); // nobody reads yet
  const reader = spawn("cat", [at("pipe")], { stdio: ["ignore", "pipe", "inherit"] });
  let read = "";
  reader.stdout.setEncoding("utf8").on("data", (part: string) => {
    read += part;
  });
  const closed = new Promise((done) => reader.on("close", done));
  await writing;
  await closed;
  expect(read === text).toBe(true);
  expect(lstatSync(at("pipe")).isFIFO()).toBe(true);
});

test("who cannot wait writes all to a pipe that is read, and names one that is not", async () => {
  execFileSync("mkfifo", [at("now")]);
  expect(() => writeAtomic(at("now"), ["text"])).toThrow(`${at("now")}: cannot be written (ENXIO`);
  const held = openSync(at("now"), constants.O_RDWR); // so that no read of it comes to an end before the write
  const reader = spawn("sh", ["-c", 'head -c 300000 "$0" > "$1"', at("now"), at("read")]);
  const closed = new Promise((done) => reader.on("close", done));
  writeAtomic(at("now"), ["x".repeat(300_000)]); // more than a pipe holds
  closeSync(held);
  await closed;
  expect(statSync(at("read")).size).toBe(300_000);
});

test("a signal ends a process that waits for the reader of a pipe", async () => {
  execFileSync("mkfifo", [at("waiting")]);
  const program = [
    `import { openStream } from ${JSON.stringify(join(import.meta.dirname, "../../dist/src/setup/streams.js"))};`,
    'process.on("SIGTERM", () => process.exit(143));',
    `setTimeout(() => process.kill(process.pid, "SIGTERM"), 50);`,
    `await openStream(${JSON.stringify(at("waiting"))});`,
  ];
  const { status } = spawnSync(process.execPath, ["--input-type=module", "-e", program.join("\n")], { timeout: 20_000 });
  expect(status).toBe(143);
});
