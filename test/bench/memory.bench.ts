import { test } from "vitest";
import { machine, median } from "./common.js";
import { measure } from "./peers.js";

interface Steps {
  seconds: number[];
  gigabytes: number;
}

const LENGTHS = [128, 256, 512, 1024, 2048];
const BATCHES = [1, 4, 16, 32];
/** More tokens a step than this are not measured: they would not fit a laptop's memory. */
const MOST = 8192;
/** Parameters that every token is multiplied with, forward and once more for the gradient of what stands below (frozen weights get none). */
const PARAMETERS = 134e6;

/** Least squares of y = a + b x. */
function leastSquares(xs: readonly number[], ys: readonly number[]): [a: number, b: number] {
  const mean = (v: readonly number[]) => v.reduce((sum, x) => sum + x, 0) / v.length;
  const [mx, my] = [mean(xs), mean(ys)];
  const b = xs.reduce((sum, x, i) => sum + (x - mx) * (ys[i]! - my), 0) / xs.reduce((sum, x) => sum + (x - mx) ** 2, 0);
  return [my - b * mx, b];
}

test("SmolLM2-135M: time and memory of an SFT step by length and batch", () => {
  const { peak } = measure<{ peak: number }>("peak.mjs");
  console.log(`${machine()}; LoRA r = 16, loss on the second half of each row; a bf16 product reaches ${peak.toFixed(0)} GFLOP/s\n`);
  console.log("| tokens a row | rows | seconds a step | tokens/s | % of the product's peak | peak memory, GB |\n|---|---|---|---|---|---|");
  const points: { tokens: number; seconds: number; gigabytes: number }[] = [];
  for (const length of LENGTHS) {
    for (const batch of BATCHES.filter((n) => n * length <= MOST)) {
      const { seconds, gigabytes } = measure<Steps>("train.mjs", "sft", "bf16", batch, length / 2, length / 2);
      const [tokens, s] = [batch * length, median(seconds)];
      points.push({ tokens, seconds: s, gigabytes });
      const share = (100 * 4 * PARAMETERS * tokens) / s / 1e9 / peak;
      console.log(
        `| ${length} | ${batch} | ${s.toFixed(2)} | ${(tokens / s).toFixed(0)} | ${share.toFixed(0)} | ${gigabytes.toFixed(1)} |`,
      );
    }
  }
  const tokens = points.map((p) => p.tokens);
  const time = leastSquares(
    tokens,
    points.map((p) => p.seconds),
  );
  const memory = leastSquares(
    tokens,
    points.map((p) => p.gigabytes),
  );
  console.log(
    `\nfit: ${time[0].toFixed(2)} s + ${(1e3 * time[1]).toFixed(2)} ms a token; ${memory[0].toFixed(1)} GB + ${(1e3 * memory[1]).toFixed(2)} MB a token`,
  );
});
