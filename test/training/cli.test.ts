import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { packageRoot } from "../../src/setup/paths.js";
import trl from "../fixtures/trl-run.json" with { type: "json" }; // made by test/fixtures/trl_run.py
import { fixture } from "../model/open.js";

const dir = mkdtempSync(join(tmpdir(), "erpo-train-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const main = pathToFileURL(join(packageRoot(), "dist/src/cli/main.js")).href;
const script = `import { run } from ${JSON.stringify(main)}; process.exitCode = await run(process.argv.slice(1));`;
const words = (args: string[]) => ["--input-type=module", "-e", script, ...args];
const surroundings = { cwd: dir, env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3" } };

/** Runs the compiled command line as a user does. */
const erpo = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, words(args), { ...surroundings, encoding: "utf8" });

const write = (name: string, value: unknown) => writeFileSync(join(dir, name), JSON.stringify(value));
const writeLines = (name: string, rows: readonly unknown[]) =>
  writeFileSync(join(dir, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
const readLines = (name: string) =>
  readFileSync(join(dir, name), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test.each(trl.runs)("erpo train logs what TRL logs: $name", (run) => {
  const name = run.name.replace(/\W+/g, "-");
  writeLines(`${name}.jsonl`, run.rows);
  const { method, batch_size, gradient_accumulation_steps, warmup_ratio, lr_scheduler_type, max_length } = run;
  const { max_steps, ...options } = run.options;
  if (run.eval_rows) writeLines("held-out.jsonl", run.eval_rows);
  write(`${name}.json`, {
    ...options,
    ...(run.more?.num_train_epochs === undefined ? { max_steps } : {}),
    ...(run.eval_rows ? { eval_data: "held-out.jsonl" } : {}),
    method,
    batch_size,
    gradient_accumulation_steps,
    warmup_ratio,
    lr_scheduler_type,
    max_length,
    ...(method === "sft" ? {} : { beta: run.beta }),
    ...(method === "dpo" ? { loss_type: run.loss_type } : {}),
    ...run.more,
    ...(run.reference === "base" ? { reference_adapter: null } : run.reference ? { reference_adapter: fixture("llama-tiny-adapter") } : {}),
    model: fixture("llama-tiny"),
    init_adapter: fixture("llama-tiny-adapter"),
    data: `${name}.jsonl`,
    output_dir: name,
    shuffle: false,
    save_steps: 2,
  });
  const { status, stderr } = erpo("train", `${name}.json`);
  expect(status, stderr).toBe(0);
  const rows = readLines(`${name}/metrics.jsonl`);
  expect(rows.map((row) => row.step)).toEqual([1, 2, 3, 4, 5]);
  for (const [i, step] of run.steps.entries()) {
    for (const [key, value] of Object.entries(step)) {
      expect(Math.abs(rows[i][key] - value), `step ${i + 1}, ${key}`).toBeLessThan(2e-5 + 1e-4 * Math.abs(value));
    }
  }
  expect(readdirSync(join(dir, name)).sort()).toEqual(
    ["adapter_config.json", "adapter_model.safetensors", "checkpoint-4", "checkpoint-5", "metrics.jsonl", "train.json"].sort(),
  );
  const last = readFileSync(join(dir, name, "checkpoint-5/adapter_model.safetensors"));
  expect(readFileSync(join(dir, name, "adapter_model.safetensors")).equals(last)).toBe(true);
  const cut = stderr.includes("left out 1 rows whose prompts alone fill max_length 40: rows 7");
  expect(cut).toBe(run.max_length === 40); // never silently
});

test("a fresh adapter, length control, an NLL term, then a second stage on top", () => {
  const base = { model: fixture("llama-tiny"), data: "pairs.jsonl", max_steps: 2, batch_size: 2, learning_rate: 1e-3 };
  writeLines("pairs.jsonl", trl.runs[2]!.rows);
  write("first.json", {
    ...base,
    method: "dpo",
    nll_weight: 0.3,
    output_dir: "first",
    lora: { r: 2, alpha: 4, target_modules: ["q_proj"], layers_to_transform: [1] },
  });
  write("second.json", { ...base, method: "length-controlled-dpo", length_alpha: 0.05, init_adapter: "first", output_dir: "second" });
  for (const name of ["first", "second"]) {
    const { status, stderr } = erpo("train", `${name}.json`);
    expect(status, stderr).toBe(0);
  }
  const { r, target_modules, layers_to_transform } = JSON.parse(readFileSync(join(dir, "second/adapter_config.json"), "utf8"));
  expect({ r, target_modules, layers_to_transform }).toEqual({ r: 2, target_modules: ["q_proj"], layers_to_transform: [1] });
});

test("SimPO's rewards are measured against nothing", () => {
  writeLines("pairs.jsonl", trl.runs[2]!.rows);
  const base = { method: "dpo", model: fixture("llama-tiny"), data: "pairs.jsonl", max_steps: 2, batch_size: 2, output_dir: "simpo" };
  const simpo = { ...base, loss_type: "simpo", beta: 2, simpo_gamma: 1, init_adapter: fixture("llama-tiny-adapter"), shuffle: false };
  write("simpo.json", simpo);
  const { status, stderr } = erpo("train", "simpo.json");
  expect(status, stderr).toBe(0);
  const [first] = readLines("simpo/metrics.jsonl");
  // SimPO's reward is beta times the mean log-prob of a token, not measured against anything
  expect(first["rewards/chosen"]).toBeLessThan(-1);
  expect(first["rewards/margins"]).toBeCloseTo(first["rewards/chosen"] - first["rewards/rejected"], 4);
});

test("the loss sft alone has no reference, and no rewards; an adapter says with what dropout it was trained", () => {
  writeLines("pairs.jsonl", trl.runs[2]!.rows);
  const base = { method: "dpo", model: fixture("llama-tiny"), data: "pairs.jsonl", max_steps: 1, batch_size: 2, output_dir: "winners" };
  write("winners.json", { ...base, loss_type: "sft", lora: { r: 2, alpha: 4, dropout: 0.25 } });
  const { status, stderr } = erpo("train", "winners.json");
  expect(status, stderr).toBe(0);
  const [first] = readLines("winners/metrics.jsonl");
  expect(Object.keys(first)).toContain("logps/chosen");
  expect(Object.keys(first).filter((name) => name.startsWith("rewards"))).toEqual([]);
  for (const folder of ["winners", "winners/checkpoint-1"])
    expect(JSON.parse(readFileSync(join(dir, folder, "adapter_config.json"), "utf8")).lora_dropout).toBe(0.25);
});

test("a metric for the best checkpoint that the method's evaluations cannot have is named before the first step", () => {
  writeLines("pairs.jsonl", trl.runs[2]!.rows);
  const base = { model: fixture("llama-tiny"), data: "pairs.jsonl", eval_data: "pairs.jsonl", max_steps: 1, output_dir: "best" };
  write("best.json", { ...base, method: "dpo", load_best_model_at_end: true, metric_for_best_model: "foo" });
  const { status, stderr } = erpo("train", "best.json");
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining(
      'erpo: field "metric_for_best_model": an evaluation of dpo has no foo: it has eval_loss, eval_rewards/chosen, ',
    ),
  ]);
  expect(existsSync(join(dir, "best"))).toBe(false);
});

test("Ctrl-C while the reference is computed stops quietly and leaves the adapter before it alone", async () => {
  writeLines("many.jsonl", Array(6000).fill({ prompt: "a", chosen: "b ".repeat(20), rejected: "c ".repeat(20) }));
  write("stopped.json", {
    method: "dpo",
    model: fixture("llama-tiny"),
    data: "many.jsonl",
    max_steps: 2,
    batch_size: 1,
    output_dir: "stopped",
  });
  mkdirSync(join(dir, "stopped"));
  writeFileSync(join(dir, "stopped/adapter_model.safetensors"), "an earlier run's");
  const child = spawn(process.execPath, words(["train", "stopped.json"]), surroundings);
  let stderr = "";
  child.stderr.on("data", (bytes) => {
    stderr += bytes;
  });
  while (!existsSync(join(dir, "stopped/.train.lock")) && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill("SIGINT");
  expect([...(await once(child, "close")), stderr]).toEqual([130, null, "stopped before its first step\n"]);
  expect(readdirSync(join(dir, "stopped"))).toEqual(["adapter_model.safetensors"]);
});

test("another reference is not gone on with", () => {
  const base = { method: "dpo", model: fixture("llama-tiny"), data: "pairs.jsonl", max_steps: 2, batch_size: 2, output_dir: "reference" };
  writeLines("pairs.jsonl", trl.runs[2]!.rows);
  const begun = { ...base, init_adapter: fixture("llama-tiny-adapter") };
  write("begun.json", begun);
  expect(erpo("train", "begun.json").status).toBe(0);
  for (const other of [{ reference_adapter: null }, { init_adapter: "reference" }]) {
    write("other.json", { ...begun, ...other, resume: true });
    const { status, stderr } = erpo("train", "other.json");
    expect([status, stderr]).toEqual([1, expect.stringMatching(/checkpoint-2: made with (?:another )?objective/)]);
  }
});

test("another adapter in the same folder, other log-probs of the reference or other held-out rows are not gone on with", () => {
  const pair = { prompt_ids: [5, 6], chosen_ids: [7, 8], rejected_ids: [9] };
  const writePairs = (name: string, chosen: number) => writeLines(name, [{ ...pair, ref_chosen_logps: chosen, ref_rejected_logps: -2 }]);
  const begin = () => {
    for (const name of ["held.jsonl", "known.jsonl"]) writePairs(name, -1);
    for (const name of ["start", "against"]) cpSync(fixture("llama-tiny-adapter"), join(dir, name), { recursive: true });
  };
  const base = {
    method: "dpo",
    model: fixture("llama-tiny"),
    data: "known.jsonl",
    eval_data: "held.jsonl",
    max_steps: 1,
    output_dir: "held-to",
  };
  write("held-to.json", { ...base, init_adapter: "start", reference_adapter: "against", resume: true });
  const spoil = (file: string, change: (json: { lora_alpha: number }) => object) =>
    write(file, change(JSON.parse(readFileSync(join(dir, file), "utf8"))));
  begin();
  expect(erpo("train", "held-to.json")).toMatchObject({ status: 0 });
  expect(erpo("train", "held-to.json")).toMatchObject({ status: 0 });
  for (const [change, cause] of [
    [() => spoil("start/adapter_config.json", (json) => ({ ...json, lora_dropout: 0.1 })), "init_adapter.sha256"],
    [() => spoil("against/adapter_config.json", (json) => ({ ...json, lora_alpha: 2 * json.lora_alpha })), "reference_adapter.sha256"],
    [() => writePairs("known.jsonl", -1.5), "ref_logps.sha256"],
    [() => writePairs("held.jsonl", -1.5), "eval_data.sha256"],
  ] as const) {
    begin();
    change();
    const { status, stderr } = erpo("train", "held-to.json");
    expect([status, stderr]).toEqual([1, expect.stringContaining(`checkpoint-1: made with another ${cause}: use another folder`)]);
  }
});

test("erpo score gives the log-probs that the first step of training logs", () => {
  writeLines("score.jsonl", trl.runs[4]!.rows);
  const args = [
    "--model",
    fixture("llama-tiny"),
    "--adapter",
    fixture("llama-tiny-adapter"),
    "--data",
    "score.jsonl",
    "--max-length",
    "80",
  ];
  const { status, stderr } = erpo("score", ...args, "--output", "scores.jsonl", "--batch-size", "2");
  expect(status, stderr).toBe(0);
  const scores = readLines("scores.jsonl");
  const mean = (key: string) => scores.reduce((sum, row) => sum + row[key], 0) / scores.length;
  const logged: Record<string, number | undefined> = trl.runs[4]!.steps[0]!;
  expect(mean("chosen_logps")).toBeCloseTo(logged["logps/chosen"]!, 3);
  expect(mean("rejected_logps")).toBeCloseTo(logged["logps/rejected"]!, 3);
  const tokens = trl.runs[4]!.tokens as { prompt: number[]; chosen: number[]; rejected: number[] }[];
  expect(scores.map((row) => row.chosen_tokens)).toEqual(tokens.map((t) => Math.min(t.chosen.length, 80 - t.prompt.length)));
});

test.each([
  [["train", "missing.json"], "erpo: missing.json: no such file\n"],
  [["train", "broken.json"], "erpo: broken.json: not JSON ("],
  [["train", "field.json"], 'erpo: field.json: field "method": Invalid option'],
  [["train", "no-data.json"], "erpo: nowhere.jsonl: no such file\n"],
  [["train", "bad-row.json"], 'erpo: bad-row.jsonl:2: missing field "completion"\n'],
  [["train", "no-eval.json"], "erpo: nowhere.jsonl: no such file\n"],
  [["train", "no-label.json"], 'erpo: rows.jsonl:1: missing field "label"\n'],
  [["train", "no-model.json"], "erpo: nowhere: no such file or directory"],
])("one line for a mistake: erpo %s", (args, message) => {
  writeFileSync(join(dir, "broken.json"), "{");
  const base = { method: "sft", model: fixture("llama-tiny"), data: "rows.jsonl", output_dir: "out", max_steps: 1 };
  writeLines("rows.jsonl", [{ prompt: "a", completion: "b" }]);
  writeLines("bad-row.jsonl", [{ prompt: "a", completion: "b" }, { prompt: "a" }]);
  write("field.json", { ...base, method: "rl" });
  write("no-data.json", { ...base, data: "nowhere.jsonl" });
  write("no-eval.json", { ...base, eval_data: "nowhere.jsonl" });
  write("no-label.json", { ...base, method: "kto" });
  write("bad-row.json", { ...base, data: "bad-row.jsonl" });
  write("no-model.json", { ...base, model: "nowhere" });
  const { status, stderr, stdout } = erpo(...args);
  expect(status).toBe(1);
  expect(stderr.startsWith(message), stderr).toBe(true);
  expect(stderr.trim().split("\n").length).toBe(1);
  expect(stdout).toBe("");
  expect(existsSync(join(dir, "out"))).toBe(false);
});

test("an output that cannot be written is named, by train and by score", () => {
  writeLines("pairs.jsonl", trl.runs[2]!.rows);
  const base = { method: "dpo", model: fixture("llama-tiny"), data: "pairs.jsonl", max_steps: 1 };
  write("unwritable.json", { ...base, output_dir: "/proc/no" });
  const trained = erpo("train", "unwritable.json");
  expect([trained.status, trained.stderr]).toEqual([1, "erpo: /proc/no: cannot be written (ENOENT: no such file or directory)\n"]);
  const scored = erpo("score", "--model", fixture("llama-tiny"), "--data", "pairs.jsonl", "--output", "/proc/no/s.jsonl");
  expect([scored.status, scored.stderr]).toEqual([1, "erpo: /proc/no/s.jsonl: cannot be written (ENOENT: no such file or directory)\n"]);
});

test("a run that starts over leaves the adapter before it alone until it has begun, and none when it is cut short", () => {
  writeLines("rows.jsonl", [{ prompt: "a", completion: "b" }]);
  const base = { method: "sft", model: fixture("llama-tiny"), data: "rows.jsonl", output_dir: "over", max_steps: 2 };
  write("over.json", base);
  expect(erpo("train", "over.json").status).toBe(0);
  const files = readdirSync(join(dir, "over"));
  write("wrong.json", { ...base, lora: { layers_to_transform: [7] } });
  const wrong = erpo("train", "wrong.json");
  expect([wrong.status, wrong.stderr]).toEqual([1, `erpo: field "lora.layers_to_transform": the model's layers are 0 to 1, not 7\n`]);
  write("wrong.json", { ...base, lora: { target_modules: ["qkv_proj"] } });
  expect(erpo("train", "wrong.json").stderr).toMatch(
    /^erpo: field "lora.target_modules": the model's linear layers are q_proj, .*, not qkv_proj\n$/,
  );
  expect(readdirSync(join(dir, "over"))).toEqual(files);

  write("over.json", { ...base, max_steps: 3, learning_rate: 1e30 }); // ends in a loss that is not finite
  const cut = erpo("train", "over.json");
  expect([cut.status, cut.stderr]).toEqual([1, expect.stringMatching(/^erpo: step [23]: the /)]);
  expect(existsSync(join(dir, "over/adapter_model.safetensors"))).toBe(false);
  expect(readdirSync(join(dir, "over"))).not.toContain(".train.lock");
});
