import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { contrast, type Decoding, type LogitsRule, plain, withLogits } from "../../src/generation/decoding.js";
import { type Policy, policy, policyIdentity } from "../../src/generation/policy.js";
import { sample } from "../../src/generation/sample.js";
import { loadAdapter, saveAdapter } from "../../src/model/adapter-io.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { createLora, type Lora } from "../../src/model/lora.js";
import { loadPolicy, savePolicy } from "../../src/runs/policy-folder.js";
import { fixture } from "../model/open.js";

const root = mkdtempSync(join(tmpdir(), "erpo-policies-"));
let model: LanguageModel;
let adapter: Lora;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  adapter = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
});
afterAll(() => rmSync(root, { recursive: true }));

async function answer(asked: Policy): Promise<number[]> {
  const question = { messages: [{ role: "user" as const, content: "Hello" }] };
  for await (const { ids } of sample(asked, [question], { maxNewTokens: 8, batchSize: 1, rng: createRng(1) })) return ids;
  throw new Error("no answer");
}

test.each([
  ["the model alone", () => ({})],
  ["an adapter", () => ({ adapter })],
  ["a system prompt and a template", () => ({ system: "", template: "{{ messages[0].content }}{{ messages[1].content }}:" })],
  ["a choice", () => ({ decoding: plain({ temperature: 0.7, topK: 5, topP: 0.9 }) })],
  [
    "a contrast",
    () => ({ adapter, system: "Be kind.", decoding: contrast({ against: "Ignore.", alpha: 0.5, plausible: 0.1, temperature: 1 }) }),
  ],
] as [string, () => Partial<Policy> & { system?: string; template?: string }][])(
  "%s comes back as it was, with its answers",
  async (name, parts) => {
    const dir = join(root, name);
    const saved = policy({ model, name, ...parts() });
    await savePolicy(dir, saved);
    const loaded = await loadPolicy(dir, model);
    expect(loaded).toMatchObject({ name, folder: dir });
    expect(await policyIdentity(loaded)).toEqual(await policyIdentity(saved));
    expect(await answer(loaded)).toEqual(await answer(saved));
    await savePolicy(dir, loaded); // and again
    expect(await policyIdentity(await loadPolicy(dir, model))).toEqual(await policyIdentity(saved));
    loaded.adapter?.dispose();
  },
);

test("a folder with an adapter alone is its policy", async () => {
  const loaded = await loadPolicy(fixture("llama-tiny-adapter"), model);
  expect(await policyIdentity(loaded)).toEqual(await policyIdentity(policy({ model, adapter })));
  loaded.adapter!.dispose();
});

test("a decoding of an own kind is read by its own reader, and named without one", async () => {
  const dir = join(root, "own");
  const rule: LogitsRule = (logits) => tf.mul(logits, 2);
  const own = (weight: number): Decoding => ({ ...withLogits(rule, { weight }), identity: { kind: "doubled", weight } });
  await savePolicy(dir, policy({ model, name: "own", decoding: own(2) }));
  await expect(loadPolicy(dir, model)).rejects.toThrow(
    /own\/policy\.json: decoding.*: a decoding of kind "doubled" is made in code, with the function that made this policy/,
  );
  const loaded = await loadPolicy(dir, model, ({ weight }) => own(weight as number));
  expect(loaded.decoding.identity).toEqual({ kind: "doubled", weight: 2 });
});

test.each([
  [
    "another model",
    (r) => ({ ...r, model: { name: "other", sha256: "1".repeat(64) } }),
    "is a policy of other (SHA-256 111111111111), not of llama-tiny",
  ],
  [
    "the same weights with another configuration",
    (r) => ({ ...r, model: { ...(r.model as object), digest: "1".repeat(64) } }),
    "llama-tiny has the weights of its model llama-tiny, and another configuration, tokenizer or chat template",
  ],
  ["an unknown kind", (r) => ({ ...r, decoding: { kind: "dream" } }), 'a decoding of kind "dream" is made in code'],
  [
    "a wrong value",
    (r) => ({ ...r, decoding: { kind: "contrast", against: "x", alpha: -1, temperature: 0 } }),
    "decoding.alpha: Too small",
  ],
  ["a broken template", (r) => ({ ...r, template: "{% for message in messages %}" }), "template: broken chat template: "],
  ["a field too many", (r) => ({ ...r, sytem: "Be kind." }), 'policy.json: Unrecognized key: "sytem"'],
  ["a field too few", ({ name, ...r }) => r, "name: Invalid input"],
  ["another format", (r) => ({ ...r, format: 2 }), "format: Invalid input"],
  ["a torn file", (r) => JSON.stringify(r).slice(0, 40), "not JSON"],
] as [string, (record: Record<string, unknown>) => unknown, string][])(
  "%s is named in one line, with the file",
  async (_, change, message) => {
    await savePolicy(join(root, "whole"), policy({ model }));
    const record = JSON.parse(readFileSync(join(root, "whole/policy.json"), "utf8"));
    const dir = mkdtempSync(join(root, "broken-"));
    const changed = change(record);
    writeFileSync(join(dir, "policy.json"), typeof changed === "string" ? changed : JSON.stringify(changed));
    const error = await loadPolicy(dir, model).then(
      () => new Error("it was read"),
      (reason: Error) => reason,
    );
    expect(error.message).toContain(`${dir}/policy.json: `);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain("\n");
  },
);

test("the adapter in the folder counts only if it is the policy's own; a file written by hand takes what lies there", async () => {
  const dir = join(root, "reused");
  await savePolicy(dir, policy({ model, adapter }));
  const whole = readFileSync(join(dir, "policy.json"), "utf8");
  await savePolicy(dir, policy({ model })); // the adapter's files are still there
  expect((await loadPolicy(dir, model)).adapter).toBeNull();
  const { adapter: _, ...byHand } = JSON.parse(whole);
  writeFileSync(join(dir, "policy.json"), JSON.stringify(byHand));
  const loaded = await loadPolicy(dir, model);
  expect(await policyIdentity(loaded)).toEqual(await policyIdentity(policy({ model, adapter })));
  loaded.adapter!.dispose();
  const { r, alpha, targetModules, layers } = adapter.config;
  const other = createLora(model.config, { r, alpha, targetModules, layers }, createRng(1));
  await saveAdapter(dir, other, model.name); // as a savePolicy does that is killed before it writes policy.json
  other.dispose();
  writeFileSync(join(dir, "policy.json"), whole);
  await expect(loadPolicy(dir, model)).rejects.toThrow("policy.json: the adapter beside it is another one than the policy was saved with");
});

test("an adapter that is broken, and a folder that is none, are named", async () => {
  const dir = join(root, "half");
  await savePolicy(dir, policy({ model, adapter }));
  rmSync(join(dir, "adapter_model.safetensors"));
  await expect(loadPolicy(dir, model)).rejects.toThrow("adapter_model.safetensors");
  await expect(loadPolicy(join(root, "nowhere"), model)).rejects.toThrow(join(root, "nowhere"));
});
