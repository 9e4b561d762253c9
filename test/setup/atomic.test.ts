import { spawnSync } from "node:child_process";
import { linkSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FileError, writeAtomic, writeAtomicFrom } from "../../src/setup/atomic.js";

const folder = () => mkdtempSync(join(tmpdir(), "erpo-atomic-"));

test("a write makes the folder, replaces the file and leaves nothing beside it", () => {
  const dir = join(folder(), "a/b");
  writeAtomic(join(dir, "f.txt"), ["one"]);
  writeAtomic(join(dir, "f.txt"), ["zwei ", Buffer.from("ü")]);
  expect(readFileSync(join(dir, "f.txt"), "utf8")).toBe("zwei ü");
  expect(readdirSync(dir)).toEqual(["f.txt"]);
});

test("a write removes what a killed one of the same file has left, and nothing else", () => {
  const dir = folder();
  const { pid: dead } = spawnSync(process.execPath, ["-e", ""]);
  const others = [`.f.txt.${process.ppid}.tmp`, `.g.txt.${dead}.tmp`, "f.txt.tmp"]; // a living process's, another file's, somebody's own
  for (const name of [`.f.txt.${dead}.tmp`, `.f.txt.3.${dead}.tmp`, ...others]) writeFileSync(join(dir, name), "half");
  writeAtomic(join(dir, "f.txt"), ["whole"]);
  expect(readdirSync(dir).sort()).toEqual([...others, "f.txt"].sort());
});

test("a write that fails leaves the old file and no trace", () => {
  const dir = folder();
  const path = join(dir, "kept.txt");
  writeAtomic(path, ["old"]);
  function* failing() {
    yield "new";
    throw new Error("disk on fire");
  }
  expect(() => writeAtomic(path, failing())).toThrow("disk on fire");
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(dir)).toEqual(["kept.txt"]);
});

test("two writes of a file that are waited for do not mix; the later one stays, and one that fails leaves no trace", async () => {
  const dir = folder();
  const path = join(dir, "f.txt");
  async function* slow(text: string, ms: number, failure?: Error) {
    for (const letter of text) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      yield letter;
    }
    if (failure) throw failure;
  }
  await Promise.all([writeAtomicFrom(path, slow("short", 1)), writeAtomicFrom(path, slow("the longer one", 4))]);
  await expect(writeAtomicFrom(path, slow("new", 1, new Error("disk on fire")))).rejects.toThrow("disk on fire");
  expect(readFileSync(path, "utf8")).toBe("the longer one");
  expect(readdirSync(dir)).toEqual(["f.txt"]);
});

test("a file that cannot be written is named with the cause", () => {
  const message = "/proc/no/f.jsonl: cannot be written (ENOENT: no such file or directory)";
  expect(() => writeAtomic("/proc/no/f.jsonl", ["x"])).toThrow(new FileError(message));
});

test("a link stays; the file that it leads to is replaced whole, or stays as it was", async () => {
  const dir = folder();
  writeFileSync(join(dir, "file"), "old", { mode: 0o600 });
  symlinkSync("file", join(dir, "link"));
  linkSync(join(dir, "file"), join(dir, "before")); // keeps its number from being given again
  function* failing() {
    yield "new";
    throw new Error("disk on fire");
  }
  expect(() => writeAtomic(join(dir, "link"), failing())).toThrow("disk on fire");
  expect(readFileSync(join(dir, "file"), "utf8")).toBe("old");
  writeAtomic(join(dir, "link"), ["new"]);
  await writeAtomicFrom(join(dir, "link"), ["newer"]);
  expect(readlinkSync(join(dir, "link"))).toBe("file");
  expect(readFileSync(join(dir, "file"), "utf8")).toBe("newer");
  expect(readFileSync(join(dir, "before"), "utf8")).toBe("old"); // renamed into its place, not written over
  expect(statSync(join(dir, "file")).mode & 0o777).toBe(0o600);
  expect(readdirSync(dir).sort()).toEqual(["before", "file", "link"]);
});
