import { test } from "vitest";
import { machine, median } from "./common.js";
import { measure, modelFolder, ROUNDS } from "./peers.js";

interface Steps {
  seconds: number[];
  gigabytes: number;
}

/** Both sides: LoRA r = 16 on all linear layers, no gradient checkpointing, DPO's reference computed before, every row of full length. */
const [PROMPT, COMPLETION] = [96, 160];
const CASES = [
  ["DPO, 4 pairs of 96 + 160 tokens", "dpo", 4, 4 * (PROMPT + 2 * COMPLETION)], // a pair's prompt is run once
  ["SFT, 8 rows of 96 + 160 tokens", "sft", 8, 8 * (PROMPT + COMPLETION)],
] as const;
/**
 * What a step multiplies, 10^9 operations: forward, and the gradient of what stands below, 106 million parameters of the layers with every token and
 * 28.3 million of the output projection with those that count. Attention and adapters come on top.
 */
const gflop = (tokens: number): number => (4 * (106e6 * tokens + 28.3e6 * 8 * COMPLETION)) / 1e9;

test("SmolLM2-135M: a step of training against TRL, seconds and peak memory", () => {
  const model = modelFolder();
  const { peak } = measure<{ peak: number }>("peak.mjs");
  console.log(
    `${machine()}; medians of ${ROUNDS} interleaved rounds; at ${peak.toFixed(0)} GFLOP/s, which a layer's product in BF16 reaches`,
  );
  for (const [name, , , tokens] of CASES)
    console.log(
      `${name}: ${gflop(tokens).toFixed(0)} GFLOP of products with frozen weights take ${(gflop(tokens) / peak).toFixed(2)} s there`,
    );
  console.log("\n| | erpo bf16, s | TRL bf16, s | erpo / TRL | memory, GB | TRL's | ratio |\n|---|---|---|---|---|---|---|");
  for (const [name, method, rows] of CASES) {
    const rounds = Array.from({ length: ROUNDS }, () => ({
      ours: measure<Steps>("train.mjs", method, "bf16", rows, PROMPT, COMPLETION),
      theirs: measure<Steps>("train_peer.py", model, method, "bf16", rows, PROMPT, COMPLETION),
    }));
    const seconds = (side: "ours" | "theirs") => median(rounds.flatMap((round) => round[side].seconds));
    const memory = (side: "ours" | "theirs") => Math.max(...rounds.map((round) => round[side].gigabytes));
    const [a, b, x, y] = [seconds("ours"), seconds("theirs"), memory("ours"), memory("theirs")];
    console.log(
      `| ${name} | ${a.toFixed(2)} | ${b.toFixed(2)} | ${(a / b).toFixed(2)} | ${x.toFixed(1)} | ${y.toFixed(1)} | ${(x / y).toFixed(2)} |`,
    );
  }
});
