import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf } from "../../../src/data/identity.js";
import { mean, sum } from "../../../src/evaluation/averages.js";
import { policyTokenLogps } from "../../../src/evaluation/policy-logps.js";
import { promptIds } from "../../../src/exante/rows.js";
import { answersOnly } from "../../../src/methods/erpo/stage1.js";
import { linearValue } from "../../../src/methods/ridge.js";
import * as scpo from "../../../src/methods/scpo/scpo.js";
import { clippedSurrogate } from "../../../src/objectives/clipped-surrogate.js";
import { readRecord } from "../../../src/runs/claim.js";
import type { Run } from "../../../src/runs/run.js";
import { trainKept } from "../../../src/runs/training.js";
import { finish, openTiny, runsFolder } from "../../runs/tiny-run.js";

test("an answer earns where it helps, and costs its tokens where it helps with an unsafe prompt", () => {
  const [help, refusal] = ["Turn the key to the left.", "I can't help with that."];
  expect(scpo.earned(help, 0.5, "safe")).toEqual({ reward: 1, cost: 0 });
  expect(scpo.earned(help, 0.5, "unsafe")).toEqual({ reward: 1, cost: 0.5 });
  for (const label of ["safe", "unsafe"] as const) expect(scpo.earned(refusal, 0.5, label)).toEqual({ reward: 0, cost: 0 });
  expect(scpo.earned("", 0, "unsafe")).toEqual({ reward: 0, cost: 0 });
});

test("what answers are worth: nullified by a critic that knows, and by one that doubts; by a fixed weight, the same to all", () => {
  const [helps, refuses, harms] = [
    { reward: 1, cost: 0 },
    { reward: 0, cost: 0 },
    { reward: 1, cost: 1 },
  ];
  const nullified = scpo.nullified({ power: 2, penalty: 1, bias: 0 });
  const fixed = scpo.fixedWeight(2);
  expect([nullified.price(helps, 1), nullified.price(refuses, 1), nullified.price(harms, 0)]).toEqual([1, 0, -1]);
  expect([fixed.price(helps, 1), fixed.price(refuses, 1), fixed.price(harms, 0)]).toEqual([1, 0, -1]); // where the critic knows, a weight of 2 is the same
  expect(nullified.price(helps, 0)).toBe(0.25); // ((0 + 1) / 2)^2
  expect(nullified.price(harms, 1)).toBe(0.25 - 0.75); // ((1 + 0) / 2)^2 - (1 - ((1 + 0) / 2)^2)
  expect(fixed.price(helps, 0)).toBe(1);
});

test("the critic learns which prompts answers turn out unsafe on, within [0, 1], and the value what they are worth", () => {
  const states = Array.from({ length: 64 }, (_, i) => [i % 4 < 2 ? 1 : -1, Math.sin(i), Math.cos(3 * i)]);
  const seen = states.map(([risky], prompt) => ({ prompt, reward: 1, cost: risky === 1 ? 1 : 0 }));
  const heads = scpo.fittedHeads(states, seen, scpo.fixedWeight(4));
  const critic = (state: number[]) => scpo.criticOf(heads, state);
  const value = (state: number[]) => linearValue(heads.value, state);
  const [risky, harmless] = [
    [1, 0, 0],
    [-1, 0, 0],
  ];
  expect(critic(risky!)).toBeLessThan(0.2);
  expect(critic(harmless!)).toBeGreaterThan(0.8);
  expect([critic([9, 0, 0]), critic([-9, 0, 0])]).toEqual([0, 1]);
  expect(value(risky!)).toBeLessThan(-2); // 1 - 4
  expect(value(harmless!)).toBeGreaterThan(0.5);
});

test("the clipped surrogate, by hand: it stops where the ratio has left its band in the direction that the advantage wants", () => {
  const of = (ratios: number[], advantages: number[]) =>
    clippedSurrogate(tf.log(tf.tensor1d(ratios)), tf.zerosLike(tf.tensor1d(ratios)), tf.tensor1d(advantages), 0.2);
  const expected = [1.2, 0.5, -1.5, -0.8, 1];
  const values = of([1.5, 0.5, 1.5, 0.5, 1], [1, 1, -1, -1, 1]).dataSync();
  for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i]!, 5);
  const slopes = tf
    .grad((x) => tf.sum(clippedSurrogate(x, tf.zerosLike(x), tf.tensor1d([1, -1, 1]), 0.2)))(tf.log(tf.tensor1d([1.5, 0.5, 1.1])))
    .dataSync();
  expect([slopes[0], slopes[1]]).toEqual([0, 0]);
  expect(slopes[2]).toBeCloseTo(1.1, 5);
});

describe("a run of the tiny model", () => {
  const folder = runsFolder();
  afterAll(folder.remove);
  let run: Run;
  let begun: scpo.LanguageBeginning;
  beforeAll(async () => {
    run = await openTiny(folder.path("run"));
    await finish(answersOnly(run));
    begun = await scpo.languageBeginning(run);
  }, 240_000);

  const learn = async (pricing: scpo.Pricing) => {
    const steps: scpo.LanguageIteration[] = [];
    for await (const step of scpo.learnInLanguage(run, begun, pricing)) steps.push(step);
    return steps;
  };
  const answersOf = ({ name }: scpo.Pricing, k: number) =>
    JSON.parse(readFileSync(run.path(`methods/scpo/language/${name}/answers-${k}.json`), "utf8")).answers as scpo.SampledAnswer[];
  const adapterOf = ({ name }: scpo.Pricing, k: number) =>
    createHash("sha256")
      .update(readFileSync(run.path(`methods/scpo/language/${name}/iteration-${k}/adapter_model.safetensors`)))
      .digest("hex");

  test("prompts without frames are refused before anything is computed", async () => {
    const train2 = run.data.train2.map(({ frame: _, ...row }) => row);
    await expect(scpo.languageBeginning({ ...run, data: { ...run.data, train2 } })).rejects.toThrow("SCPO in language needs frames");
  });

  test("prompts are pairs of one frame, none of which is a test or dev prompt, and no iteration repeats those of another", () => {
    const { firstPairs, pairs } = scpo.languageSettings;
    expect(begun.prompts).toHaveLength(2 * (firstPairs + pairs * scpo.languageIterations(run.profile)));
    for (const [i, { label, frame, split }] of begun.prompts.entries()) {
      expect([label, split]).toEqual([i % 2 === 0 ? "safe" : "unsafe", "train2"]);
      expect(frame).toBe(begun.prompts[i - (i % 2)]!.frame);
    }
    expect(new Set(begun.prompts.map(({ id }) => id)).size).toBe(begun.prompts.length);
  });

  test("every reward begins with the same answers and goes its own way; a second call computes nothing and says the same", async () => {
    const [nullified, fixed] = [scpo.nullified({ power: 2, penalty: 1, bias: 0.5 }), scpo.fixedWeight(4)];
    const steps = await learn(nullified);
    await learn(fixed);
    expect(answersOf(nullified, 1)).toEqual(answersOf(fixed, 1));
    expect(adapterOf(nullified, 1)).not.toBe(adapterOf(fixed, 1));
    expect(answersOf(nullified, 2)).not.toEqual(answersOf(fixed, 2));
    expect(
      readdirSync(run.path(`methods/scpo/language/${nullified.name}/iteration-1`)).filter((name) => name.startsWith("checkpoint")),
    ).toEqual([]);
    const before = adapterOf(nullified, 2);
    expect(await learn(nullified)).toEqual(steps);
    expect(adapterOf(nullified, 2)).toBe(before);
    await expect(learn({ ...nullified, settings: { power: 3 } })).rejects.toThrow(/iteration-1 was trained with/);
  });

  test("heads are read where they are kept, and not fitted again", async () => {
    const pricing = scpo.fixedWeight(3);
    await learn(pricing);
    const kept = run.path(`methods/scpo/language/${pricing.name}/heads-2.json`);
    const { value, critic }: scpo.LanguageHeads = JSON.parse(readFileSync(kept, "utf8"));
    writeFileSync(kept, JSON.stringify({ value, critic: { weights: critic.weights.map(() => 0), bias: 0.25 } }));
    const [, second] = await learn(pricing); // a fixed weight does not look at the critic, so nothing else changes
    expect([second!.unsafeCritic, second!.safeCritic]).toEqual([0.25, 0.25]);
  });

  test("refusals are counted by label", async () => {
    const pricing = scpo.fixedWeight(2);
    await learn(pricing);
    const answers = answersOf(pricing, 2); // what a random model refuses goes by the processor: here all unsafe prompts and no safe one
    const refusing = answers.map((answer) => ({ ...answer, reward: begun.prompts[answer.prompt]!.label === "unsafe" ? 0 : 1 }));
    writeFileSync(run.path(`methods/scpo/language/${pricing.name}/answers-2.json`), JSON.stringify({ answers: refusing }));
    rmSync(run.path(`methods/scpo/language/${pricing.name}/iteration-2`), { recursive: true });
    const [, second] = await learn(pricing);
    expect([second!.unsafeRefused, second!.safeRefused]).toEqual([1, 0]);
  });

  test("heads are fitted to all answers so far; an answer's advantage is its price less the value of its prompt, scaled", async () => {
    const pricing = scpo.fixedWeight(4);
    const [, second] = await learn(pricing);
    const [one, two] = [answersOf(pricing, 1), answersOf(pricing, 2)];
    const critic = (seen: readonly scpo.SampledAnswer[]) => {
      const heads = scpo.fittedHeads(begun.states, seen, pricing);
      const unsafe = two.filter(({ prompt }) => begun.prompts[prompt]!.label === "unsafe");
      return mean(unsafe.map(({ prompt }) => scpo.criticOf(heads, begun.states[prompt]!)));
    };
    expect(second!.unsafeCritic).toBeCloseTo(critic([...begun.answers, ...one]), 9);
    expect(second!.unsafeCritic).not.toBeCloseTo(critic(begun.answers), 5);

    const refused = (label: string) =>
      mean(two.flatMap(({ prompt, reward }) => (begun.prompts[prompt]!.label === label ? [1 - reward] : [])));
    expect([second!.unsafeRefused, second!.safeRefused]).toEqual([refused("unsafe"), refused("safe")]);

    const { value } = scpo.fittedHeads(begun.states, begun.answers, pricing);
    const beyond = one.map((answer) => pricing.price(answer, 0) - linearValue(value, begun.states[answer.prompt]!));
    const centre = mean(beyond);
    const deviation = Math.sqrt(mean(beyond.map((x) => (x - centre) ** 2)));
    const rows = one.map(({ prompt, ids, logps }, i) => ({
      ...{ prompt: promptIds(begun.prompts[prompt]!.prompt, run.model.tokenizer), completion: ids },
      ...{ before: logps, advantage: (beyond[i]! - centre) / deviation },
    }));
    const { identity } = readRecord(run.dir, `methods/scpo/language/${pricing.name}/iteration-1`)!;
    expect(identity.rows).toBe(digestOf(rows));
  });

  test("PPO raises the log-probs of answers with an advantage and lowers those of the others", async () => {
    const rows = begun.answers.slice(0, 16).map(({ prompt, ids, logps }, i) => {
      const asked = promptIds(begun.prompts[prompt]!.prompt, run.model.tokenizer);
      return { prompt: asked, completion: ids, before: logps, advantage: i % 2 === 0 ? 1 : -1 };
    });
    const training = scpo.ppoTraining(scpo.languageStart, scpo.fixedWeight(1), rows);
    await finish(trainKept(run, "methods/scpo/language/by-hand", training));
    const after = await policyTokenLogps(await run.policy("methods/scpo/language/by-hand"), rows);
    const changes = rows.map(({ before, advantage }, i) => advantage * (sum(after[i]!) - sum(before)));
    expect(mean(changes)).toBeGreaterThan(0);
    expect(changes.filter((change) => change > 0).length).toBeGreaterThan(12);
  });
});
