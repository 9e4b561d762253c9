import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type ModelDigests, modelDigests } from "../../src/model/load.js";
import { fixture } from "./open.js";

const root = mkdtempSync(join(tmpdir(), "erpo-digest-"));
afterAll(() => rmSync(root, { recursive: true }));

type Json = Record<string, unknown>;

/** The digests of a copy of the tiny model with a JSON file changed. */
async function copied(file: string, change: (json: Json) => Json): Promise<ModelDigests> {
  const dir = mkdtempSync(join(root, "model-"));
  cpSync(fixture("llama-tiny"), dir, { recursive: true });
  const before = existsSync(join(dir, file)) ? JSON.parse(readFileSync(join(dir, file), "utf8")) : {};
  writeFileSync(join(dir, file), JSON.stringify(change(before)));
  return (await modelDigests(dir))!;
}

test.each<[string, string, (json: Json) => Json]>([
  ["the base of its positions", "config.json", ({ rope_parameters: _, rope_scaling: __, ...json }) => ({ ...json, rope_theta: 5000 })],
  ["its norms' epsilon", "config.json", (json) => ({ ...json, rms_norm_eps: 0.01 })],
  ["its chat template", "tokenizer_config.json", (json) => ({ ...json, chat_template: `${json.chat_template} ` })],
  ["its tokenizer", "tokenizer.json", (json) => ({ ...json, normalizer: { type: "NFC" } })],
])("a model is another one with the same weights and another value of %s", async (_, file, change) => {
  const before = (await modelDigests(fixture("llama-tiny")))!;
  const after = await copied(file, change);
  expect(after.sha256).toBe(before.sha256);
  expect(after.digest).not.toBe(before.digest);
});

test("ends that generation_config.json adds make it another one, and those that config.json has do not", async () => {
  const before = await modelDigests(fixture("llama-tiny"));
  const withEnds = (eos_token_id?: unknown) => copied("generation_config.json", () => ({ temperature: 0.6, eos_token_id }));
  for (const known of [undefined, null, 2, [2]]) expect(await withEnds(known)).toEqual(before);
  expect((await withEnds([2, 7])).digest).not.toBe(before!.digest);
  expect(await withEnds([2, 7, 7])).toEqual(await withEnds(7));
  await expect(withEnds("end")).rejects.toThrow(
    /generation_config\.json: field "eos_token_id" is neither a token id nor a list of them; get it again/,
  );
});

test("neither its folder nor the order of its fields makes it another one", async () => {
  const reversed = await copied("config.json", (json) => Object.fromEntries(Object.entries(json).reverse()));
  expect(reversed).toEqual(await modelDigests(fixture("llama-tiny")));
});
