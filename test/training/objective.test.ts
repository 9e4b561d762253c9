import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  constant,
  type LanguageModel,
  type Lora,
  lengthMargin,
  loadAdapter,
  loadModel,
  mismatch,
  type Objective,
  pairObjective,
  referenceLogps,
  type StepMetrics,
  type TokenPair,
  type TokenRow,
  tokenObjective,
  train,
  trainSft,
  unpairedObjective,
  withNll,
} from "../../src/index.js";
import { completionLogps, sequenceLogps } from "../../src/training/completion.js";
import { parseRunConfig } from "../../src/training/run-config.js";
import { ktoMethod, pairMethod } from "../../src/training/run-methods.js";
import transformers from "../fixtures/llama-tiny.json" with { type: "json" }; // made by test/fixtures/llama_fixture.py
import { fixture } from "../model/open.js";

let model: LanguageModel;
let lora: Lora;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  lora = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
});
afterAll(() => {
  lora.dispose();
  model.dispose();
});

const sequences = transformers.rows.map((ids, b) => ids.slice(0, transformers.lengths[b]));
const rows: TokenRow[] = sequences.map((ids) => ({ prompt: ids.slice(0, 5), completion: ids.slice(5) }));
const pairs: TokenPair[] = sequences.map((ids) => ({ prompt: ids.slice(0, 4), chosen: ids.slice(4), rejected: ids.slice(3, 6) }));

/** Three steps from the same adapter; the metrics that do not depend on the clock. */
async function steps<Row>(data: readonly Row[], objective: Objective<Row>, microBatch?: number): Promise<Partial<StepMetrics>[]> {
  const own = lora.clone();
  const options = {
    lora: own,
    batches: [[0, 1, 2], [2, 0], [1]],
    learningRate: 0.01,
    schedule: constant(),
    maxGradNorm: 1,
    weightDecay: 0,
  };
  const before = tf.memory().numTensors;
  const result: Partial<StepMetrics>[] = [];
  for await (const { step_seconds, tokens_per_second, peak_rss_bytes, ...rest } of train(model, data, objective, {
    ...options,
    microBatch,
  }))
    result.push(rest);
  expect(tf.memory().numTensors).toBe(before);
  own.dispose();
  return result;
}

test("an objective of one's own, in a cell's few lines", async () => {
  const shy: Objective<TokenRow> = {
    name: "shy",
    settings: { rate: 2 },
    completions: (rows) => rows,
    loss: ({ sums, rows }) => {
      const perRow = tf.neg(sums()); // [B]
      return { loss: tf.mul(2, tf.mean(perRow)), columns: { "shy/lengths": tf.tensor1d(rows.map((row) => row.completion.length)) } };
    },
  };
  const seen = await steps(rows, shy);
  // twice the mean of -log p over rows, from transformers' log-probs of each token
  const { adapter_logps } = transformers;
  const nll = rows.map((row, b) => row.completion.reduce((sum, _, k) => sum - adapter_logps[b]![4 + k]!, 0));
  expect(seen[0]!.loss).toBeCloseTo((2 * (nll[0]! + nll[1]! + nll[2]!)) / 3, 3);
  expect(seen.map((step) => step["shy/lengths"])).toEqual([(7 + 4 + 1) / 3, (1 + 7) / 2, 4]);
  const cut = await steps(rows, shy, 1);
  for (const [i, { loss }] of cut.entries()) expect(loss).toBeCloseTo(seen[i]!.loss!, 3);
});

test("of a pair with weights the preference counts what they say, and an NLL term every token of the winner; one without, among them, counts all", async () => {
  const [beta, alpha, lambda] = [0.5, 0.1, 2];
  const objective = pairObjective({
    name: "anchored",
    settings: {},
    loss: ({ policy, reference, weighted, lengths, unweighted }) =>
      withNll(lengthMargin(policy, reference, weighted, { beta, alpha }), unweighted, lengths, lambda),
  });
  const counted = ({ chosen }: TokenPair) => (chosen === pairs[1]!.chosen ? chosen.length : 2); // tokens of the winner
  const anchored = pairs.map((pair, i) => ({
    ...pair,
    weights: i === 1 ? undefined : { chosen: pair.chosen.map((_, t) => (t < counted(pair) ? 1 : 0)), rejected: pair.rejected.map(() => 1) },
    reference: { chosen: -9, rejected: -10 },
  }));
  const seen = await steps(anchored, objective);
  const logps = (of: (pair: TokenPair) => number[]) =>
    tf.tidy(() => [
      ...sequenceLogps(
        model.decoder,
        pairs.map((pair) => ({ prompt: pair.prompt, completion: of(pair) })),
        lora,
      ).dataSync(),
    ]);
  const [step, whole, rejected] = [logps((p) => p.chosen.slice(0, counted(p))), logps((p) => p.chosen), logps((p) => p.rejected)];
  const byHand = pairs.map((pair, i) => {
    const { chosen, rejected: loser } = pair;
    const margin = beta * (step[i]! + 9 - (rejected[i]! + 10)) + alpha * (Math.min(counted(pair), chosen.length) - loser.length);
    return Math.log1p(Math.exp(-margin)) - (lambda * whole[i]!) / chosen.length;
  });
  expect(seen[0]!.loss).toBeCloseTo(byHand.reduce((a, b) => a + b) / byHand.length, 4);
  for (const [i, { loss, grad_norm }] of (await steps(anchored, objective, 2)).entries()) {
    expect(loss).toBeCloseTo(seen[i]!.loss!, 4); // whatever is computed at a time
    expect(grad_norm! / seen[i]!.grad_norm!).toBeCloseTo(1, 4);
  }
});

test("a loss per token that is SFT's gives SFT's numbers, bit for bit", async () => {
  const own = tokenObjective({
    name: "mine",
    settings: {},
    loss: ({ logps, weights, total }) => tf.neg(tf.div(tf.sum(tf.mul(logps, weights)), total)) as tf.Scalar,
  });
  const weighted = rows.map((row) => ({ ...row, weights: row.completion.map((_, k) => (k === 0 ? 12 : 0.2)) }));
  const copy = lora.clone();
  const options = {
    lora: copy,
    batches: [[0, 1, 2], [2, 0], [1]],
    learningRate: 0.01,
    schedule: constant(),
    maxGradNorm: 1,
    weightDecay: 0,
  };
  const sft: number[] = [];
  for await (const step of trainSft(model, weighted, options)) sft.push(step.loss, step.grad_norm);
  copy.dispose();
  expect((await steps(weighted, own)).flatMap((step) => [step.loss, step.grad_norm])).toEqual(sft);
});

test("rows that count for nothing are left out of a step, and of its mean", async () => {
  const silent = rows.map((row, i) => (i === 0 ? row : { ...row, weights: row.completion.map(() => 0) }));
  const objective = tokenObjective({
    name: "mean",
    settings: {},
    loss: ({ logps, weights, total }) => tf.neg(tf.div(tf.dot(logps, weights), total)) as tf.Scalar,
  });
  const own = async (data: TokenRow[], batch: number[], microBatch: number) => {
    const copy = lora.clone();
    const plan = { lora: copy, batches: [batch], learningRate: 0.01, schedule: constant(), maxGradNorm: 0, weightDecay: 0, microBatch };
    const { value } = await train(model, data, objective, plan).next();
    copy.dispose();
    return value as StepMetrics;
  };
  const alone = await own(rows, [0], 1);
  const among = await own(silent, [1, 0, 2], 1);
  expect(among.loss).toBeCloseTo(alone.loss, 5);
  expect(among.grad_norm).toBeCloseTo(alone.grad_norm, 4);
});

test("targets are scored in place of the completion, which is read", () => {
  const target = 42;
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 6 }), (b, length) => {
      const { prompt, completion: all } = rows[b]!;
      const completion = all.slice(0, length);
      tf.tidy(() => {
        const together = completionLogps(
          model.decoder,
          [{ prompt, completion, targets: completion.map(() => target) }],
          lora,
        ).logps.dataSync();
        // DeRTa, eq. 2: log P(target | prompt, completion before t) at every t
        const prefixes = completion.map((_, t) => ({ prompt: [...prompt, ...completion.slice(0, t)], completion: [target] }));
        const alone = sequenceLogps(model.decoder, prefixes, lora).dataSync();
        together.forEach((x, t) => void expect(x).toBeCloseTo(alone[t]!, 3));
      });
    }),
    { numRuns: 10 },
  );
});

test("an objective of pairs has TRL's metrics, and one without reference needs none", async () => {
  const chase = pairObjective({
    name: "chase",
    settings: { speed: 0.5 },
    reference: "none",
    loss: ({ policy }, { speed }) => ({ loss: tf.mul(speed, tf.mean(tf.sub(policy.rejected, policy.chosen))), rewards: policy }),
  });
  const [first] = await steps(pairs, chase);
  const mean = (xs: number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;
  const sums = (side: "chosen" | "rejected") =>
    tf.tidy(() => [
      ...sequenceLogps(
        model.decoder,
        pairs.map((p) => ({ prompt: p.prompt, completion: p[side] })),
        lora,
      ).dataSync(),
    ]);
  expect(first!["logps/chosen"]).toBeCloseTo(mean(sums("chosen")), 3);
  expect(first!["rewards/margins"]).toBeCloseTo(mean(sums("chosen")) - mean(sums("rejected")), 3);
  expect(first!.loss).toBeCloseTo(-0.5 * first!["rewards/margins"]!, 3);
});

test("labelled completions: the KL is of mismatched ones, without a gradient of its own, and never negative", async () => {
  const labelled = rows.map((row, i) => ({ prompt: row.prompt, completion: row.completion, label: i !== 1 }));
  const mixed = mismatch(labelled, 2);
  expect(mixed.map(({ mismatched }) => mismatched)).toEqual([rows[1], rows[0], rows[2]].map((row) => row!.completion));
  const filled = await referenceLogps(model, mixed, null);
  const klOnly = unpairedObjective({
    name: "kl",
    settings: {},
    loss: ({ policy, kl }) => ({ loss: tf.add(kl, tf.mul(0, tf.mean(policy))), rewards: policy }),
  });
  const seen = await steps(filled, klOnly);
  const apart = tf.tidy(() => {
    const sums = (adapter: Lora | null) =>
      sequenceLogps(
        model.decoder,
        mixed.map((m) => ({ prompt: m.prompt, completion: m.mismatched! })),
        adapter,
      );
    return tf.mean(tf.sub(sums(lora), sums(null))).dataSync()[0]!;
  });
  expect(seen[0]!.loss).toBeCloseTo(Math.max(0, apart), 3);
  expect(seen[0]!.kl).toBe(seen[0]!.loss);
  expect(seen.map((step) => step.grad_norm)).toEqual([0, 0, 0]);
  expect(Object.keys(seen[2]!)).not.toContain("rewards/chosen"); // its one row is not desirable
  expect(klOnly.summarize!({ rewards: [2], logps: [-3], labels: [1], kl: [0] })).toEqual({
    "rewards/chosen": 2,
    "logps/chosen": -3,
    kl: 0,
  });
  const bare = train(model, labelled, klOnly, {
    lora,
    batches: [[0]],
    learningRate: 0,
    schedule: constant(),
    maxGradNorm: 0,
    weightDecay: 0,
  });
  await expect(bare.next()).rejects.toThrow("row 1 has no mismatched completion: call mismatch first");
});

test("a mismatched completion is cut to max_length, and to the model's positions, as a row's own is", async () => {
  const positions = 64;
  const ids = (length: number) => Array.from({ length }, (_, i) => 5 + (i % 50));
  const labelled = [3, positions - 4].map((start) => ({ prompt: ids(start), completion: ids(positions - 1 - start), label: true }));
  const lengths = async (max_length: number | null) => {
    const run = { method: "kto", model: "m", data: "d", output_dir: "o", max_steps: 1, batch_size: 2, max_length };
    const method = ktoMethod(parseRunConfig(run, "RUN.json"), { config: { ...model.config, maxPositions: positions } });
    const mixed = await method.complete(labelled, async (rows) => rows);
    return mixed.map(({ mismatched }) => mismatched!.length);
  };
  expect(await lengths(null)).toEqual([3, 4]); // of 3 and 60
  expect(await lengths(positions - 1)).toEqual([3, 3]);
});

test.each(["ipo", "sigmoid_norm", "simpo"])(
  "loss_type %s: tokens of weight 0 at the end are as if they were cut off",
  async (loss_type) => {
    const run = { method: "dpo", model: "m", data: "d", output_dir: "o", max_steps: 1, loss_type };
    const { complete, objective } = pairMethod(parseRunConfig(run, "RUN.json"));
    const ones = (ids: readonly number[], zeros: number) => [...ids.map(() => 1), ...Array<number>(zeros).fill(0)];
    const longer = pairs.map((pair) => ({
      ...{ prompt: pair.prompt, chosen: [...pair.chosen, 7, 8], rejected: [...pair.rejected, 9] },
      weights: { chosen: ones(pair.chosen, 2), rejected: ones(pair.rejected, 1) },
    }));
    const loss = async (some: readonly TokenPair[]) => {
      const rows = await complete([...some], (bare) => referenceLogps(model, bare, null));
      const [first] = await steps(rows, objective);
      return first!.loss!;
    };
    const bare = pairs.map(({ prompt, chosen, rejected }) => ({ prompt, chosen, rejected }));
    expect(await loss(longer)).toBeCloseTo(await loss(bare), 4);
    const none = { ...longer[1]!, weights: { chosen: longer[1]!.weights.chosen, rejected: longer[1]!.rejected.map(() => 0) } };
    await expect(loss([longer[0]!, none])).rejects.toThrow(`pair 2: its rejected_weights are all 0, and loss_type ${loss_type} divides by`);
  },
);

test("a pair loss without rewards has no metrics of them", async () => {
  const bare = pairObjective({
    name: "bare",
    settings: {},
    reference: "none",
    loss: ({ policy }) => ({ loss: tf.neg(tf.mean(policy.chosen)) as tf.Scalar }),
  });
  const [first] = await steps(pairs, bare);
  expect(Object.keys(first!)).toContain("logps/chosen");
  expect(Object.keys(first!).filter((name) => name.startsWith("rewards"))).toEqual([]);
});

test("an objective that gives no loss, or no such columns, and a row that is not there are named", async () => {
  const scalar = () => tf.scalar(1);
  const gives = (loss: () => unknown) => steps(rows, { name: "odd", settings: {}, completions: (rows) => rows, loss: loss as never });
  const named = 'objective "odd": its loss is';
  await expect(gives(() => undefined)).rejects.toThrow(`${named} undefined; return a scalar tensor as \`loss\``);
  await expect(gives(async () => ({ loss: scalar() }))).rejects.toThrow(`${named} a Promise;`);
  await expect(gives(() => ({ loss: tf.ones([2]) }))).rejects.toThrow(`${named} [2];`);
  await expect(gives(() => ({ loss: scalar(), columns: { x: undefined } }))).rejects.toThrow(
    'objective "odd": its x are undefined; return',
  );
  const mute = pairObjective({ name: "mute", settings: {}, reference: "none", loss: (() => ({})) as never });
  await expect(steps(pairs, mute)).rejects.toThrow('objective "mute": its loss is undefined;');
  const half = pairObjective({
    name: "half",
    settings: {},
    reference: "none",
    loss: (({ policy }: { policy: { chosen: tf.Tensor1D } }) => ({
      loss: tf.mean(policy.chosen),
      rewards: { chosen: policy.chosen },
    })) as never,
  });
  await expect(steps(pairs, half)).rejects.toThrow('objective "half": its rejectedRewards are undefined;');
  await expect(steps(rows.slice(0, 2), tokenObjective({ name: "t", settings: {}, loss: scalar }))).rejects.toThrow(
    "batches[0]: there is no row 2; rows are 0..1",
  );
});
