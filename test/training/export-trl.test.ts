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

const weighted = join(root, "weighted.jsonl");
const weightedPair = { prompt_ids: [1], chosen_ids: [2, 3], rejected_ids: [4], chosen_weights: [1, 0], rejected_weights: [1] };
writeFileSync(weighted, formatJsonl([weightedPair]));
const weightedAgainst = join(root, "weighted-against.jsonl");
writeFileSync(weightedAgainst, formatJsonl([{ ...weightedPair, ref_chosen_logps: -1, ref_rejected_logps: -2 }]));

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

const ids = [
  { prompt_ids: [1, 2], completion_ids: [3, 4, 5], weights: [1, 0.5, 0] },
  { prompt_ids: [6], completion_ids: [7] },
  { prompt_ids: [1, 2], completion_ids: [8, 9] },
];
const idData = join(root, "ids.jsonl");
writeFileSync(idData, formatJsonl(ids));
const batches = join(root, "batches.json");
writeFileSync(batches, "[[2, 0], [1]]");
const ofIds = { data: idData, batches, max_steps: undefined };

test("rows of token ids come with their steps, which a file has planned", () => {
  const { dir, status, stderr } = exported("ids", ofIds);
  expect(status, stderr).toBe(0);
  expect(readJsonl(join(dir, "train.jsonl")).map(({ value }) => value)).toEqual([
    { step: 1, ...ids[2] },
    { step: 1, ...ids[0] },
    { step: 2, ...ids[1] },
  ]);
  const run = JSON.parse(readFileSync(join(dir, "run.json"), "utf8"));
  expect(run).toMatchObject({ max_steps: 2, batch_size: 2, reference: "start" });
  expect("batches" in run).toBe(false);
});

test("pairs of token ids are measured against what they come with, if all do", () => {
  const pairs = [
    { prompt_ids: [1], chosen_ids: [2], rejected_ids: [3, 4], ref_chosen_logps: -1.5, ref_rejected_logps: -7.25 },
    { prompt_ids: [5], chosen_ids: [6], rejected_ids: [7], ref_chosen_logps: -2, ref_rejected_logps: -3 },
  ];
  const written = (name: string, rows: object[]) => {
    writeFileSync(join(root, `${name}.jsonl`), formatJsonl(rows));
    const fields = { method: "dpo", data: join(root, `${name}.jsonl`), max_steps: 1, shuffle: false, reference_adapter: null };
    const { dir, stderr } = exported(name, fields);
    expect(stderr).toBe("");
    return [
      JSON.parse(readFileSync(join(dir, "run.json"), "utf8")).reference,
      readJsonl(join(dir, "train.jsonl")).map(({ value }) => value),
    ];
  };
  expect(written("known", pairs)).toEqual(["rows", pairs.map((pair) => ({ step: 1, ...pair }))]);
  const { ref_chosen_logps, ref_rejected_logps, ...bare } = pairs[0]!;
  const [reference, rows] = written("half-known", [bare, pairs[1]!]);
  expect([reference, Object.keys(rows[1])]).toEqual(["base", ["step", "prompt_ids", "chosen_ids", "rejected_ids"]]);
});

test.each([
  [
    "a reference that TRL cannot have",
    { method: "dpo", reference_adapter: "elsewhere" },
    "reference_adapter: elsewhere: TRL measures against the start",
  ],
  [
    "weights of pairs that are measured against a policy",
    { method: "dpo", data: weighted },
    "its pairs have weights, which TRL's reference would not",
  ],
  [
    "a loss that TRL would divide by all tokens of pairs with weights",
    { method: "dpo", data: weightedAgainst, loss_type: "ipo" },
    "its pairs have weights, by which TRL's loss_type ipo would not divide: it counts all tokens",
  ],
  ["KTO", { method: "kto" }, "method: kto: is not exported"],
  ["SimPO", { method: "dpo", loss_type: ["simpo", "sft"] }, "loss_type: TRL's DPO has no simpo"],
  ["conservative DPO", { method: "dpo", label_smoothing: 0.1 }, "loss_type: TRL's DPO has no sigmoid with label_smoothing"],
  ["dropout", { lora: { dropout: 0.1 } }, "lora.dropout: 0.1: is not exported: leave it out"],
  ["held-out rows", { eval_data: data }, "is not exported: leave it out"],
  ["an epoch that ends in a smaller batch", { batch_size: 3 }, "step 2 has 1 of 3 rows"],
])("%s is refused in a line", (name, fields, message) => {
  const { dir, status, stderr } = exported(name.replace(/\W/g, ""), fields);
  expect([status, stderr.split("\n").length]).toEqual([1, 2]);
  expect(stderr).toContain(message);
  expect(existsSync(dir)).toBe(false);
});
