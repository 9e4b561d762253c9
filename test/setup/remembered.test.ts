import { chmodSync, mkdtempSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { remembered } from "../../src/setup/remembered.js";

let cache = "";
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "erpo-test-"));
  vi.stubEnv("ERPO_CACHE", cache);
});

const made = vi.fn((): Uint8Array => Buffer.from("made"));
const get = async (...inputs: string[]) => Buffer.from(await remembered("things", inputs, made)).toString();
const files = () => readdirSync(join(cache, "things")).map((name) => join(cache, "things", name));

test("what was made is made once for the same inputs", async () => {
  made.mockClear();
  expect([await get("a", "bc"), await get("a", "bc"), made.mock.calls.length]).toEqual(["made", "made", 1]);
  await get("ab", "c"); // other inputs, though their bytes in a row are the same
  expect(made).toHaveBeenCalledTimes(2);
  expect(files()).toHaveLength(2);
});

test.each([
  [
    "a changed byte",
    (file: string) =>
      writeFileSync(
        file,
        readFileSync(file).map((byte, i) => (i === 33 ? byte ^ 1 : byte)),
      ),
  ],
  ["a cut file", (file: string) => truncateSync(file, 34)],
  ["an empty file", (file: string) => truncateSync(file, 0)],
])("%s is made again", async (_name, damage) => {
  await get("a");
  const before = readFileSync(files()[0]!);
  damage(files()[0]!);
  expect(await get("a")).toBe("made");
  expect(readFileSync(files()[0]!)).toEqual(before);
});

test("a cache that takes no file costs time only", async () => {
  writeFileSync(join(cache, "things"), "no folder"); // for root too, whom no mode of a folder stops
  made.mockClear();
  expect([await get("a"), await get("a"), made.mock.calls.length]).toEqual(["made", "made", 2]);
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  chmodSync(folder, 0o500);
  vi.stubEnv("ERPO_CACHE", folder);
  expect(await get("a")).toBe("made");
});

test("the oldest files go", async () => {
  for (let i = 0; i < 305; i++) await get(String(i));
  expect(files()).toHaveLength(300);
  made.mockClear();
  await get("304");
  expect(made).not.toHaveBeenCalled();
});

test("what cannot be made is not kept", async () => {
  await expect(remembered("things", ["x"], () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await get("x")).toBe("made");
});
