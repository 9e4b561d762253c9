import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { machine } from "./common.js";

const STEPS = 30;

interface Seen {
  tensors: [least: number, most: number];
  bytes: [warm: number, last: number];
}

test("SmolLM2-135M: tensors and memory do not grow over steps", () => {
  const script = fileURLToPath(new URL("../training/leak.mjs", import.meta.url));
  const words = ["--expose-gc", script, "smollm2-135m-instruct", String(STEPS), "8", "40", "30"];
  const seen = JSON.parse(execFileSync(process.execPath, words, { encoding: "utf8" })) as Record<string, Seen>;
  console.log(`${machine()}; ${STEPS} steps of 8 rows of about 80 tokens (DPO: 8 pairs)\n`);
  console.log("| | tensors after a step | memory behind the first tenth, MB | in the last tenth | ratio |\n|---|---|---|---|---|");
  for (const [what, { tensors, bytes }] of Object.entries(seen)) {
    const [warm, last] = bytes.map((x) => (x / 1e6).toFixed(0));
    console.log(`| ${what} | ${[...new Set(tensors)].join(" to ")} | ${warm} | ${last} | ${(bytes[1] / bytes[0]).toFixed(3)} |`);
  }
  for (const { tensors, bytes } of Object.values(seen)) {
    expect(tensors[0]).toBe(tensors[1]);
    expect(Math.abs(bytes[1] / bytes[0] - 1)).toBeLessThan(0.05);
  }
});
