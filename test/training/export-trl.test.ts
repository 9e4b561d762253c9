import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { formatJsonl, readJsonl } from "../../src/data/jsonl.js";
import { packageRoot } from "../../src/setup/paths.js";

/** What `erpo export trl` writes; test/peers/trl.test.ts runs it. */

const root = mkdtempSync(join(tmpdir(), "erpo-export-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const fixtures = join(packageRoot(), "test", "fixtures");
const data = join(root, "data.jsonl");
writeFileSync(data, formatJsonl(["a", "b", "c", "d"].map((prompt, id) => ({ prompt, completion: ` ${id}`, id }))));

function exported(name: string, fields: object): { dir: string; status: number | null; stderr: string } {
  const [config, dir] = [join(root, `${name}.json`), join(root, name)];
  const run = {
    method: "sft",
    model: join(fixtures, "llama-tiny"),
    data,
    output_dir: join(root, "out"),
    max_steps: 4,
    batch_size: 2,
    ...fields,
  };
  writeFileSync(config, JSON.stringify(run));
  const words = [join(packageRoot(), "src/setup/bootstrap.mjs"), "export", "trl", config, "--output", dir];
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
  return { dir, status, stderr };
}

test("the folder holds everything, and the rows in the order of erpo's own steps", () => {
  const { dir, status, stderr } = exported("plain", { shuffle: false, learning_rate: 0.01 });
  expect(status, stderr).toBe(0);
  const files = [
    "README.txt",
    "ddp.json",
    "fsdp.json",
    "init_adapter",
    "model",
    "run.json",
    "train.jsonl",
    "train.py",
    "zero2.json",
    "zero3.json",
  ];
  expect(readdirSync(dir).sort()).toEqual(files);
  expect(readJsonl(join(dir, "train.jsonl")).map(({ value }) => value)).toEqual(
    [..."abcd", ..."abcd"].map((prompt, i) => ({ prompt, completion: ` ${i % 4}` })),
  );
  const run = JSON.parse(readFileSync(join(dir, "run.json"), "utf8"));
  expect(run).toMatchObject({
    method: "sft",
    batch_size: 2,
    learning_rate: 0.01,
    reference: "start",
    max_length: 1024,
    lr_scheduler_type: "linear",
  });
});

test("each epoch of a shuffled run has every row once", () => {
  const rows = readJsonl(join(exported("shuffled", { seed: 3 }).dir, "train.jsonl")).map(({ value }) => value.prompt as string);
  expect([rows.slice(0, 4).sort(), rows.slice(4).sort()]).toEqual([[..."abcd"], [..."abcd"]]);
});

test.each([
  [
    "a reference that TRL cannot have",
    { method: "dpo", reference_adapter: "elsewhere" },
    "reference_adapter: elsewhere: TRL measures against the start",
  ],
  ["KTO", { method: "kto" }, "method: kto: is not exported"],
  ["SimPO", { method: "dpo", loss_type: ["simpo", "sft"] }, "loss_type: TRL's DPO has no simpo"],
  ["conservative DPO", { method: "dpo", label_smoothing: 0.1 }, "loss_type: TRL's DPO has no sigmoid with label_smoothing"],
  ["dropout", { lora: { dropout: 0.1 } }, "lora.dropout: 0.1: is not exported: leave it out"],
  ["held-out rows", { eval_data: data }, "is not exported: leave it out"],
  ["an epoch that ends in a smaller batch", { batch_size: 3 }, "step 2 ends an epoch with 1 of 3 rows"],
])("%s is refused in a line", (name, fields, message) => {
  const { dir, status, stderr } = exported(name.replace(/\W/g, ""), fields);
  expect([status, stderr.split("\n").length]).toEqual([1, 2]);
  expect(stderr).toContain(message);
  expect(existsSync(dir)).toBe(false);
});
