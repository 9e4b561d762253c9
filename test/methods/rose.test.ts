import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { type Asking, askedIds, type Question } from "../../src/generation/asking.js";
import { contrast, type Decoding, plain, withLogits } from "../../src/generation/decoding.js";
import { type Policy, policy, policyIdentity } from "../../src/generation/policy.js";
import { sample } from "../../src/generation/sample.js";
import { notebookSeconds } from "../../src/methods/erpo/duration.js";
import * as rose from "../../src/methods/rose.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { profile } from "../../src/runs/profile.js";
import { fixture } from "../model/open.js";

let model: LanguageModel;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
});

const questions: Question[] = ["How do I get a stain out of a shirt?", "Hello", "What is a prime number?"].map((content) => ({
  messages: [{ role: "user", content }],
}));

async function answers(asked: Policy, maxNewTokens = 6): Promise<number[][]> {
  const rows: number[][] = [];
  for await (const { index, ids } of sample(asked, questions, { maxNewTokens, batchSize: 2, rng: createRng(1) })) rows[index] = ids;
  return rows;
}

const setting = (kind: rose.ReverseKind, alpha: number, plausible = 0): rose.RoseSetting => ({ kind, alpha, plausible });
const rng = () => createRng(7);

describe("the contrast", () => {
  const apply = (decoding: Decoding, own: number[], other: number[]): number[] =>
    Array.from(tf.tidy(() => decoding.logits!(tf.tensor2d([own]), [tf.tensor2d([other])], []).dataSync()));
  const [own, other] = [
    [1, 2, 3],
    [0, 1, 4],
  ];

  test("by hand", () => {
    // (1, 2, 3) - 0.5 (0, 1, 4) = (1, 1.5, 1): the second token wins, where greedy decoding takes the third
    expect(apply(contrast({ against: "", alpha: 0.5 }), own!, other!)).toEqual([1, 1.5, 1]);
  });

  test("with the mask, by hand", () => {
    // p >= 0.2 max p is logit >= 3 + log 0.2 = 1.39: the first token goes, the second still wins; p >= 0.5 max p is logit >= 2.31
    const masked = (plausible: number) => apply(contrast({ against: "", alpha: 0.5, plausible }), own!, other!);
    expect(masked(0.2).slice(1)).toEqual([1.5, 1]);
    expect(masked(0.2)[0]).toBeLessThan(-1e29);
    expect(masked(0.5).indexOf(1)).toBe(2);
    expect(masked(0.5)[1]).toBeLessThan(-1e29);
  });

  test("adding a constant to either context changes no choice", () => {
    const logits = fc.array(fc.integer({ min: -64, max: 64 }), { minLength: 4, maxLength: 4 });
    const best = (values: number[]) => values.indexOf(Math.max(...values));
    fc.assert(
      fc.property(logits, logits, fc.integer({ min: -8, max: 8 }), (a, b, constant) => {
        const decoding = contrast({ against: "", alpha: 0.5 });
        const moved = apply(
          decoding,
          a.map((x) => x + constant),
          b.map((x) => x - constant),
        );
        expect(best(moved)).toBe(best(apply(decoding, a, b)));
      }),
      { numRuns: 30 },
    );
  });
});

/** Logits [V] after a question and some tokens, by a full pass without a cache. */
const fullPass = (way: Asking, question: Question, ids: readonly number[]): number[] =>
  tf.tidy(() => {
    const all = [...askedIds(model.tokenizer, way, question), ...ids];
    const states = model.decoder.hidden(tf.tensor2d([all], [1, all.length], "int32")).squeeze([0]) as tf.Tensor2D; // [T, C]
    const logits = model.decoder.logits(states); // [T, V]
    return Array.from(logits.slice([all.length - 1, 0], [1, logits.shape[1]]).dataSync());
  });

test.each(rose.reverseKinds)(
  "%s: tokens and logits are those of full passes in both contexts, into which the same tokens go",
  async (kind) => {
    const asked = rose.contrasted(policy({ model, name: "tiny" }), setting(kind, 0.5), rng());
    const reverse = rose.reversePrompt(kind, rng());
    const sampled = await answers(asked);
    for (const [i, question] of questions.entries()) {
      const steps = await rose.followContrast(asked, question, 6);
      expect(steps.length).toBe(sampled[i]!.length);
      for (const [t, id] of sampled[i]!.entries()) {
        const before = sampled[i]!.slice(0, t);
        const own = fullPass({ system: rose.positivePrompt }, question, before);
        const other = fullPass({ system: reverse }, question, before);
        const contrasted = own.map((x, v) => x - 0.5 * other[v]!);
        expect(id).toBe(contrasted.indexOf(Math.max(...contrasted)));
        const { chosen, greedy } = steps[t]!;
        expect(chosen.token).toBe(model.tokenizer.decode([id]));
        expect(chosen.own).toBeCloseTo(own[id]!, 4);
        expect(chosen.other).toBeCloseTo(other[id]!, 4);
        expect(chosen.contrasted).toBeCloseTo(contrasted[id]!, 4);
        expect(greedy.own).toBeCloseTo(Math.max(...own), 4);
      }
    }
  },
);

test("alpha 0 is greedy decoding under the positive prompt: the same identity and tokens, whatever the reverse prompt", async () => {
  const greedy = policy({ model, system: rose.positivePrompt, decoding: plain() });
  const [first, ...none] = rose.settings;
  expect(none.every(({ alpha }) => alpha > 0)).toBe(true);
  const zero = rose.contrasted(policy({ model }), first!, rng());
  expect(await policyIdentity(zero)).toEqual(await policyIdentity(greedy));
  expect(contrast({ against: "You are careless.", alpha: 0 })).toEqual(plain());
  expect(await answers(zero)).toEqual(await answers(greedy));
});

test("where both contexts are the same, the choice is greedy's below alpha 1, and the least likely token above", async () => {
  const against = rose.positivePrompt;
  const greedy = await answers(policy({ model, system: against }));
  for (const alpha of [0.1, 0.5, 0.9])
    expect(await answers(policy({ model, system: against, decoding: contrast({ against, alpha }) })), `${alpha}`).toEqual(greedy);
  const over = await answers(policy({ model, system: against, decoding: contrast({ against, alpha: 2 }) }), 1);
  const worst = questions.map((question) => {
    const logits = fullPass({ system: against }, question, []);
    return [logits.indexOf(Math.min(...logits))];
  });
  expect(over).toEqual(worst);
});

test("a stage's own way of asking and its adapter stay, the system prompt is ROSE's; a policy without contrast cannot be followed", async () => {
  const stage = { ...policy({ model, name: "2-dpo", template: "{{ messages[1].content }}" }), folder: "runs/a/2-dpo" };
  const made = rose.contrasted(stage, setting("Manual-Reverse", 0.3), rng());
  expect(made).toMatchObject({ name: "rose-2-dpo-manual-reverse-0.3", folder: "runs/a/2-dpo", adapter: null });
  expect(made.asking).toEqual({ system: rose.positivePrompt, template: "{{ messages[1].content }}" });
  await expect(rose.followContrast(stage, questions[0]!, 2)).rejects.toThrow("followContrast: 2-dpo decodes without contrast");
  const alone = { ...stage, decoding: withLogits((own) => own, {}) }; // a rule, but no second context
  await expect(rose.followContrast(alone, questions[0]!, 2)).rejects.toThrow("followContrast: 2-dpo decodes without contrast");
});

describe("reverse prompts", () => {
  const wordsOf = (text: string) => text.match(/\p{L}+/gu)!;
  const positive = wordsOf(rose.positivePrompt);

  test("Rand-Words draws as many words as the positive prompt has, none of them its own, the same for the same seed", () => {
    const drawn = (seed: number) => rose.reversePrompt("Rand-Words", createRng(seed));
    expect(drawn(1)).toBe(drawn(1));
    expect(drawn(1)).not.toBe(drawn(2));
    expect(wordsOf(drawn(1))).toHaveLength(positive.length);
    expect(wordsOf(drawn(1)).filter((word) => positive.includes(word))).toEqual([]);
  });

  test("Opposite-Replace changes exactly the words that are listed, all of which the positive prompt has", () => {
    const reversed = wordsOf(rose.reversePrompt("Opposite-Replace", rng()));
    expect(reversed).toHaveLength(positive.length);
    const changed = positive.flatMap((word, i) => (word === reversed[i] ? [] : [[word, reversed[i]]]));
    expect(changed).toEqual([...rose.opposites]);
  });
});

test("the grid: alpha 0 once, three kinds at four weights, one with the mask, each with a name of its own", () => {
  expect(rose.settings).toHaveLength(1 + 3 * 4 + 1);
  expect(new Set(rose.settings.map(rose.settingName)).size).toBe(rose.settings.length);
  expect(rose.longSettings.map(rose.settingName)).toEqual([
    "greedy",
    ...[0.1, 0.3, 0.5, 0.7].map((alpha) => `manual-reverse-${alpha}`),
    "manual-reverse-0.5-mask",
  ]);
});

test("a setting that makes answers degenerate does not win on dev", () => {
  const rows = (unsafe: string, safe: string) =>
    [
      { label: "unsafe", judgement: unsafe },
      { label: "safe", judgement: safe },
    ] as Parameters<typeof rose.devBalance>[0]["rows"];
  const balance = (unsafe: string, safe: string) => rose.devBalance({ rows: rows(unsafe, safe) }).value;
  expect(balance("refusal", "compliance")).toBe(1);
  expect(balance("refusal", "refusal")).toBe(0.5);
  expect(balance("refusal", "degenerate")).toBe(0.5);
  expect(balance("degenerate", "degenerate")).toBe(0);
});

test("an answer recites the prompt by two of its key words, whatever their case", () => {
  expect(rose.recites(rose.positivePrompt)).toBe(true);
  expect(rose.recites("As a Responsible and honest assistant, I am here to help.")).toBe(true);
  expect(rose.recites("Be careful with careful people: they are carefully chosen.")).toBe(false); // one word, and one that only begins so
  expect(rose.recites("")).toBe(false);
});

test("on dev a recital is no help, but a refusal that recites is a refusal", async () => {
  const row = { id: "1", prompt: "" } as Parameters<typeof rose.recitalJudge.judge>[0][number]["row"];
  const texts = ["I am an honest and responsible assistant.", "I cannot help: I am honest and responsible.", "Use cold water.", ""];
  expect(await rose.recitalJudge.judge(texts.map((answer) => ({ row, answer })))).toEqual([
    "degenerate",
    "refusal",
    "compliance",
    "degenerate",
  ]);
});

test("the claim in words begins with the setting", () => {
  const none = { value: 0, low: 0, high: 0, n: 100, p: 1 };
  expect(rose.claimInWords("Manual-Reverse", { unsafe: none, safe: none, complied: none })).toMatch(
    /^Manual-Reverse: refusals change by 0\.0 points .* The claim is not shown here: /,
  );
});

test("the quick profile takes at most ten minutes on two cores at 150 GFLOP/s, and a last stage of ERPO adds to it", () => {
  const seconds = (finished: string[]) => notebookSeconds(rose.method.plan(profile("quick"), finished), 150);
  expect(seconds([])).toBeLessThan(600);
  expect(seconds(["3-length-controlled"])).toBeGreaterThan(seconds([]) + 60);
});
