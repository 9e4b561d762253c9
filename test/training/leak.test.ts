import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fixture } from "../model/open.js";

test("1,000 steps of SFT, 1,000 of DPO and 1,000 sampled batches leave no tensor behind, and memory is flat", () => {
  const script = join(import.meta.dirname, "leak.mjs");
  const seen = JSON.parse(execFileSync(process.execPath, ["--expose-gc", script, fixture("llama-tiny"), "1000"], { encoding: "utf8" }));
  expect(Object.keys(seen)).toEqual(["SFT", "DPO", "sampling"]);
  for (const [what, { tensors, bytes }] of Object.entries<{ tensors: number[]; bytes: number[] }>(seen)) {
    expect(tensors[0], `${what}: tensors`).toBe(tensors[1]);
    expect(Math.abs(bytes[1]! / bytes[0]! - 1), `${what}: ${bytes} bytes`).toBeLessThan(0.05);
  }
}, 300_000);
