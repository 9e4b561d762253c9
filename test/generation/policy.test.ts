import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { digestOf, type IdentityValue } from "../../src/data/identity.js";
import { askedIds } from "../../src/generation/asking.js";
import { askedPrompt } from "../../src/generation/contexts.js";
import { contrast, type LogitsRule, plain, searching, withEdits, withLogits } from "../../src/generation/decoding.js";
import { type Policy, policy, policyIdentity } from "../../src/generation/policy.js";
import { bestOf } from "../../src/generation/search.js";
import { loadAdapter, saveAdapter } from "../../src/model/adapter-io.js";
import { sha256 } from "../../src/model/files.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { createLora, type Lora } from "../../src/model/lora.js";
import { fixture } from "../model/open.js";

let model: LanguageModel;
let adapter: Lora;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  adapter = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
});

/** The fixture's adapter with another value in its configuration. */
async function adapterWith(field: string, value: number): Promise<Lora> {
  const dir = mkdtempSync(join(tmpdir(), "erpo-adapter-"));
  cpSync(fixture("llama-tiny-adapter"), dir, { recursive: true });
  const file = join(dir, "adapter_config.json");
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), [field]: value }));
  return loadAdapter(dir, model.config);
}

const digest = async (asked: Policy) => digestOf((await policyIdentity(asked)) as IdentityValue);

test("an instruction ends where a prefill's tokens part from the opening's, also where they share one", () => {
  const tokens: Record<string, number[]> = { A: [1, 2], AB: [1, 2, 3], AC: [1, 4] }; // "A" and "C" make one token of the opening's last
  const tokenizer = { ...model.tokenizer, chat: () => "A", encode: (text: string) => tokens[text]! };
  const of = (prefill: string) => askedPrompt(tokenizer, {}, { messages: [], prefill });
  expect(["", "B", "C"].map(of)).toEqual([
    { ids: [1, 2], instruction: 2 },
    { ids: [1, 2, 3], instruction: 2 },
    { ids: [1, 4], instruction: 1 },
  ]);
});

test("each part changes the identity", async () => {
  const { r, alpha, targetModules, layers } = adapter.config;
  const fresh = createLora(model.config, { r, alpha, targetModules, layers }, createRng(1));
  const halved = await adapterWith("lora_alpha", alpha / 2);
  const rule: LogitsRule = (logits) => tf.mul(logits, 2);
  const other: LogitsRule = (logits) => tf.mul(logits, 3);
  const score = () => [1];
  const policies = [
    policy({ model }),
    policy({ model: { ...model, digest: "0".repeat(64) } }),
    policy({ model, adapter }),
    policy({ model, adapter: fresh }),
    policy({ model, adapter: halved }),
    policy({ model, system: "Be careful." }),
    policy({ model, system: "" }), // an empty system turn is not the template's default one
    policy({ model, template: "{{ messages[0].content }}" }),
    ...[{ temperature: 1 }, { temperature: 1, topK: 2 }, { temperature: 1, topP: 0.5 }].map((choice) =>
      policy({ model, decoding: plain(choice) }),
    ),
    policy({ model, decoding: withLogits(rule, {}) }),
    policy({ model, decoding: withLogits(other, {}) }),
    policy({ model, decoding: withLogits(rule, { weight: 2 }) }),
    policy({ model, decoding: withLogits(rule, {}, { contexts: [{ system: "x" }] }) }),
    policy({ model, decoding: withLogits(rule, {}, { temperature: 1 }) }),
    policy({ model, decoding: withEdits({ 0: (states) => tf.mul(states, 2) }, {}) }),
    policy({ model, decoding: withEdits({ 1: (states) => tf.mul(states, 2) }, {}) }),
    policy({ model, decoding: contrast({ against: "x", alpha: 1 }) }),
    policy({ model, decoding: contrast({ against: "y", alpha: 1 }) }),
    policy({ model, decoding: contrast({ against: "x", alpha: 2 }) }),
    policy({ model, decoding: contrast({ against: "x", alpha: 1, plausible: 0.1 }) }),
    ...[2, 3].map((n) => policy({ model, decoding: searching(bestOf({ n, score })) })),
    policy({ model, decoding: searching(bestOf({ n: 2, score: () => [2] })) }),
    policy({ model, decoding: searching(bestOf({ n: 2, score, settings: { judge: "a" } })) }),
  ];
  const digests = await Promise.all(policies.map(digest));
  expect(new Set(digests).size).toBe(policies.length);
  fresh.dispose();
  halved.dispose();
});

test("a broken template is named by its policy, not by the model; one that refuses the messages is not the model's either", () => {
  expect(() => policy({ model, name: "careful", template: "{% if x %}{{" })).toThrow('policy "careful": broken chat template: ');
  const { asking } = policy({ model, template: "{{ raise_exception('no') }}" });
  const question = { messages: [{ role: "user" as const, content: "a" }] };
  expect(() => askedIds(model.tokenizer, asking, question)).toThrow("the template that was given does not take messages of user: no");
});

test("the name, the folders, the model's name and another copy of the adapter's weights do not", async () => {
  const again = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
  const same = policy({ model: { ...model, name: "other", source: "elsewhere" }, name: "mine", adapter: again, folder: "/some/where" });
  expect(await digest(same)).toBe(await digest(policy({ model, adapter })));
  again.dispose();
});

test("an adapter stands in it with the digest of its file, and the identity is plain JSON", async () => {
  const dir = mkdtempSync(join(tmpdir(), "erpo-adapter-"));
  await saveAdapter(dir, adapter, model.name);
  const identity = await policyIdentity(policy({ model, adapter }));
  const { r, alpha } = adapter.config;
  expect(identity.adapter).toEqual({ sha256: await sha256(join(dir, "adapter_model.safetensors")), r, alpha });
  expect(digestOf(JSON.parse(JSON.stringify(identity)))).toBe(digestOf(identity as IdentityValue));
});
