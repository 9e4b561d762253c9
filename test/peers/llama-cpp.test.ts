import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { type MatrixType, saveGguf } from "../../src/model/gguf-write.js";
import { loadModel } from "../../src/model/load.js";
import { cacheDir } from "../../src/setup/paths.js";
import { fixture } from "../model/open.js";

/** llama.cpp itself (its build in node-llama-cpp, by npm) on the GGUF files that erpo writes. */

const VERSION = "3.22.1";
const peer = join(cacheDir(), "peers", `node-llama-cpp-${VERSION}`);
const scratch = mkdtempSync(join(tmpdir(), "erpo-llama-cpp-"));

beforeAll(() => {
  if (existsSync(join(peer, "ready"))) return;
  mkdirSync(peer, { recursive: true });
  writeFileSync(join(peer, "package.json"), '{ "private": true }\n');
  const packages = [`node-llama-cpp@${VERSION}`, `@node-llama-cpp/linux-${process.arch}@${VERSION}`]; // without those for GPUs, 600 MB
  execFileSync("npm", ["install", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", ...packages], { cwd: peer });
  writeFileSync(join(peer, "ready"), "");
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Probabilities of the token after these, by llama.cpp. */
const peerProbabilities = (file: string, ids: number[]): number[] =>
  JSON.parse(
    execFileSync(process.execPath, [join(import.meta.dirname, "llama-cpp.mjs"), file, JSON.stringify(ids)], {
      cwd: peer,
      encoding: "utf8",
    }),
  );

/** A fixture's folder with llama-tiny's tokenizer and no windows, which llama.cpp does not have for these architectures. */
function modelFolder(name: string): string {
  const folder = join(scratch, name);
  cpSync(fixture(name === "llama-tiny" ? name : `families/${name}`), folder, { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) cpSync(fixture(`llama-tiny/${file}`), join(folder, file));
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  const whole = { ...config, sliding_window: null, use_sliding_window: false, layer_types: undefined };
  writeFileSync(join(folder, "config.json"), JSON.stringify(whole));
  return folder;
}

test.each<[string, MatrixType, number]>([
  ["llama-tiny", "f32", 1e-4],
  ["llama-tiny", "f16", 5e-3],
  ["llama-tiny", "q8_0", 5e-2],
  ["qwen2", "f32", 1e-4],
  ["qwen3", "f32", 1e-4],
  ["mistral", "f32", 1e-4],
  ["llama3", "f32", 1e-4],
])("llama.cpp runs %s with its adapter merged, in %s", async (name, type, within) => {
  const model = await loadModel(modelFolder(name));
  const lora = await loadAdapter(fixture(name === "llama-tiny" ? `${name}-adapter` : `families/${name}-adapter`), model.config);
  const file = join(scratch, `${name}-${type}.gguf`);
  await saveGguf(file, model, lora, type);
  const ids = [...Array(20).keys()].map((i) => 3 + ((i * 37) % 250));
  const ours = tf.tidy(() => {
    const states = model.decoder.hidden(tf.tensor2d([ids], [1, ids.length], "int32"), { lora });
    return tf.softmax(model.decoder.logits(states.slice([0, ids.length - 1, 0], [1, 1, -1]).reshape([1, -1]))).dataSync();
  });
  const theirs = peerProbabilities(file, ids);
  expect(theirs.length).toBe(ours.length);
  theirs.forEach((p, id) => void expect(Math.abs(p - ours[id]!), `token ${id}`).toBeLessThan(within));
  lora.dispose();
  model.dispose();
});
