import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { saveAdapter } from "../../src/model/adapter-io.js";
import { loadModel } from "../../src/model/load.js";
import { createLora } from "../../src/model/lora.js";
import { completionLogps } from "../../src/training/completion.js";
import { fixture, values } from "../model/open.js";
import { greedy, peerGreedy, peerLogps } from "./python.js";

const scratch = mkdtempSync(join(tmpdir(), "erpo-token-rows-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("PEFT loads an adapter with trained token rows that erpo made, and scores and continues as it does", async () => {
  const model = await loadModel(fixture("llama-tiny"));
  const config = { r: 2, alpha: 4, targetModules: ["q_proj", "down_proj"], layers: [0], trainableTokens: [40, 12, 277] } as const;
  const lora = createLora(model.config, config, createRng(1), tf.tensor2d(values(3 * 32, 1), [3, 32]));
  for (const v of lora.variables()) v.assign(tf.tensor(values(v.size, v.size), v.shape));
  await saveAdapter(scratch, lora, "llama-tiny");
  const rows = [
    [5, 12, 12, 277, 90, 40],
    [200, 100, 40, 8, 12, 277],
  ];
  const { logps } = completionLogps(
    model.decoder,
    rows.map((ids) => ({ prompt: ids.slice(0, 1), completion: ids.slice(1) })),
    lora,
  );
  const theirs = peerLogps(rows, fixture("llama-tiny"), scratch).flat();
  logps.dataSync().forEach((x, i) => void expect(Math.abs(x - theirs[i]!)).toBeLessThan(1e-4));
  const prompts = rows.map((row) => row.slice(0, 4));
  expect(await greedy(model, lora, prompts, 12)).toEqual(peerGreedy(prompts, 12, fixture("llama-tiny"), scratch));
  logps.dispose();
  lora.dispose();
  model.dispose();
});
