import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { busyInWords, coresBetween, coresElsewhere, holdsWhile } from "../../src/setup/busy.js";

test("other work is said where it keeps half of the cores busy, and what an estimate then holds for", () => {
  expect(busyInWords(0.9, 2)).toBe(null);
  expect(busyInWords(1, 2)).toBe("1.0 of 2 cores busy");
  expect(busyInWords(3, 8)).toBe(null);
  expect(busyInWords(31.4, 8)).toBe("8.0 of 8 cores busy");
  expect(holdsWhile(null)).toBe("if nothing else runs");
  expect(holdsWhile("1.0 of 2 cores busy")).toBe("while other work keeps 1.0 of 2 cores busy, and less when that ends");
});

test("what this process does itself is not other work", () => {
  const before = { at: 100, all: 7000, own: 50 };
  expect(coresBetween(before, { at: 600, all: 7800, own: 350 })).toBe(1); // 800 ms in 500, of them 300 its own
  expect(coresBetween(before, { at: 600, all: 7290, own: 350 })).toBe(0); // counters tick in 10 ms
});

test("a process that counts keeps a core busy", async () => {
  const counting = spawn(process.execPath, ["-e", "for (;;);"]);
  try {
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await coresElsewhere(500)).toBeGreaterThan(0.3);
  } finally {
    counting.kill("SIGKILL");
  }
});
