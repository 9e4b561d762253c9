import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { logMetrics } from "../../../src/training/loggers/logger.js";
import { crc32c, tensorBoardLogger } from "../../../src/training/loggers/tensorboard.js";
import type { StepMetrics } from "../../../src/training/metrics.js";
import theirs from "../../fixtures/tensorboard.json" with { type: "json" }; // made by test/fixtures/tensorboard_fixture.py

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "erpo-tensorboard-"));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(dir, { recursive: true });
});

const rows = (values: object[]) => values as StepMetrics[];
const eventFiles = () => readdirSync(dir).filter((name) => name.includes("tfevents"));

/** Steps of a file by the format alone: 12 bytes of frame before a record and 4 behind; time takes 9 bytes, then a step below 128 takes 2. */
function stepsOf(file: Buffer): number[] {
  const steps: number[] = [];
  for (let at = 0; at < file.length; at += 12 + Number(file.readBigUInt64LE(at)) + 4) {
    const event = file.subarray(at + 12);
    if (event[9] === 0x10) steps.push(event[10]!);
  }
  return steps;
}

test("CRC-32C of the standard check string", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
});

test("the file is what TensorBoard's own writer makes of the same events, byte for byte", async () => {
  vi.useFakeTimers({ now: theirs.start });
  const logger = tensorBoardLogger(dir, rows(theirs.earlier));
  vi.setSystemTime(theirs.logged.time);
  logger.log(rows([theirs.logged.row])[0]!);
  await logger.close();
  expect(eventFiles()).toHaveLength(1);
  expect(readFileSync(join(dir, eventFiles()[0]!)).toString("hex")).toBe(theirs.file);
});

test("a resumed run has each step once, and others' files stay", async () => {
  const step = (n: number) => ({ step: n, loss: n, step_seconds: 1 });
  writeFileSync(join(dir, "events.out.tfevents.1600000000.host.1.0"), "torch's");
  const killed = tensorBoardLogger(dir);
  for (const n of [1, 2, 3, 4]) killed.log(rows([step(n)])[0]!); // no close
  vi.useFakeTimers({ now: Date.now() + 5000 });
  const resumed = tensorBoardLogger(dir, rows([step(1), step(2)]));
  for (const n of [3, 4, 5]) resumed.log(rows([step(n)])[0]!);
  await resumed.close();
  const [others, ours, ...more] = eventFiles().sort();
  expect(others).toBe("events.out.tfevents.1600000000.host.1.0");
  expect(more).toEqual([]);
  expect(stepsOf(readFileSync(join(dir, ours!)))).toEqual([1, 2, 3, 4, 5]);
});

test("finished metrics are written out, from rows or from a folder; a logger that fails does not stop the others", async () => {
  const written = rows([1, 2, 3].map((n) => ({ step: n, loss: n, step_seconds: 1 })));
  writeFileSync(join(dir, "metrics.jsonl"), written.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const failing = { log: () => {}, close: () => Promise.reject(new Error("no")) };
  const seen: StepMetrics[] = [];
  const own = { log: (step: StepMetrics) => void seen.push(step), close: async () => {} };
  await expect(logMetrics(dir, [failing, own, tensorBoardLogger(dir)])).rejects.toThrow("no");
  expect(seen).toEqual(written);
  expect(stepsOf(readFileSync(join(dir, eventFiles()[0]!)))).toEqual([1, 2, 3]);
  await logMetrics(written.slice(1), [own]);
  expect(seen).toHaveLength(5);
});

test("a folder that cannot be made is named", () => {
  writeFileSync(join(dir, "file"), "");
  expect(() => tensorBoardLogger(join(dir, "file/runs"))).toThrow(/file\/runs.*: cannot be written/);
});
