import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadAdapter, saveAdapter } from "../../src/model/adapter-io.js";
import { loadModel } from "../../src/model/load.js";
import { saveModel } from "../../src/model/save.js";
import { fixture } from "../model/open.js";
import { peer } from "./python-env.js";

/** What erpo saves of each family, as transformers and PEFT load it. */

const scratch = mkdtempSync(join(tmpdir(), "erpo-families-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.each(["llama-tiny", "llama3", "mistral", "qwen2", "qwen3"])("%s", (name) => {
  const path = name === "llama-tiny" ? name : `families/${name}`;
  const expected = JSON.parse(readFileSync(fixture(`${path}.json`), "utf8"));

  const logps = (...words: string[]): number[][] =>
    JSON.parse(
      execFileSync(
        peer("python"),
        [join(import.meta.dirname, "families.py"), words[0]!, JSON.stringify(expected.rows), ...words.slice(1)],
        {
          encoding: "utf8",
        },
      ),
    );
  const close = (got: number[][], want: number[][], within: number) =>
    got.flat().forEach((x, i) => void expect(Math.abs(x - want.flat()[i]!)).toBeLessThan(within));

  test("the merged model, in shards, and the saved adapter score as the originals", async () => {
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
    lora.dispose();
    model.dispose();
  });
});
