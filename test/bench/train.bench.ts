import { test } from "vitest";
import { machine, median } from "./common.js";
import { measure, modelFolder, ROUNDS } from "./peers.js";

interface Steps {
  seconds: number[];
  gigabytes: number;
}

/** Both sides: LoRA r = 16 on all linear layers, no gradient checkpointing, DPO's reference computed before, every row of full length. */
const CASES = [
  ["DPO, 4 pairs of 96 + 160 tokens", "dpo", 4],
  ["SFT, 8 rows of 96 + 160 tokens", "sft", 8],
] as const;

test("SmolLM2-135M: a step of training against TRL, seconds and peak memory", () => {
  const model = modelFolder();
  console.log(`${machine()}; medians of ${ROUNDS} interleaved rounds\n`);
  console.log("| | erpo bf16 | TRL bf16 | erpo / TRL | memory, GB | TRL's | ratio |\n|---|---|---|---|---|---|---|");
  for (const [name, method, rows] of CASES) {
    const rounds = Array.from({ length: ROUNDS }, () => ({
      ours: measure<Steps>("train.mjs", method, "bf16", rows, 96, 160),
      theirs: measure<Steps>("train_peer.py", model, method, "bf16", rows, 96, 160),
    }));
    const seconds = (side: "ours" | "theirs") => median(rounds.flatMap((round) => round[side].seconds));
    const memory = (side: "ours" | "theirs") => Math.max(...rounds.map((round) => round[side].gigabytes));
    const [a, b, x, y] = [seconds("ours"), seconds("theirs"), memory("ours"), memory("theirs")];
    console.log(
      `| ${name} | ${a.toFixed(2)} | ${b.toFixed(2)} | ${(a / b).toFixed(2)} | ${x.toFixed(1)} | ${y.toFixed(1)} | ${(x / y).toFixed(2)} |`,
    );
  }
});
