import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import type { RunRecord } from "../../src/runs/record.js";
import { fixture } from "../model/open.js";
import { openTiny, runsFolder } from "./tiny-run.js";

/** As on a processor that does not multiply BF16. */
vi.mock("../../src/backend/devices/cpu.js", async (original) => ({
  ...(await original<typeof import("../../src/backend/devices/cpu.js")>()),
  multipliesBf16: () => false,
}));

const root = join(import.meta.dirname, "../..");
const folder = runsFolder();
afterAll(folder.remove);

/** Opens a run in a process of its own, on the processor as it is. @returns in what it computes */
function elsewhere(dir: string): string {
  const script = `
    import { openRun } from "./dist/src/index.js";
    const run = await openRun(${JSON.stringify(dir)}, { profile: "tiny", model: ${JSON.stringify(fixture("llama-tiny"))} });
    console.log("in", run.device.precision);`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { cwd: root, encoding: "utf8" });
  const [, precision] = /^in (.*)$/m.exec(stdout) ?? [];
  if (!precision) throw new Error(stderr);
  return precision;
}

/** Makes a run one that was begun in this precision. */
function begunIn(dir: string, precision: string): void {
  const file = join(dir, "run.json");
  const record = JSON.parse(readFileSync(file, "utf8")) as RunRecord;
  writeFileSync(file, JSON.stringify({ ...record, environments: [{ ...record.environments[0]!, precision }] }));
}

test("a run goes on in the precision that it was begun in: in float32 where the processor multiplies BF16, and in emulated BF16 where it does not", async () => {
  const dir = folder.path("begun");
  elsewhere(dir);
  begunIn(dir, "f32");
  expect(elsewhere(dir)).toBe("f32");
  begunIn(dir, "bf16");
  const { device } = await openTiny(dir);
  const native = device.kind === "tensorflow";
  expect([device.precision, device.library.endsWith(", BF16 emulated")]).toEqual(native ? ["bf16", true] : ["f32", false]);
});
