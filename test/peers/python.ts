import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { createRng } from "../../src/backend/random.js";
import { policy } from "../../src/generation/policy.js";
import { sample } from "../../src/generation/sample.js";
import type { LanguageModel } from "../../src/model/load.js";
import type { Lora } from "../../src/model/lora.js";
import { peer } from "./python-env.js";

/** What one of the scripts here prints, as JSON. */
const python = <T>(script: string, ...words: string[]): T =>
  JSON.parse(
    execFileSync(peer("python"), [join(import.meta.dirname, script), ...words], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }),
  );

/** Log-probs of tokens, given those before, under a model's folder by transformers, with an adapter's by PEFT. rows [B, T] -> [B, T - 1], in nats. */
export const peerLogps = (rows: number[][], folder: string, ...adapter: string[]): number[][] =>
  python("families.py", folder, JSON.stringify(rows), ...adapter);

/** Greedy continuations of up to `length` tokens by transformers. */
export const peerGreedy = (prompts: number[][], length: number, folder: string, ...adapter: string[]): number[][] =>
  python("greedy.py", folder, JSON.stringify(prompts), String(length), ...adapter);

/** Ours, in one batch. */
export async function greedy(model: LanguageModel, lora: Lora | null, prompts: number[][], length: number): Promise<number[][]> {
  const written: number[][] = [];
  const options = { maxNewTokens: length, batchSize: prompts.length, rng: createRng(1) };
  for await (const { index, ids } of sample(policy({ model, adapter: lora }), prompts, options)) written[index] = ids;
  return written;
}

/** Makes an adapter with PEFT for the model in a folder. */
export function makePeftAdapter(folder: string, output: string): void {
  execFileSync(peer("python"), [join(import.meta.dirname, "peft_adapter.py"), folder, output], { stdio: "pipe" });
}
