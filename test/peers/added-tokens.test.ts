import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { saveAdapter } from "../../src/model/adapter-io.js";
import { addTokens, saveAddedTokens } from "../../src/model/added-tokens.js";
import { loadModel } from "../../src/model/load.js";
import { createLora } from "../../src/model/lora.js";
import { saveModel } from "../../src/model/save.js";
import { completionLogps } from "../../src/training/completion.js";
import { fixture, values } from "../model/open.js";
import { greedy, peerGreedy, peerLogps } from "./python.js";

const scratch = mkdtempSync(join(tmpdir(), "erpo-added-tokens-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("transformers loads a model with added tokens, and PEFT an adapter with their rows on it: both score and continue as erpo does", async () => {
  const base = await loadModel(fixture("llama-tiny"));
  const model = addTokens(base, ["[SAFE]", "[UNSAFE]", "[RETHINK]"]);
  const config = { r: 2, alpha: 4, targetModules: ["q_proj", "down_proj"], layers: [0], trainableTokens: [280, 281, 282] } as const;
  const lora = createLora(model.config, config, createRng(1), tf.tensor2d(values(3 * 32, 1), [3, 32]));
  for (const v of lora.variables()) v.assign(tf.tensor(values(v.size, v.size), v.shape));
  const [folder, adapter, merged] = ["model", "adapter", "merged"].map((name) => join(scratch, name)) as [string, string, string];
  await saveModel(folder, model);
  await saveModel(merged, model, lora);
  saveAddedTokens(adapter, model);
  await saveAdapter(adapter, lora, folder);
  const rows = [
    [5, 12, 280, 277, 90, 281],
    [200, 100, 282, 8, 280, 277],
  ];
  const ours = (own: typeof lora | null) =>
    tf.tidy(() => [
      ...completionLogps(
        model.decoder,
        rows.map((ids) => ({ prompt: ids.slice(0, 1), completion: ids.slice(1) })),
        own,
      ).logps.dataSync(),
    ]);
  const close = (a: number[], b: number[]) => void a.forEach((x, i) => void expect(Math.abs(x - b[i]!)).toBeLessThan(1e-4));
  close(ours(null), peerLogps(rows, folder).flat());
  close(ours(lora), peerLogps(rows, folder, adapter).flat());
  close(ours(lora), peerLogps(rows, merged).flat());
  const prompts = rows.map((row) => row.slice(0, 4));
  expect(await greedy(model, lora, prompts, 12)).toEqual(peerGreedy(prompts, 12, folder, adapter));
  for (const thing of [lora, model, base]) thing.dispose();
});
