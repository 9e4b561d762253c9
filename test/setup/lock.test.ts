import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { withLock } from "../../src/setup/lock.js";

const lockFile = () => join(mkdtempSync(join(tmpdir(), "erpo-lock-")), "below/lock");

test("one at a time, and the lock file goes", async () => {
  const lock = lockFile();
  let inside = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++inside);
    await sleep(30);
    return inside--;
  };
  await Promise.all([1, 2, 3].map(() => withLock(lock, work)));
  expect(most).toBe(1);
  expect(existsSync(lock)).toBe(false);
});

test("the lock of a dead process is taken over at once, one of another host after a minute of silence", async () => {
  const lock = lockFile();
  await withLock(lock, async () => {});
  const { pid } = spawnSync("true");
  writeFileSync(lock, `${pid} ${hostname()}`);
  expect(await withLock(lock, async () => "mine")).toBe("mine");
  writeFileSync(lock, "1 elsewhere");
  utimesSync(lock, new Date(), new Date(Date.now() - 61_000));
  expect(await withLock(lock, async () => "mine")).toBe("mine");
});

test("a failure of the work releases the lock", async () => {
  const lock = lockFile();
  await expect(
    withLock(lock, async () => {
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  expect(existsSync(lock)).toBe(false);
});
