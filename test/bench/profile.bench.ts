import { test } from "vitest";
import { machine } from "./common.js";
import { measure } from "./peers.js";

interface Profile {
  /** A step's, of all. */
  ms: number;
  ops: { name: string; ms: number; calls: number }[];
}

const SHOWN = 10;

test.each([
  ["a DPO step of 4 pairs of 96 + 160 tokens", ["train", "dpo", 4, 96, 160]],
  ["a sampled token of 1 row, prompt of 64 tokens included", ["sample", 1, 64, 64]],
  ["a sampled token of 16 rows, prompts of 64 tokens included", ["sample", 16, 64, 64]],
])("SmolLM2-135M: what %s is made of", (what, words) => {
  const { ms, ops } = measure<Profile>("profile.mjs", ...words);
  ops.sort((a, b) => b.ms - a.ms);
  const [shown, rest] = [ops.slice(0, SHOWN), ops.slice(SHOWN)];
  const total = (list: Profile["ops"], key: "ms" | "calls") => list.reduce((sum, op) => sum + op[key], 0);
  console.log(`${machine()}; ${what}: ${ms.toFixed(1)} ms\n\n| op | ms | % | calls |\n|---|---|---|---|`);
  const row = (name: string, took: number, calls: number) =>
    console.log(`| ${name} | ${took.toFixed(1)} | ${((100 * took) / ms).toFixed(0)} | ${calls ? calls.toFixed(0) : ""} |`);
  for (const { name, ms, calls } of shown) row(name, ms, calls);
  row("other ops", total(rest, "ms"), total(rest, "calls"));
  row("JavaScript and waiting", ms - total(ops, "ms"), 0);
});
