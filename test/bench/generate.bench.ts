import { test } from "vitest";
import { machine, median } from "./common.js";
import { measure, modelFolder, ROUNDS } from "./peers.js";

interface Sampled {
  speeds: number[];
  gigabytes: number;
}

const [PROMPT, NEW] = [64, 64];
/** Bytes of weights that a step reads: 106 million parameters in the layers, and the embedding as the output projection, in BF16. */
const WEIGHT_BYTES = (106e6 + 28.3e6) * 2;

test("SmolLM2-135M: sampled tokens a second against transformers.generate", () => {
  const model = modelFolder();
  console.log(`${machine()}; prompts of ${PROMPT} tokens, ${NEW} new ones, temperature 1; medians of ${ROUNDS} interleaved rounds\n`);
  console.log("| batch | erpo bf16 | transformers bf16 | ratio | weights read, GB/s |\n|---|---|---|---|---|");
  for (const batch of [1, 16, 64]) {
    const rounds = Array.from({ length: ROUNDS }, () => ({
      ours: measure<Sampled>("generate.mjs", "bf16", batch, PROMPT, NEW),
      theirs: measure<Sampled>("generate_peer.py", model, "bf16", batch, PROMPT, NEW),
    }));
    const speed = (side: "ours" | "theirs") => median(rounds.flatMap((round) => round[side].speeds));
    const [a, b] = [speed("ours"), speed("theirs")];
    const read = ((a / batch) * WEIGHT_BYTES) / 1e9;
    console.log(`| ${batch} | ${a.toFixed(0)} | ${b.toFixed(0)} | ${(a / b).toFixed(2)} | ${read.toFixed(1)} |`);
  }
});
