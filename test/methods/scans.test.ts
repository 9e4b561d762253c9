import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { policyLogps } from "../../src/evaluation/policy-logps.js";
import { askedIds } from "../../src/generation/asking.js";
import { promptEdits } from "../../src/generation/contexts.js";
import { type AskedPrompt, boundEdits, contrast, plain, type StateRules, withEdits } from "../../src/generation/decoding.js";
import { type Policy, policy, policyIdentity } from "../../src/generation/policy.js";
import { sample } from "../../src/generation/sample.js";
import { bestOf } from "../../src/generation/search.js";
import { notebookSeconds } from "../../src/methods/erpo/duration.js";
import * as scans from "../../src/methods/scans.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { profile } from "../../src/runs/profile.js";
import torch from "../fixtures/scans-torch.json" with { type: "json" }; // made by test/fixtures/scans_fixture.py
import { fixture, haveSmollm2, values } from "../model/open.js";

let model: LanguageModel; // whose word "Sure" is the fixture's affirmation
let base: Policy;
let directions: scans.Directions;
const whole = (ids: number[]): AskedPrompt => ({ ids, instruction: ids.length });
beforeAll(async () => {
  const tiny = await loadModel(fixture("llama-tiny"));
  const encode = (text: string) => (text === scans.affirmation ? torch.affirmation : tiny.tokenizer.encode(text));
  model = { ...tiny, tokenizer: { ...tiny.tokenizer, encode } };
  base = policy({ model, name: "tiny" });
  const states = async (rows: number[][]) => scans.promptStates(base, rows.map(whole), 2);
  directions = scans.directionsOf(await states(torch.anchors.harmful), await states(torch.anchors.benign));
});

const steering = (change: Partial<scans.Steering> = {}): scans.Steering => ({
  ...{ directions, digest: "fixture", layers: [1], strength: 0.3, threshold: torch.threshold },
  ...change,
});

async function answers(asked: Policy, prompts: Parameters<typeof sample>[1] = torch.asked, batchSize = 2): Promise<number[][]> {
  const rows: number[][] = [];
  for await (const { index, ids } of sample(asked, prompts, { maxNewTokens: 6, batchSize, rng: createRng(1) })) rows[index] = ids;
  return rows;
}

const near = (actual: ArrayLike<number>, expected: readonly number[], within = 1e-4): void => {
  expect(actual.length).toBe(expected.length);
  for (const [i, x] of expected.entries()) expect(Math.abs(actual[i]! - x), `${i}: ${actual[i]} and ${x}`).toBeLessThan(within);
};

describe("as transformers with forward hooks", () => {
  test("directions, norms and reference transition", () => {
    for (const l of [0, 1]) {
      near(directions.refusal[l]!, torch.refusal[l]!);
      near(directions.transition[l]!, torch.transition[l]!);
    }
    near(directions.gaps, torch.gaps);
    near(directions.norms, torch.norms);
  });

  test("cosines, projections and scores of prompts of other lengths", async () => {
    const states = await scans.promptStates(base, torch.asked.map(whole), 3);
    for (const [i, of] of states.entries()) {
      near(scans.transitionCosines(of, directions), torch.cosines[i]!);
      near(scans.projections(of, directions), torch.projections[i]!);
    }
    near(await scans.promptScores(base, torch.asked.map(whole), steering()), torch.scores);
  });

  test.each(torch.steered)(
    "tokens and their log-probabilities, steered after layers $layers at $strength by class",
    async ({ completions, ...setting }) => {
      const asked = scans.steered(base, steering(setting), "steered");
      expect(await answers(asked)).toEqual(completions.map(({ tokens }) => tokens));
      const rows = completions.map(({ tokens }, i) => ({ prompt: torch.asked[i]!, completion: tokens }));
      near(
        await policyLogps(asked, rows),
        completions.map(({ logp }) => logp),
        1e-3,
      );
      expect(await answers(base)).not.toEqual(completions.map(({ tokens }) => tokens));
    },
  );

  test("scores of layers", async () => {
    const of = { harmful: torch.anchors.harmful, benign: torch.anchors.benign };
    const all = await scans.layerScores(base, directions, of, torch.refusal_tokens);
    expect(all.map(({ layer }) => layer)).toEqual([0]); // 80% of two layers
    near([all[0]!.ablated, all[0]!.induced, all[0]!.kl], [torch.layers[0]!.ablated, torch.layers[0]!.induced, torch.layers[0]!.kl]);
  });

  test("principal components, as NumPy's SVD has them", async () => {
    const states = await scans.promptStates(base, [...torch.anchors.harmful, ...torch.anchors.benign].map(whole));
    const { points, explained } = scans.principalPlane(states.map(({ end }) => end[0]!));
    near(points.flat(), torch.plane.flat());
    near(explained, torch.explained);
  });
});

describe("what is added", () => {
  const bits = (x: tf.Tensor) => Array.from(new Uint32Array((x.dataSync() as Float32Array).slice().buffer));
  const row = fc.record({
    multiplier: fc.float({ min: -8, max: 8, noNaN: true }),
    from: fc.integer({ min: 0, max: 9 }),
    position: fc.integer({ min: 0, max: 9 }),
  });

  test("states before the position keep every bit, and all states at multiplier 0, whatever they are", () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 6 }), fc.boolean(), (rows, T, still) => {
        tf.tidy(() => {
          const given = rows.map((r) => (still ? { ...r, multiplier: 0 } : r));
          const numbers = values(rows.length * T * 4, T).map((x, i) => (i % 7 === 0 ? -0 : x)); // -0 + 0 would be 0
          const states = tf.tensor3d(numbers, [rows.length, T, 4]);
          const moved = scans.addFrom(states, Float32Array.from([1, -2, 0.5, 3]), given);
          const [was, now] = [bits(states), bits(moved)];
          given.forEach(({ multiplier, from, position }, b) => {
            for (let t = 0; t < T; t++) {
              const at = (x: number[]) => x.slice((b * T + t) * 4, (b * T + t + 1) * 4);
              if (multiplier === 0 || position + t < from) expect(at(now)).toEqual(at(was));
              else if (Math.abs(multiplier) > 0.01) expect(at(now)).not.toEqual(at(was));
            }
          });
        });
      }),
      { numRuns: 60 },
    );
  });

  test("is the vector times the multiplier, and its sign flips with the class", () => {
    const signs = fc.array(fc.constantFrom<1 | -1>(1, -1), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(signs, fc.constantFrom(0, 1), fc.float({ min: Math.fround(0.01), max: 2, noNaN: true }), (of, layer, strength) => {
        tf.tidy(() => {
          const moved = (prompts: readonly (1 | -1)[]) => {
            const rules = scans.steeringRules(
              steering({ layers: [layer], strength }),
              prompts.map((sign) => ({ sign, end: 1 })),
            );
            const place = { positions: of.map(() => 0), lengths: of.map(() => 2), rows: of.map((_, index) => ({ index, ids: [] })) };
            return Array.from(rules[layer]!(tf.zeros([of.length, 2, 32]), place).dataSync());
          };
          const [now, flipped] = [moved(of), moved(of.map((sign) => (sign === 1 ? -1 : 1)))];
          expect(now.map((x) => -x + 0)).toEqual(flipped.map((x) => x + 0));
          of.forEach((sign, b) => {
            const size = sign * strength * directions.norms[layer]!;
            near(
              now.slice(b * 64 + 32, (b + 1) * 64),
              Array.from(directions.refusal[layer]!, (x) => size * x),
              1e-4,
            );
          });
        });
      }),
      { numRuns: 30 },
    );
  });
});

/** Which way a policy pushes prompts, and from where: read off its own rules on states of zeros. */
async function pushed(asked: Policy, prompts: Parameters<typeof promptEdits>[1]): Promise<{ sign: number; from: number }[]> {
  const rules = (await promptEdits(asked, prompts, "test")) as StateRules;
  const T = 64;
  const place = { positions: prompts.map(() => 0), lengths: prompts.map(() => T), rows: prompts.map((_, index) => ({ index, ids: [] })) };
  return tf.tidy(() => {
    const along = tf.sum(tf.mul(rules[1]!(tf.zeros([prompts.length, T, 32]), place), tf.tensor1d(directions.refusal[1]!)), 2); // [B, T]
    return (along.arraySync() as number[][]).map((row) => {
      const from = row.findIndex((x) => Math.abs(x) > 1e-6);
      return { sign: Math.sign(row[from]!), from };
    });
  });
}

test("a prompt is pushed towards refusal exactly where its score reaches the threshold", async () => {
  for (const threshold of [scans.thresholds.all, ...torch.scores.map((s) => s + 1e-4), scans.thresholds.none]) {
    const signs = await pushed(scans.steered(base, steering({ threshold }), "steered"), torch.asked);
    expect(
      signs.map(({ sign }) => sign),
      `${threshold}`,
    ).toEqual(torch.scores.map((score) => (score >= threshold ? 1 : -1)));
  }
});

test("steering begins at the instruction's last token, also behind a system turn and before a prefill", async () => {
  const asked = scans.steered({ ...base, asking: { system: "Hi" } }, steering(), "steered");
  const question = { messages: [{ role: "user" as const, content: "Yes" }] };
  const end = askedIds(model.tokenizer, asked.asking, question).length - 1;
  const froms = await pushed(asked, [question, { ...question, prefill: "No, " }, { ...question, begun: [5, 6] }]);
  expect(froms.map(({ from }) => from)).toEqual([end, end, end]);
  expect(new Set(froms.map(({ sign }) => sign)).size).toBe(1); // nor does the class depend on a prefill
});

test("in a whole pass, states before the end of the instruction keep every bit at every layer", async () => {
  const asked = scans.steered(base, steering({ layers: [0, 1] }), "steered");
  const rules = (await promptEdits(asked, torch.asked, "test")) as StateRules;
  tf.tidy(() => {
    for (const [index, row] of torch.asked.entries()) {
      const ids = tf.tensor2d([...row, 7, 8], [1, row.length + 2], "int32");
      const capture = [0, 1] as const;
      const was = model.decoder.forward(ids, { capture });
      const now = model.decoder.forward(ids, { capture, edit: boundEdits(rules, [{ index, ids: [] }]) });
      for (const l of capture) {
        const before = (x: tf.Tensor3D) => Array.from(x.slice([0, 0, 0], [1, row.length - 1, 32]).dataSync());
        const after = (x: tf.Tensor3D) => x.slice([0, row.length - 1, 0], [1, 3, 32]).dataSync();
        expect(before(now.layers[l])).toEqual(before(was.layers[l]));
        expect(Math.max(...after(tf.abs(tf.sub(now.layers[l], was.layers[l])) as tf.Tensor3D))).toBeGreaterThan(0.01);
      }
    }
  });
});

test("strength 0 is the policy: the same identity and tokens", async () => {
  const zero = scans.steered(base, steering({ strength: 0 }), "zero");
  expect(await policyIdentity(zero)).toEqual(await policyIdentity(base));
  expect(zero.decoding).toBe(base.decoding);
  expect(await answers(zero)).toEqual(await answers(base));
});

test("tokens do not depend on which prompts are answered together, nor on a search around it, and nothing is left on the device", async () => {
  const {
    steered: [{ layers, strength, completions }],
  } = torch as typeof torch & { steered: [(typeof torch.steered)[0]] };
  const asked = scans.steered(base, steering({ layers, strength }), "steered");
  const expected = completions.map(({ tokens }) => tokens);
  expect(await answers(asked, torch.asked, 1)).toEqual(expected);
  expect(await answers(asked, [...torch.asked].reverse(), 5)).toEqual([...expected].reverse());
  const search = bestOf({ n: 2, temperature: 0, score: (candidates) => candidates.map(() => 0) });
  expect(await answers({ ...asked, decoding: { ...asked.decoding, search } })).toEqual(expected);
  const before = tf.memory().numTensors;
  await answers(asked);
  expect(tf.memory().numTensors).toBe(before);
});

test("what cannot be steered is named", async () => {
  const name = "steered";
  expect(() => scans.steered(base, steering({ strength: -1 }), name)).toThrow("SCANS: the strength must be >= 0, got -1");
  expect(() => scans.steered(base, steering({ layers: [2] }), name)).toThrow("steered layers must be some of 0..1, got 2");
  expect(() => scans.steered(base, steering({ layers: [] }), name)).toThrow("got none");
  const missing = ([] as number[])[4]!; // what a cell's `layers[4]` is where there are fewer
  expect(() => scans.steered(base, steering({ layers: [missing] }), name)).toThrow("got undefined");
  const edited = { ...base, decoding: withEdits({ 0: (x) => x }, {}) };
  expect(() => scans.steered(edited, steering(), name)).toThrow("tiny edits hidden states already");
  const twice = scans.steered({ ...base, decoding: contrast({ against: "no", alpha: 0.5 }) }, steering(), name);
  const question = { messages: [{ role: "user" as const, content: "Yes" }] };
  await expect(answers(twice, [question])).rejects.toThrow(
    "sample: edits that are made from the prompts need a decoding without other contexts",
  );
});

test("identities tell strengths, thresholds, layers and directions apart, and keep the decoding below", () => {
  const of = (change: Partial<scans.Steering>, decoding = plain()) =>
    JSON.stringify(scans.steered({ ...base, decoding }, steering(change), "a").decoding.identity);
  const all = [
    of({}),
    of({ strength: 0.4 }),
    of({ threshold: 0 }),
    of({ layers: [0, 1] }),
    of({ digest: "other" }),
    of({}, plain({ temperature: 1 })),
  ];
  expect(new Set(all).size).toBe(all.length);
  expect(of({})).toBe(all[0]);
});

test("the quick profile takes at most ten minutes on two cores at 240 GFLOP/s, and stages of ERPO add to it; full draws anchors three times", () => {
  const seconds = (finished: string[]) => notebookSeconds(scans.method.plan(profile("quick"), finished), 240);
  expect(seconds([])).toBeLessThan(600);
  expect(seconds(["3-length-controlled"])).toBeGreaterThan(seconds([]) + 30);
  expect(["tiny", "quick", "full"].map((name) => scans.draws(profile(name)))).toEqual([1, 1, 3]);
});

test.skipIf(!haveSmollm2)(
  "on SmolLM2 the instruction ends with the assistant's opened turn, and the affirmation is one token",
  async () => {
    const smollm2 = await loadModel("smollm2-135m-instruct");
    const asked = withEdits(async (prompts) => {
      expect(smollm2.tokenizer.decode(prompts[0]!.ids.slice(prompts[0]!.instruction - 3, prompts[0]!.instruction))).toBe("assistant\n");
      expect(smollm2.tokenizer.decode(prompts[0]!.ids.slice(prompts[0]!.instruction))).toBe("Sure, here");
      return {};
    }, {});
    const question = { messages: [{ role: "user" as const, content: "What is a prime number?" }], prefill: "Sure, here" };
    expect(await promptEdits(policy({ model: smollm2, decoding: asked }), [question], "test")).toEqual({});
    expect(smollm2.tokenizer.encode(scans.affirmation)).toHaveLength(1);
  },
);
