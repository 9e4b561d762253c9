import { deepStrictEqual } from "node:assert";
import fs, { mkdtempSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { watchedStats } from "../../kernel/session/file-stats.js";

const file = join(mkdtempSync(join(tmpdir(), "erpo-stats-")), "f");
writeFileSync(file, "12345");

test.each([false, true])("a watched stat is Node's own with the same values, and tells what is looked at (bigint %s)", (bigint) => {
  const stats = statSync(file, { bigint });
  const looked: string[] = [];
  const look = (at: (it: typeof stats) => unknown): [unknown, string[]] => {
    looked.length = 0;
    const found = at(watchedStats(stats, (field) => looked.push(field)));
    return [found, [...new Set(looked)]];
  };
  expect(look((it) => [it.size, it.isFile(), it.isDirectory(), it instanceof statSync(file, { bigint }).constructor])).toEqual([
    [bigint ? 5n : 5, true, false, true],
    [],
  ]);
  expect(look((it) => it.mtimeMs)).toEqual([stats.mtimeMs, ["mtime"]]);
  expect(look((it) => it.mtime)).toEqual([stats.mtime, ["mtime"]]);
  if ("mtimeInstant" in stats)
    expect(look((it) => String((it as typeof stats & { mtimeInstant: unknown }).mtimeInstant))[1]).toEqual(["mtime"]); // Node 26
  expect(look((it) => it.mode)).toEqual([stats.mode, ["mode"]]);
  const [text, all] = look((it) => inspect(it));
  expect(text).toBe(inspect(stats));
  expect(all).toEqual(expect.arrayContaining(["mode", "mtime", "atime", "ctime", "ino"]));
  const [copy, copied] = look((it) => ({ ...it }));
  deepStrictEqual(copy, { ...stats });
  expect(copied).toEqual(all);
  const [cloned] = look((it) => structuredClone(it));
  deepStrictEqual(cloned, structuredClone(stats));
  expect(look((it) => Object.assign(it, { mtimeMs: 3 }).mtimeMs)[0]).toBe(3);
});

test("fs.Stats of the watched one", () => {
  expect(watchedStats(statSync(file), () => {})).toBeInstanceOf(fs.Stats);
});
