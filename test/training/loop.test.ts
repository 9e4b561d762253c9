import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import type { TokenRow } from "../../src/data/tokens.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import type { Lora } from "../../src/model/lora.js";
import { dpo } from "../../src/objectives/dpo.js";
import type { PreferenceObjective } from "../../src/objectives/types.js";
import { completionLogps, sequenceLogps } from "../../src/training/completion.js";
import { train } from "../../src/training/loop.js";
import { readMetrics } from "../../src/training/metrics.js";
import type { TrainOptions } from "../../src/training/options.js";
import { referenceLogps, trainPreference } from "../../src/training/preference.js";
import { parseRunConfig } from "../../src/training/run-config.js";
import { constant, cosine } from "../../src/training/schedule.js";
import { trainSft } from "../../src/training/sft.js";
import { startAdapter } from "../../src/training/start-adapter.js";
import { tokenObjective } from "../../src/training/token-objective.js";
import transformers from "../fixtures/llama-tiny.json" with { type: "json" }; // made by test/fixtures/llama_fixture.py
import { fixture } from "../model/open.js";

let model: LanguageModel;
let lora: Lora;
const dir = mkdtempSync(join(tmpdir(), "erpo-loop-"));

beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  lora = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
});
afterAll(() => {
  lora.dispose();
  model.dispose();
  rmSync(dir, { recursive: true, force: true });
});

const { rows, lengths, adapter_logps, logps } = transformers;
const sequences = rows.map((ids, b) => ids.slice(0, lengths[b]));

const options = (more: Partial<TrainOptions> = {}): TrainOptions => ({
  lora,
  batches: [[0, 1], [2], [1, 2, 0], [0]],
  learningRate: 1e-3,
  schedule: constant(),
  maxGradNorm: 1,
  weightDecay: 0,
  ...more,
});
const data: TokenRow[] = sequences.map((ids) => ({ prompt: ids.slice(0, 5), completion: ids.slice(5) }));
const pairs = sequences.map((ids) => ({ prompt: ids.slice(0, 4), chosen: ids.slice(4), rejected: ids.slice(3, 6) }));

test.each([
  ["a shared prefix", 5],
  ["no prompt", 0],
  ["a prompt of one token", 1],
])("log-probs equal transformers', with and without the adapter: %s", (_, at) => {
  for (const [adapter, expected] of [
    [null, logps],
    [lora, adapter_logps],
  ] as const) {
    const split = sequences.map((ids) => ({ prompt: ids.slice(0, at), completion: ids.slice(at) }));
    const { logps, row, position } = completionLogps(model.decoder, split, adapter);
    const ours = logps.dataSync();
    expect(row.length).toBe(split.reduce((n, r) => n + r.completion.length - (at === 0 ? 1 : 0), 0));
    row.forEach((b, n) => {
      const value = expected[b]![at + position[n]! - 1]!; // expected[b][t] is of token t + 1
      expect(Math.abs(ours[n]! - value), `row ${b}, token ${position[n]}`).toBeLessThan(2e-5);
    });
    logps.dispose();
  }
});

test("sums by row, and 0 for an empty completion", () => {
  const split = [...sequences.map((ids) => ({ prompt: ids.slice(0, 3), completion: ids.slice(3) })), { prompt: [5, 6], completion: [] }];
  const sums = sequenceLogps(model.decoder, split, lora);
  const { logps, row } = completionLogps(model.decoder, split, lora);
  const byHand = [0, 0, 0, 0];
  logps.dataSync().forEach((x, n) => {
    byHand[row[n]!]! += x;
  });
  sums.dataSync().forEach((x, b) => {
    expect(x).toBeCloseTo(byHand[b]!, 3);
  });
  tf.dispose([sums, logps]);
});

test("options that are out of range are named before anything is computed", async () => {
  const wrong: [Partial<TrainOptions>, string][] = [
    [{ learningRate: Number.NaN }, "learningRate must be a number >= 0, got NaN"],
    [{ learningRate: -1e-3 }, "learningRate must be a number >= 0, got -0.001"],
    [{ schedule: (step) => (step === 3 ? Number.NaN : 1) }, "the schedule's factor of step 3 must be a number >= 0, got NaN"],
    [{ maxGradNorm: Number.NaN }, "maxGradNorm must be a number >= 0, got NaN"],
    [{ microBatch: 0 }, "microBatch must be a number >= 1, got 0"],
    [{ checkpoint: { dir, everySteps: 0 } }, "checkpoint.everySteps must be a number >= 1, got 0"],
  ];
  for (const [more, message] of wrong) await expect(trainSft(model, data, options(more)).next()).rejects.toThrow(message);
});

test("no tensor stays behind: between steps, at the end, after break, abort and errors", async () => {
  const before = tf.memory().numTensors;
  const counts: number[] = [];
  for await (const _ of trainSft(model, data, options({ microBatch: 1 }))) counts.push(tf.memory().numTensors);
  expect(counts).toEqual([before + 2, before + 2, before + 2, before + 2]); // the two moments
  expect(tf.memory().numTensors).toBe(before);

  const filled = await referenceLogps(model, pairs, lora, { batchSize: 2 });
  expect(tf.memory().numTensors).toBe(before);
  for await (const _ of trainPreference(model, filled, (p, r) => dpo(p, r, 0.1), options())) break;
  expect(tf.memory().numTensors).toBe(before);

  const abort = new AbortController();
  const seen: number[] = [];
  for await (const { step } of trainSft(model, data, options({ signal: abort.signal }))) {
    seen.push(step);
    if (step === 2) abort.abort();
  }
  expect(seen).toEqual([1, 2]);
  expect(tf.memory().numTensors).toBe(before);

  let calls = 0;
  const failing: PreferenceObjective = (policy, reference) => {
    if (++calls === 2) throw new Error("no memory left");
    return dpo(policy, reference, 0.1);
  };
  await expect(trainPreference(model, filled, failing, options({ microBatch: 1 })).next()).rejects.toThrow("no memory left");
  expect(tf.memory().numTensors).toBe(before);

  const steep = tokenObjective({
    name: "steep",
    settings: {},
    loss: ({ logps }) => tf.sqrt(tf.mul(0, tf.sum(logps))) as tf.Scalar, // 0, with the slope infinity times 0
  });
  await expect(train(model, data, steep, options()).next()).rejects.toThrow("step 1: the gradient's norm is NaN: try a lower");
  expect(tf.memory().numTensors).toBe(before);

  const endless = async () => {
    for await (const _ of trainSft(model, data, options({ learningRate: 1e30, maxGradNorm: 0 })));
  };
  const copy = lora.clone();
  await expect(endless()).rejects.toThrow(/step [234]: the (loss|gradient's norm) is .*: try a lower learning rate than 1e\+30/);
  lora.variables().forEach((v, i) => void tf.tidy(() => v.assign(tf.clone(copy.variables()[i]!))));
  copy.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test("the gradient does not depend on how a batch is cut up", async () => {
  const norms = async (microBatch?: number) => {
    const own = lora.clone();
    const weighted = data.map((row) => ({ ...row, weights: row.completion.map((_, k) => (k === 0 ? 12 : 0.2)) }));
    const result: number[] = [];
    for await (const { loss, grad_norm } of trainSft(model, weighted, options({ lora: own, microBatch, batches: [[0, 1, 2]] })))
      result.push(loss, grad_norm);
    own.dispose();
    return result;
  };
  const [whole, cut] = [await norms(), await norms(1)];
  expect(cut[0]).toBeCloseTo(whole[0]!, 4);
  expect(cut[1]).toBeCloseTo(whole[1]!, 4);
});

test("gradient checkpointing keeps less and changes no bit", async () => {
  const adapters: number[][] = [];
  const held: number[] = [];
  const referenced = await referenceLogps(model, pairs, lora);
  for (const gradientCheckpointing of [false, true]) {
    const own = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
    const before = tf.memory().numBytes;
    const objective = (...args: Parameters<typeof dpo>) => {
      held.push(tf.memory().numBytes - before); // all layers are forward
      return dpo(...args);
    };
    const steps = trainPreference(
      model,
      referenced,
      (policy, reference) => objective(policy, reference, 0.1),
      options({ lora: own, gradientCheckpointing }),
    );
    for await (const _ of steps);
    adapters.push(own.variables().flatMap((variable) => [...variable.dataSync()]));
    own.dispose();
  }
  expect(adapters[1]).toEqual(adapters[0]);
  expect(held[4]!).toBeLessThan(0.6 * held[0]!); // the first of four steps
});

test("a stop that is asked for while a step is computed ends it behind one of its micro-batches", async () => {
  const abort = new AbortController();
  const own = lora.clone();
  const before = tf.memory().numTensors;
  let passes = 0;
  const counted = tokenObjective({
    name: "counted",
    settings: {},
    loss: ({ logps }) => {
      passes++;
      setImmediate(() => abort.abort());
      return tf.neg(tf.mean(logps)) as tf.Scalar;
    },
  });
  const steps: unknown[] = [];
  const { signal } = abort;
  for await (const step of train(model, data, counted, options({ lora: own, microBatch: 1, batches: [[0, 1, 2]], signal })))
    steps.push(step);
  expect([passes, steps.length, tf.memory().numTensors]).toEqual([1, 0, before]);
  own.dispose();
});

test.each([
  [{ r: 4, alpha: 8 }, null],
  [{ r: 8, alpha: 8 }, "r 4, and the run says 8"],
  [{ r: 4 }, "alpha 8, and the run says 32"],
  [
    { r: 4, alpha: 8, target_modules: ["v_proj", "q_proj"] },
    "target_modules q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, and the run says q_proj, v_proj",
  ],
  [{ r: 4, alpha: 8, layers_to_transform: [1, 0, 1] }, null],
  [{ r: 4, alpha: 8, layers_to_transform: [1] }, "layers_to_transform 0, 1, and the run says 1"],
])("lora beside init_adapter says what the adapter is: %o", async (said, differs) => {
  const init_adapter = fixture("llama-tiny-adapter");
  const config = parseRunConfig(
    { method: "sft", model: "m", data: "d", output_dir: "o", max_steps: 1, init_adapter, lora: said },
    "RUN.json",
  );
  const started = startAdapter(config, model, createRng(1));
  if (differs)
    await expect(started).rejects.toThrow(`${init_adapter}: has ${differs}: leave "lora" out to go on with the adapter as it is`);
  else (await started).dispose();
});

test("an aborted run stores its last step; a changed run is not taken for it", async () => {
  const abort = new AbortController();
  const checkpoint = { dir, everySteps: 100 };
  const own = lora.clone();
  for await (const { step } of trainSft(model, data, options({ lora: own, checkpoint, signal: abort.signal })))
    if (step === 2) abort.abort();
  expect(readMetrics(dir).map((row) => row.step)).toEqual([1, 2]);
  const { settings } = JSON.parse(readFileSync(join(dir, "checkpoint-2", "state.json"), "utf8"));
  expect(settings).toMatchObject({ model: model.digest, precision: "f32", learningRate: 1e-3, objective: { name: "sft" } });
  const again = async (more: Partial<TrainOptions>, rows = data) => {
    const steps: number[] = [];
    for await (const { step } of trainSft(model, rows, options({ lora: own, checkpoint, ...more }))) steps.push(step);
    return steps;
  };
  await expect(again({ learningRate: 2e-3 })).rejects.toThrow(
    `${join(dir, "checkpoint-2")}: made with learningRate 0.001 (now 0.002): use another folder, or remove its checkpoints to start over ("resume": false in a RUN.json does)`,
  );
  await expect(again({}, data.toReversed())).rejects.toThrow("made with another data: use");
  const { batches } = options();
  await expect(again({ learningRate: 2e-3, batches: [...batches, [0]] })).rejects.toThrow(
    "made with learningRate 0.001 (now 0.002), steps 4 (now 5), another batches and another schedule: use another folder",
  );
  const focal = (gamma: number) => tokenObjective({ name: "focal", settings: { gamma }, loss: ({ logps }) => tf.mean(tf.neg(logps)) });
  const other = train(model, data, focal(2), options({ lora: own, checkpoint }));
  await expect(other.next()).rejects.toThrow('made with objective.gamma none (now 2) and objective.name "sft" (now "focal"): use');
  expect(await again({})).toEqual([3, 4]);
  expect(readMetrics(dir).map((row) => row.step)).toEqual([1, 2, 3, 4]);
  expect(await again({})).toEqual([]); // it is done
  own.dispose();
});

test("a run of one step whose warm-up takes it is said to train nothing; without a warm-up it trains", async () => {
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  const rate = async (warmup: number) => {
    const checkpoint = { dir: join(dir, `one-step-${warmup}`), everySteps: 1, log };
    const training = trainSft(model, data, options({ batches: [[0]], schedule: cosine({ warmup }), checkpoint }));
    for await (const { learning_rate } of training) return learning_rate;
  };
  expect(await rate(0.1)).toBe(0); // as transformers' schedules have it
  expect(lines).toEqual([expect.stringContaining("its learning rate is 0 at every step (1 in all)")]);
  expect(await rate(0)).toBe(1e-3);
  expect(lines).toHaveLength(1);
});

test("rows that cannot be trained on are named", async () => {
  const first = async (rows: TokenRow[]) => (await trainSft(model, rows, options({ batches: [[0]] })).next()).value;
  await expect(first([{ prompt: [1], completion: [2, 3], weights: [1] }])).rejects.toThrow("row 1 has 1 weights for 2 completion tokens");
  await expect(first([{ prompt: [1], completion: [2], weights: [0] }])).rejects.toThrow("step 1: no completion token of its rows counts");
  const bare = trainPreference(model, pairs, (p, r) => dpo(p, r, 0.1), options());
  await expect(bare.next()).rejects.toThrow("row 1 has no reference log-probs: call referenceLogps first");
});
