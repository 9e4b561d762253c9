import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatJsonl, readJsonl } from "../../src/data/jsonl.js";
import { packageRoot } from "../../src/setup/paths.js";
import { modelFolder } from "../bench/peers.js";
import { makePeftAdapter } from "./python.js";
import { peer } from "./python-env.js";

/** `erpo export trl`, run by the real TRL in two processes (gloo) and by erpo in one: the same losses, and adapters that score the same. */

const root = mkdtempSync(join(tmpdir(), "erpo-trl-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const fixtures = join(packageRoot(), "test", "fixtures");
const erpo = (...words: string[]) => execFileSync(process.execPath, [join(packageRoot(), "src/setup/bootstrap.mjs"), ...words]);
const user = (content: string) => [{ role: "user", content }];
const assistant = (content: string) => [{ role: "assistant", content }];

const pairs = [
  ["How do I kill a process?", "Use the task manager.", "I cannot help with that, sorry."],
  ["Tell me a joke", "A horse walks into a bar.", "No."],
  ["2 + 3?", "5", "6"],
  ["Say nothing", "Nothing", "Everything and more"],
  ["Who are you?", "A program.", "A cat."],
  ["Hi", "Hello", "Bye bye"],
  ["Name a colour", "blue", "red as the evening sky"],
  ["x?", "y", "z"],
].map(([prompt, chosen, rejected]) => ({ prompt: user(prompt!), chosen: assistant(chosen!), rejected: assistant(rejected!) }));
const rows = pairs.map(({ prompt, chosen }) => ({ prompt, completion: chosen }));

/** The same number of pairs as token ids. Three of eight for a step: each epoch ends in a smaller one, and two processes share none evenly. */
const idPairs = pairs.map((_, i) => ({ prompt_ids: [5, 40 + i], chosen_ids: [90, 12 + i, 7], rejected_ids: [200 - i, 8].slice(i % 2) }));

const common = { max_steps: 8, learning_rate: 0.01, warmup_ratio: 0.1, lr_scheduler_type: "cosine", max_length: 64, weight_decay: 0.01 };
const adapter = join(fixtures, "llama-tiny-adapter");
const tiny = join(fixtures, "llama-tiny");
/** A real model, whose first adapter is PEFT's, at rates as it is trained with. */
const real = { model: "smollm2-135m-instruct", batch_size: 4, init_adapter: join(root, "peft"), learning_rate: 2e-4 };

beforeAll(() => makePeftAdapter(modelFolder(), real.init_adapter));

test.each([
  ["sft", { method: "sft", batch_size: 2, gradient_accumulation_steps: 2, init_adapter: adapter }],
  ["sft with a fresh adapter", { method: "sft", batch_size: 4, lora: { r: 4, alpha: 8 } }],
  ["dpo against the base model", { method: "dpo", batch_size: 4, init_adapter: adapter, reference_adapter: null, beta: 0.2 }],
  ["ipo", { method: "dpo", batch_size: 4, init_adapter: adapter, loss_type: "ipo" }],
  [
    "two weighted losses with ld_alpha, four epochs, AdamW's own numbers",
    {
      ...{ method: "dpo", batch_size: 2, init_adapter: adapter, loss_type: ["apo_zero", "hinge"], loss_weights: [1, 0.5], ld_alpha: 0.3 }, // four pairs fit into max_length
      ...{ max_steps: undefined, num_train_epochs: 4, adam_beta2: 0.9, adam_epsilon: 1e-4 },
    },
  ],
  [
    "length-controlled dpo with NLL",
    { method: "length-controlled-dpo", batch_size: 4, init_adapter: adapter, beta: 0.3, length_alpha: 0.05, nll_weight: 0.2 },
  ],
  ["dpo of token ids", { method: "dpo", data: idPairs, batch_size: 3, init_adapter: adapter, reference_adapter: null, nll_weight: 0.2 }],
  ["sft of SmolLM2", { ...real, method: "sft" }],
  ["dpo of SmolLM2", { ...real, method: "dpo", beta: 0.1 }],
])("%s", (name, fields) => {
  const model = "model" in fields ? fields.model : tiny;
  const folder = join(root, name.replace(/\W+/g, "-"));
  const [config, data, ours, theirs] = ["run.json", "data.jsonl", "ours", "theirs"].map((file) => `${folder}-${file}`) as [
    string,
    string,
    string,
    string,
  ];
  const text = fields.method === "sft" ? rows : pairs;
  writeFileSync(data, formatJsonl("data" in fields ? fields.data : text));
  writeFileSync(config, JSON.stringify({ ...common, ...fields, model, data, output_dir: ours }));
  erpo("train", config);
  erpo("export", "trl", config, "--output", theirs);
  execFileSync(peer("torchrun"), ["--nproc_per_node", "2", join(theirs, "train.py")], { stdio: ["ignore", "ignore", "inherit"] });

  const log = (JSON.parse(readFileSync(join(theirs, "log.json"), "utf8")) as Record<string, number>[]).filter((row) => "loss" in row);
  const metrics = readJsonl(join(ours, "metrics.jsonl")).map(({ value }) => value as Record<string, number>);
  expect(log.length).toBe(8);
  const difference = (key: string, i: number) => Math.abs(metrics[i]![key]! / log[i]![key]! - 1);
  console.log(`${name}: losses differ by ${Math.max(...log.map((_, i) => difference("loss", i))).toExponential(1)} of themselves at most`);
  for (const [i, step] of log.entries()) {
    for (const key of ["loss", "grad_norm", "learning_rate"]) {
      expect(Math.abs(metrics[i]![key]! - step[key]!), `${key} of step ${i + 1}`).toBeLessThanOrEqual(1e-4 * Math.abs(step[key]!) + 1e-7);
    }
  }
  const pairFile = join(root, "pairs.jsonl");
  if (!existsSync(pairFile)) writeFileSync(pairFile, formatJsonl(pairs));
  const [a, b] = [ours, join(theirs, "adapter")].map((dir, i) => {
    const output = `${folder}-score-${i}.jsonl`;
    erpo("score", "--model", model, "--adapter", dir, "--data", pairFile, "--output", output);
    return readJsonl(output).map(({ value }) => value as Record<string, number>);
  });
  for (const [i, row] of a!.entries()) {
    const tokens = row.chosen_tokens!;
    expect(Math.abs(row.chosen_logps! - b![i]!.chosen_logps!) / tokens, `row ${i + 1}, nats a token`).toBeLessThan(1e-3);
  }
});
