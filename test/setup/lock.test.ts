import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
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

test("a living owner of this machine keeps its lock however long it is silent, and one that has only the number of a dead one does not", async () => {
  const lock = lockFile();
  await withLock(lock, async () => {
    utimesSync(lock, new Date(), new Date(Date.now() - 600_000)); // a step that holds up all timers
    const busy = () => {
      throw new Error("busy");
    };
    await expect(withLock(lock, async () => "taken", busy)).rejects.toThrow("busy");
  });
  writeFileSync(lock, `${process.pid} ${hostname()} 1`); // began in the machine's first tick
  expect(await withLock(lock, async () => "mine")).toBe("mine");
});

test("many that find a dead one's lock at once: one at a time, and nothing is left beside it", async () => {
  const lock = lockFile();
  await withLock(lock, async () => {});
  const { pid } = spawnSync("true");
  writeFileSync(lock, `${pid} ${hostname()}`);
  let inside = 0;
  const work = async () => {
    expect(++inside).toBe(1);
    await sleep(5);
    inside--;
  };
  await Promise.all(Array.from({ length: 8 }, () => withLock(lock, work)));
  expect(readdirSync(dirname(lock))).toEqual([]);
});

test("a process whose lock was taken over does not remove the new owner's", async () => {
  const lock = lockFile();
  await withLock(lock, async () => writeFileSync(lock, "1 elsewhere"));
  expect(readFileSync(lock, "utf8")).toBe("1 elsewhere");
});
