import { test } from "vitest";
import { machine, median } from "./common.js";
import { measure } from "./peers.js";

interface Steps {
  seconds: number[];
  gigabytes: number;
}

const LENGTHS = [128, 256, 512, 1024, 2048];
const BATCHES = [1, 4, 16, 32];
/** More tokens a step than this are not measured, and what keeps more attention probabilities only with gradient checkpointing. */
const MOST = 16_384;
const MOST_KEPT = 10e9; // bytes, of 30 layers with 9 heads
const kept = (length: number, batch: number): number => 4 * 30 * 9 * batch * length ** 2;
/** What is also measured with gradient checkpointing. */
const CHECKPOINTED = 4096; // tokens a step and more
/** Parameters that every token is multiplied with, forward and once more for the gradient of what stands below (frozen weights get none). */
const PARAMETERS = 134e6;

/** Least squares, each point by its relative error: the weights of the columns of `rows` that make up `ys`. */
function leastSquares(rows: readonly (readonly number[])[], ys: readonly number[]): number[] {
  const scaled = rows.map((row, i) => [...row, ys[i]!].map((x) => x / ys[i]!));
  const n = rows[0]!.length;
  const system = Array.from({ length: n }, (_, j) =>
    Array.from({ length: n + 1 }, (_, k) => scaled.reduce((sum, r) => sum + r[j]! * r[k]!, 0)),
  );
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      if (i === j) continue;
      const factor = system[i]![j]! / system[j]![j]!;
      system[i] = system[i]!.map((x, k) => x - factor * system[j]![k]!);
    }
  }
  return system.map((row, j) => row[n]! / row[j]!);
}

test("SmolLM2-135M: time and memory of an SFT step by length and batch", () => {
  const { peak } = measure<{ peak: number }>("peak.mjs");
  console.log(`${machine()}; LoRA r = 16, loss on the second half of each row; a bf16 product reaches ${peak.toFixed(0)} GFLOP/s\n`);
  console.log(
    "| tokens a row | rows | gradients | seconds a step | tokens/s | % of the product's peak | peak memory, GB |\n|---|---|---|---|---|---|---|",
  );
  const points: { tokens: number; length: number; seconds: number; gigabytes: number }[] = [];
  for (const length of LENGTHS) {
    for (const batch of BATCHES.filter((n) => n * length <= MOST)) {
      const tokens = batch * length;
      const ways = [...(kept(length, batch) <= MOST_KEPT ? ["whole"] : []), ...(tokens >= CHECKPOINTED ? ["checkpointed"] : [])];
      for (const way of ways) {
        const { seconds, gigabytes } = measure<Steps>("train.mjs", "sft", "bf16", batch, length / 2, length / 2, way);
        const s = median(seconds);
        if (way === "whole") points.push({ tokens, length, seconds: s, gigabytes });
        const share = (100 * 4 * PARAMETERS * tokens) / s / 1e9 / peak;
        const figures = [s.toFixed(2), (tokens / s).toFixed(0), share.toFixed(0), gigabytes.toFixed(1)];
        console.log(`| ${[length, batch, way, ...figures].join(" | ")} |`);
      }
    }
  }
  for (const [unit, key] of [
    ["s", "seconds"],
    ["GB", "gigabytes"],
  ] as const) {
    const rows = points.map(({ tokens, length }) => [1, tokens, tokens * length]);
    const [own, token, pair] = leastSquares(
      rows,
      points.map((point) => point[key]),
    ) as [number, number, number];
    const off = points.map((point, i) => Math.abs((own + token * rows[i]![1]! + pair * rows[i]![2]!) / point[key] - 1));
    console.log(
      `\n${unit}: ${own.toFixed(2)} + ${(1e3 * token).toFixed(2)} / 1000 a token + ${(1e6 * pair).toFixed(2)} / 10^6 a token and token of its row; off by ${(100 * Math.max(...off)).toFixed(0)}% at most`,
    );
  }
});
