import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadAdapter, saveAdapter } from "../../src/model/adapter-io.js";
import { loadModel } from "../../src/model/load.js";
import { saveModel } from "../../src/model/save.js";
import { fixture } from "../model/open.js";
import { greedy, peerGreedy, peerLogps } from "./python.js";

/** What erpo saves of each family, as transformers and PEFT load it. */

const scratch = mkdtempSync(join(tmpdir(), "erpo-families-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.each(["llama-tiny", "llama3", "mistral", "phi3", "qwen2", "qwen3"])("%s", (name) => {
  const path = name === "llama-tiny" ? name : `families/${name}`;
  const expected = JSON.parse(readFileSync(fixture(`${path}.json`), "utf8"));

  const logps = (folder: string, ...adapter: string[]) => peerLogps(expected.rows, folder, ...adapter);
  const close = (got: number[][], want: number[][], within: number) =>
    got.flat().forEach((x, i) => void expect(Math.abs(x - want.flat()[i]!)).toBeLessThan(within));

  test("the merged model, in shards, and the saved adapter score and continue as the originals", async () => {
    const folder = join(scratch, name);
    cpSync(fixture(path), folder, { recursive: true });
    for (const file of ["tokenizer.json", "tokenizer_config.json"]) cpSync(fixture(`llama-tiny/${file}`), join(folder, file));
    const model = await loadModel(folder);
    const lora = await loadAdapter(fixture(`${path}-adapter`), model.config);
    const [merged, plain, adapter] = ["merged", "plain", "adapter"].map((kind) => join(scratch, `${name}-${kind}`)) as [
      string,
      string,
      string,
    ];
    await saveModel(merged, model, lora, { maxShardBytes: 20_000 });
    await saveModel(plain, model, null, { type: "F16" });
    await saveAdapter(adapter, lora, plain);
    close(logps(merged), expected.adapter_logps, 1e-4);
    close(logps(plain), expected.logps, 0.02); // weights rounded to 11 bits
    close(logps(folder, adapter), expected.adapter_logps, 1e-4);
    const prompts = [3, 5, 8].map((length, i) => expected.rows[i % expected.rows.length].slice(0, length));
    expect(await greedy(model, lora, prompts, 12)).toEqual(peerGreedy(prompts, 12, folder, adapter));
    lora.dispose();
    model.dispose();
  });
});
