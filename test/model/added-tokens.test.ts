import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { openModel } from "../../src/cli/model.js";
import { policy } from "../../src/generation/policy.js";
import { sample } from "../../src/generation/sample.js";
import { loadAdapter, saveAdapter } from "../../src/model/adapter-io.js";
import { adaptedModel, addTokens, saveAddedTokens } from "../../src/model/added-tokens.js";
import { saveGguf } from "../../src/model/gguf-write.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { createLora, type Lora } from "../../src/model/lora.js";
import { saveModel } from "../../src/model/save.js";
import { loadPolicy, savePolicy } from "../../src/runs/policy-folder.js";
import { completionLogps } from "../../src/training/completion.js";
import torch from "../fixtures/r2d-torch.json" with { type: "json" }; // made by test/fixtures/r2d_fixture.py
import { apart, fixture, haveSmollm2 } from "./open.js";

const names = ["[SAFE]", "[UNSAFE]", "[RETHINK]"];

let dir: string;
let base: LanguageModel;
let model: LanguageModel;
let lora: Lora;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "erpo-added-tokens-"));
  base = await loadModel(fixture("llama-tiny"));
  model = addTokens(base, names);
  lora = await loadAdapter(fixture("r2d-adapter"), model.config); // PEFT's, on an embedding that transformers has resized
});
afterAll(async () => {
  lora.dispose();
  model.dispose();
  base.dispose();
  await rm(dir, { recursive: true });
});

/** Log-probs of all tokens but the first of each row. */
const logps = ({ decoder }: LanguageModel, adapter: Lora | null, rows = torch.rows): Float32Array =>
  tf.tidy(
    () =>
      completionLogps(
        decoder,
        rows.map((ids) => ({ prompt: ids.slice(0, 1), completion: ids.slice(1) })),
        adapter,
      ).logps.dataSync() as Float32Array,
  );

/** All logits [T, V] of a row. */
const logits = ({ decoder, config }: LanguageModel, adapter: Lora | null, row: number[]): Float32Array =>
  tf.tidy(() => {
    const { states } = decoder.forward(tf.tensor2d([row], [1, row.length], "int32"), { lora: adapter });
    return decoder.logits(tf.reshape(states, [row.length, config.hiddenSize]), adapter).dataSync() as Float32Array;
  });

describe("the larger model", () => {
  test("writes each name as one token behind its own, shows it in texts, and writes all other texts as before", () => {
    expect(model.tokenizer.encode("Hi[SAFE] you[RETHINK][UNSAFE]")).toEqual([
      ...base.tokenizer.encode("Hi"),
      280,
      ...base.tokenizer.encode(" you"),
      282,
      281,
    ]);
    expect(model.tokenizer.decode([280, 281, 282])).toBe("[SAFE][UNSAFE][RETHINK]");
    expect(model.tokenizer.decode(model.tokenizer.encode("a step.[UNSAFE] More"))).toBe("a step.[UNSAFE] More");
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), (text) => {
        fc.pre(!names.some((name) => text.includes(name)));
        expect(model.tokenizer.encode(text)).toEqual(base.tokenizer.encode(text));
      }),
      { numRuns: 60 },
    );
    expect(model.tokenizer.chat([{ role: "user", content: "Hi" }])).toBe(base.tokenizer.chat([{ role: "user", content: "Hi" }]));
  });

  test("its rows begin as the means of their pieces, so that they can be told apart; the logits of other tokens are the model's", () => {
    const rows = model.decoder.embeddings([280, 281, 282]).arraySync();
    names.forEach((name, i) => {
      const pieces = base.decoder.embeddings(base.tokenizer.encode(name)).arraySync();
      const mean = pieces[0]!.map((_, c) => pieces.reduce((sum, piece) => sum + piece[c]!, 0) / pieces.length);
      expect(apart(rows[i]!, mean)).toBeLessThan(1e-6);
    });
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const)
      expect(apart(rows[a]!, rows[b]!)).toBeGreaterThan(0.01);
    const row = [5, 9, 30, 7, 40];
    const [small, large] = [logits(base, null, row), logits(model, null, row)];
    const own = Array.from({ length: row.length }, (_, t) => [...large.slice(t * 283, t * 283 + 280)]).flat();
    expect(apart(own, small)).toBeLessThan(1e-5);
  });

  test("is made once, is another model than its base, and says what cannot be added", async () => {
    expect(addTokens(base, names)).toBe(model);
    expect(addTokens(base, [])).toBe(base);
    expect(model.digest).not.toBe(base.digest);
    const before = tf.memory().numTensors;
    const other = addTokens(base, ["[OTHER]"]);
    expect(other.digest).not.toBe(model.digest);
    other.dispose();
    expect(tf.memory().numTensors).toBe(before);
    expect(logps(base, null, [[1, 5, 9]])).toHaveLength(2); // the base's own weights are still there
    expect(() => addTokens(base, ["[A]", "[A]"])).toThrow('token "[A]" is empty, known or there twice');
    expect(() => addTokens(base, ["<|im_end|>"])).toThrow("known");
    expect(() => addTokens(base, [""])).toThrow("empty");
    await cp(fixture("llama-untied"), join(dir, "untied"), { recursive: true });
    for (const file of ["tokenizer.json", "tokenizer_config.json"]) await cp(fixture(`llama-tiny/${file}`), join(dir, "untied", file));
    const untied = await loadModel(join(dir, "untied"));
    expect(() => addTokens(untied, names)).toThrow("its head is not tied to its embedding");
    untied.dispose();
  });
});

test("an adapter of PEFT's scores as PEFT says, and so it does saved and loaded again", async () => {
  expect(apart(logps(model, lora), torch.logps.flat())).toBeLessThan(1e-4);
  expect(apart(logps(model, null), torch.logps.flat())).toBeGreaterThan(0.5); // the rows matter
  saveAddedTokens(join(dir, "saved"), model);
  await saveAdapter(join(dir, "saved"), lora, model.name);
  const fresh = await loadModel(fixture("llama-tiny"));
  const own = adaptedModel(join(dir, "saved"), fresh); // from the small model and the folder alone
  const again = await loadAdapter(join(dir, "saved"), own.config);
  expect(logits(own, again, torch.rows[0]!)).toEqual(logits(model, lora, torch.rows[0]!));
  for (const thing of [again, own, fresh]) thing.dispose();
});

test("merged into a directory, and into a GGUF file, the logits are the same and the tokens are there", async () => {
  const expected = logits(model, lora, torch.rows[0]!);
  await saveModel(join(dir, "merged"), model, lora);
  await saveGguf(join(dir, "merged.gguf"), model, lora, "f32");
  for (const path of ["merged", "merged.gguf"]) {
    const merged = await loadModel(join(dir, path));
    expect(apart(logits(merged, null, torch.rows[0]!), expected), path).toBeLessThan(1e-4);
    expect(merged.tokenizer.encode("x[UNSAFE]y"), path).toEqual(model.tokenizer.encode("x[UNSAFE]y"));
    expect(merged.tokenizer.decode([281]), path).toBe("[UNSAFE]");
    expect(adaptedModel(fixture("r2d-adapter"), merged), path).toBe(merged); // it has them already
    merged.dispose();
  }
});

test("a saved policy brings its tokens with it: it answers as before from the small model", async () => {
  const answer = async (asked: ReturnType<typeof policy>) => {
    const written: number[] = [];
    for await (const { ids } of sample(asked, [[5, 9, 280]], { maxNewTokens: 8, batchSize: 1, rng: createRng(1) })) written.push(...ids);
    return written;
  };
  const before = policy({ model, name: "with pivots", adapter: lora });
  await savePolicy(join(dir, "policy"), before);
  const loaded = await loadPolicy(join(dir, "policy"), base);
  expect(loaded.model).toBe(model);
  expect(await answer(loaded)).toEqual(await answer(before));
  loaded.adapter!.dispose();
  await saveAdapter(join(dir, "bare"), lora, model.name); // without the names
  await expect(loadPolicy(join(dir, "bare"), base)).rejects.toThrow("280 is named twice, or is not among the model's tokens 0..279");
});

test("an adapter's folder with broken names, or names of another model, is refused by its file", async () => {
  const file = join(dir, "added_tokens.json");
  await writeFile(file, "{");
  expect(() => adaptedModel(dir, base)).toThrow(`${file}: is no list of ids by tokens`);
  await writeFile(file, JSON.stringify({ "[SAFE]": 300 }));
  expect(() => adaptedModel(dir, base)).toThrow('token "[SAFE]" has id 300, in the model 280');
  await writeFile(file, await readFile(join(fixture("r2d-adapter"), "added_tokens.json")));
  expect(adaptedModel(dir, base)).toBe(model);
  await rm(file);
});

test("a command that is given an adapter gets the model with its tokens", async () => {
  const opened = await openModel({ model: fixture("llama-tiny"), adapter: fixture("r2d-adapter"), precision: "f32" });
  expect(logits(opened.model, opened.lora, torch.rows[1]!)).toEqual(logits(model, lora, torch.rows[1]!));
  opened.close();
});

test("a fresh adapter with the tokens' own rows changes nothing", () => {
  const ids = names.map((name) => model.tokenizer.id(name)!);
  const config = { r: 2, alpha: 4, targetModules: ["q_proj"], layers: [0], trainableTokens: ids } as const;
  const fresh = createLora(model.config, config, createRng(1), model.decoder.embeddings(ids));
  expect(apart(logps(model, fresh), logps(model, null))).toBeLessThan(1e-5);
  fresh.dispose();
});

test.skipIf(!haveSmollm2)(
  "SmolLM2 (needs its GGUF in the cache) gets three ids behind its 49,152",
  async () => {
    const smollm2 = await loadModel("smollm2-135m-instruct");
    const larger = addTokens(smollm2, names);
    expect(larger.tokenizer.encode("Yes.[SAFE] No.[UNSAFE][RETHINK]")).toEqual([
      ...smollm2.tokenizer.encode("Yes."),
      49152,
      ...smollm2.tokenizer.encode(" No."),
      49153,
      49154,
    ]);
    expect(larger.config.vocabSize).toBe(49155);
    larger.dispose();
    smollm2.dispose();
  },
  60_000,
);
