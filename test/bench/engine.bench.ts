import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { machine, median } from "./common.js";

const ROUNDS = 3;

interface Measured {
  precision: string;
  training: number;
  sampling: number;
  rssMB: number;
}

const script = fileURLToPath(new URL("engine.mjs", import.meta.url));

test("SmolLM2-135M: training and sampling in both precisions, tokens a second", () => {
  const rounds = Array.from({ length: ROUNDS }, () =>
    ["f32", "bf16"].map((precision) => JSON.parse(execFileSync(process.execPath, [script, precision], { encoding: "utf8" })) as Measured),
  );
  const [f32, bf16] = [0, 1].map((i) => rounds.map((round) => round[i]!));
  console.log(machine());
  if (bf16![0]!.precision === "f32") console.log("this processor does not multiply BF16: both columns are float32");
  console.log(`medians of ${ROUNDS} interleaved rounds\n\n| | f32 | bf16 | ratio |\n|---|---|---|---|`);
  for (const [what, key] of [
    ["training, 12 rows of about 90 tokens, LoRA r = 16, tokens/s", "training"],
    ["sampling, 64 rows, tokens/s", "sampling"],
    ["peak memory, MB", "rssMB"],
  ] as const) {
    const [a, b] = [median(f32!.map((m) => m[key])), median(bf16!.map((m) => m[key]))];
    console.log(`| ${what} | ${a.toFixed(0)} | ${b.toFixed(0)} | ${(b / a).toFixed(2)} |`);
  }
});
