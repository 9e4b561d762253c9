import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatJsonl } from "../../src/data/jsonl.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import type { Lora } from "../../src/model/lora.js";
import { packageRoot } from "../../src/setup/paths.js";
import { completionLogps } from "../../src/training/completion.js";
import { modelFolder } from "../bench/peers.js";
import { greedy, makePeftAdapter, peerGreedy, peerLogps } from "./python.js";

/** SmolLM2-135M in float32 beside transformers and PEFT: with an adapter that PEFT has made, and with what training makes of it. */

const scratch = mkdtempSync(join(tmpdir(), "erpo-smollm2-"));
const [made, trained] = ["peft", "trained"].map((name) => join(scratch, name)) as [string, string];
const folder = modelFolder();
let model: LanguageModel;

const texts = [
  "The quickest way to boil an egg is to put it into boiling water for seven minutes, and then into cold water.",
  "A horse walks into a bar. The barkeeper asks why it pulls such a long face, and the horse has no answer to that.",
  "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return a - b\n\n\nprint(add(1, subtract(3, 2)), 'is three')",
  "In winter the days are short and the nights are long, which is why candles were made in autumn when there was still light.",
];
const asked = ["Name three colours.", "What is 2 + 3?", "Who wrote the play Hamlet?", "How do I stop a program that hangs?"];

beforeAll(async () => {
  makePeftAdapter(folder, made);
  const rows = texts.map((text, i) => ({
    prompt: [{ role: "user", content: asked[i] }],
    completion: [{ role: "assistant", content: text }],
  }));
  writeFileSync(join(scratch, "rows.jsonl"), formatJsonl(rows));
  const files = { model: "smollm2-135m-instruct", init_adapter: made, data: join(scratch, "rows.jsonl"), output_dir: trained };
  writeFileSync(join(scratch, "run.json"), JSON.stringify({ ...files, method: "sft", max_steps: 3, batch_size: 4, learning_rate: 1e-4 }));
  execFileSync(process.execPath, [join(packageRoot(), "src/setup/bootstrap.mjs"), "train", join(scratch, "run.json")]);
  model = await loadModel("smollm2-135m-instruct");
});
afterAll(() => {
  model?.dispose();
  rmSync(scratch, { recursive: true, force: true });
});

/** The largest difference from the peer, in nats: of a token, and of a row's sum a token. */
function differences(rows: number[][], lora: Lora | null, theirs: number[][]): { token: number; sum: number } {
  const { logps, row } = completionLogps(
    model.decoder,
    rows.map((ids) => ({ prompt: ids.slice(0, 1), completion: ids.slice(1) })),
    lora,
  );
  const expected = theirs.flat();
  const by = [...logps.dataSync()].map((value, n) => value - expected[n]!);
  logps.dispose();
  const sums = rows.map((_, b) => by.filter((_, n) => row[n] === b).reduce((a, x) => a + x, 0) / (rows[b]!.length - 1));
  return { token: Math.max(...by.map(Math.abs)), sum: Math.max(...sums.map(Math.abs)) };
}

test.each([
  ["the base model", null],
  ["PEFT's adapter", made],
  ["the adapter that training has made of PEFT's", trained],
])("%s scores and continues as with PyTorch", async (name, adapter) => {
  const lora = adapter === null ? null : await loadAdapter(adapter, model.config);
  const words = adapter === null ? [] : [adapter];
  const encoded = texts.map((text) => model.tokenizer.encode(text));
  const shortest = Math.min(...encoded.map((ids) => ids.length));
  const rows = encoded.map((ids) => ids.slice(0, shortest)); // [B, T]
  const { token, sum } = differences(rows, lora, peerLogps(rows, folder, ...words));
  console.log(`${name}: largest difference of a token ${token.toExponential(1)}, of a sum ${sum.toExponential(1)} nats a token`);
  expect(sum).toBeLessThan(1e-3);
  expect(token).toBeLessThan(1e-2);

  const prompts = asked.map((content) =>
    model.tokenizer.encode(model.tokenizer.chat([{ role: "user", content }], { addGenerationPrompt: true })),
  );
  expect(await greedy(model, lora, prompts, 32)).toEqual(peerGreedy(prompts, 32, folder, ...words));
  lora?.dispose();
});

test("what training writes has the fields that PEFT writes, and other numbers", () => {
  const config = (dir: string) => JSON.parse(readFileSync(join(dir, "adapter_config.json"), "utf8"));
  const [before, after] = [config(made), config(trained)];
  for (const field of ["peft_type", "task_type", "r", "lora_alpha", "bias"]) expect(after[field]).toBe(before[field]);
  expect([...after.target_modules].sort()).toEqual([...before.target_modules].sort());
  const weights = (dir: string) => readFileSync(join(dir, "adapter_model.safetensors"));
  expect(weights(trained).length).toBeGreaterThan(0.99 * weights(made).length);
  expect(weights(trained).equals(weights(made))).toBe(false);
});
