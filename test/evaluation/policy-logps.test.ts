import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, test } from "vitest";
import { policyLogps, policyTokenLogps } from "../../src/evaluation/policy-logps.js";
import { contrast, plain, withLogits } from "../../src/generation/decoding.js";
import { type Policy, policy } from "../../src/generation/policy.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import type { Lora } from "../../src/model/lora.js";
import { sequenceLogps } from "../../src/training/completion.js";
import { fixture } from "../model/open.js";

let model: LanguageModel;
let adapter: Lora;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  adapter = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
});

const questions = ["Hello", "How are you today?", "a"].map((content) => ({ messages: [{ role: "user" as const, content }] }));
const rows = () => {
  const { tokenizer } = model;
  return [
    { prompt: questions[0]!, completion: tokenizer.encode("Hello to you.") },
    { prompt: { ...questions[1]!, prefill: "I am", begun: tokenizer.encode(" so") }, completion: tokenizer.encode(" well") },
    { prompt: questions[2]!, completion: [] },
  ];
};
const rendered = (i: number, system?: string) => {
  const turns = [...(system === undefined ? [] : [{ role: "system" as const, content: system }]), ...questions[i]!.messages];
  const text = model.tokenizer.chat(turns, { addGenerationPrompt: true });
  return i === 1 ? [...model.tokenizer.encode(`${text}I am`), ...model.tokenizer.encode(" so")] : model.tokenizer.encode(text);
};

/** Logits [T, V] that predict a completion, by a full pass. */
function logitsOf(prompt: number[], completion: number[], lora: Lora | null): number[][] {
  const ids = [...prompt, ...completion];
  return tf.tidy(() => {
    const states = model.decoder.hidden(tf.tensor2d([ids], [1, ids.length], "int32"), { lora }).squeeze([0]) as tf.Tensor2D;
    return (model.decoder.logits(states).arraySync() as number[][]).slice(prompt.length - 1, -1);
  });
}
const logp = (logits: number[], id: number) => {
  const top = Math.max(...logits);
  return logits[id]! - top - Math.log(logits.reduce((sum, x) => sum + Math.exp(x - top), 0));
};

/** `rewrite` of the own logits and those under "Ignore.", and the log-probs of that, in double precision. */
const byHand = (lora: Lora | null, system: string | undefined, rewrite: (own: number, other: number, v: number) => number) =>
  rows().map(({ completion }, i) => {
    if (completion.length === 0) return 0;
    const own = logitsOf(rendered(i, system), completion, lora);
    const other = logitsOf(rendered(i, "Ignore."), completion, lora);
    return completion.reduce(
      (sum, id, t) =>
        sum +
        logp(
          own[t]!.map((x, v) => rewrite(x, other[t]![v]!, v)),
          id,
        ),
      0,
    );
  });

const close = (got: number[], expected: number[]) => {
  for (const [i, x] of expected.entries()) expect(got[i]).toBeCloseTo(x, 3);
};

test.each([
  [
    "plain, at any temperature",
    () => policy({ model, decoding: plain({ temperature: 2, topK: 1 }) }),
    null,
    undefined,
    (own: number) => own,
  ],
  [
    "with a system prompt and an adapter",
    () => policy({ model, adapter, system: "Be kind." }),
    "adapter",
    "Be kind.",
    (own: number) => own,
  ],
  [
    "a contrast",
    () => policy({ model, adapter, system: "Be kind.", decoding: contrast({ against: "Ignore.", alpha: 0.7 }) }),
    "adapter",
    "Be kind.",
    (own: number, other: number) => own - 0.7 * other,
  ],
  [
    "a rule of a cell's",
    () => policy({ model, decoding: withLogits((own) => tf.add(own, tf.range(0, own.shape[1]).div(50)) as tf.Tensor2D, {}) }),
    null,
    undefined,
    (own: number, _: number, v: number) => own + v / 50,
  ],
] as [string, () => Policy, string | null, string | undefined, (own: number, other: number, v: number) => number][])(
  "%s: as full passes by hand",
  async (_, asked, lora, system, rewrite) => {
    await policyLogps(asked(), rows());
    const before = tf.memory().numTensors;
    const got = await policyLogps(asked(), rows());
    expect(tf.memory().numTensors).toBe(before);
    close(got, byHand(lora ? adapter : null, system, rewrite));
  },
);

test("a rule that changes nothing, and alpha 0, give what training's own log-probs are", async () => {
  const given = rows().map(({ completion }, i) => ({ prompt: rendered(i), completion }));
  const sums = Array.from(tf.tidy(() => sequenceLogps(model.decoder, given, adapter)).dataSync());
  close(await policyLogps(policy({ model, adapter, decoding: withLogits((own) => own, {}) }), rows()), sums);
  close(await policyLogps(policy({ model, adapter, decoding: contrast({ against: "Ignore.", alpha: 0 }) }), rows()), sums);
  close(await policyLogps(policy({ model, adapter }), given), sums);
});

test("a token that a rule forbids is impossible, and the others are not lost with it", async () => {
  const [row] = rows();
  const forbidden = row!.completion[1]!;
  const masked = (token: number) =>
    withLogits(
      (own) =>
        tf.where(
          tf.oneHot(tf.fill([own.shape[0]], token, "int32"), own.shape[1], 1, 0, "bool"),
          Number.NEGATIVE_INFINITY,
          own,
        ) as tf.Tensor2D,
      {},
    );
  expect(await policyLogps(policy({ model, decoding: masked(forbidden) }), [row!])).toEqual([Number.NEGATIVE_INFINITY]);
  const unused = Array.from({ length: model.config.vocabSize }, (_, v) => v).find((v) => !row!.completion.includes(v))!;
  const [whole] = await policyLogps(policy({ model }), [row!]);
  const [more] = await policyLogps(policy({ model, decoding: masked(unused) }), [row!]);
  expect(more!).toBeGreaterThan(whole!); // its probability went to the others
  expect(more!).toBeLessThan(whole! + 1);
});

test("a row that has ended takes no more positions, and a prompt beyond them leaves no tensor behind", async () => {
  const dir = mkdtempSync(join(tmpdir(), "erpo-positions-"));
  cpSync(fixture("llama-tiny"), dir, { recursive: true });
  const maxPositions = 64;
  const config = { ...JSON.parse(readFileSync(join(dir, "config.json"), "utf8")), max_position_embeddings: maxPositions };
  writeFileSync(join(dir, "config.json"), JSON.stringify(config));
  const small = await loadModel(dir);
  const ruled = policy({ model: small, adapter, decoding: withLogits((own) => own, {}) });
  const ids = (length: number) => Array.from({ length }, (_, i) => 5 + (i % 50));
  const given = [
    { prompt: ids(3), completion: ids(maxPositions - 3) },
    { prompt: ids(maxPositions - 4), completion: ids(3) },
  ];
  const alone = [await policyLogps(ruled, [given[0]!]), await policyLogps(ruled, [given[1]!])].flat();
  close(await policyLogps(ruled, given), alone);
  close(await policyLogps(ruled, given.toReversed()), alone.toReversed());
  const before = tf.memory().numTensors;
  await expect(policyLogps(ruled, [{ prompt: ids(maxPositions + 1), completion: [3] }])).rejects.toThrow("positions");
  expect(tf.memory().numTensors).toBe(before);
  small.dispose();
  rmSync(dir, { recursive: true });
});

test("token ids have no second way of asking", async () => {
  const two = policy({ model, decoding: contrast({ against: "x", alpha: 1 }) });
  await expect(policyLogps(two, [{ prompt: [1, 2], completion: [3] }])).rejects.toThrow("needs questions (messages), not token ids");
});

test("tokens' log-probabilities are those of a full pass, one by one, with a rule and without", async () => {
  for (const decoding of [plain(), withLogits((own) => own, {})]) {
    const asked: Policy = policy({ model, adapter, decoding });
    const tokens = await policyTokenLogps(asked, rows());
    for (const [i, { completion }] of rows().entries()) {
      const logits = completion.length === 0 ? [] : logitsOf(rendered(i), completion, adapter);
      expect(tokens[i]).toHaveLength(completion.length);
      completion.forEach((id, t) => void expect(tokens[i]![t]).toBeCloseTo(logp(logits[t]!, id), 4));
    }
  }
});
