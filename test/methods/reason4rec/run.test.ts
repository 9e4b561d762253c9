import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../../src/backend/random.js";
import { notebookSeconds } from "../../../src/methods/erpo/duration.js";
import { expertTraining } from "../../../src/methods/reason4rec/experts.js";
import * as reason4rec from "../../../src/methods/reason4rec/index.js";
import { KeptError } from "../../../src/runs/claim.js";
import { profile } from "../../../src/runs/profile.js";
import type { Run } from "../../../src/runs/run.js";
import { openTiny, runsFolder } from "../../runs/tiny-run.js";

const data = reason4rec.readRatings(join(import.meta.dirname, "../../fixtures/ratings-synthetic"));

/** Runs the method to its end. */
async function through(run: Run, study: reason4rec.Study) {
  const steps = reason4rec.reason4rec(run, study);
  for (;;) {
    const { value, done } = await steps.next();
    if (done) return value;
  }
}

describe("on made-up ratings and a tiny model", () => {
  const folder = runsFolder();
  afterAll(folder.remove);
  let run: Run;
  let study: reason4rec.Study;
  let made: reason4rec.Predictions;
  beforeAll(async () => {
    run = await openTiny(folder.path("run"));
    study = reason4rec.studyOf(run, data);
    made = await through(run, study);
  }, 600_000);

  const kept = (name: string) => run.path("methods/reason4rec", name);

  test("parts do not overlap, and each expert has an adapter of its own from the same first weights", () => {
    const { reward, reasoner, predictor, test: tested } = study;
    const all = [...reward, ...reasoner, ...predictor, ...tested];
    expect(new Set(all).size).toBe(all.length);
    expect([reward.length, reasoner.length, predictor.length, tested.length]).toEqual(
      Object.values(reason4rec.counts(run.profile)).slice(1),
    );
    for (const role of reason4rec.roles)
      expect(existsSync(join(run.path(reason4rec.stageOf(role)), "adapter_model.safetensors")), role).toBe(true);
  });

  test("of a rating's tokens those that inference gives have no loss, and its digit has; of a rationale all have", () => {
    const { tokenizer } = run.model;
    const [rated] = expertTraining(run, "predictor", [{ prompt: "p", answer: reason4rec.ratingAnswer(4) }]).rows;
    const free = rated!.completion.filter((_, t) => rated!.weights![t] === 0);
    expect(tokenizer.decode(free)).toBe("Predicted Rating: ");
    expect(tokenizer.decode(rated!.completion)).toBe("Predicted Rating: 4.0");
    const [told] = expertTraining(run, "reasoner", [{ prompt: "p", answer: "The viewer <|im_end|> likes it." }]).rows;
    expect(told!.weights!.every((weight) => weight === 1)).toBe(true);
    expect(told!.completion.filter((id) => id === tokenizer.eosId)).toHaveLength(1); // a special string in a title is text
  });

  test("an expert goes through all lessons in each epoch, in another order, and no step has one twice", () => {
    const lessons = Array.from({ length: 38 }, (_, i) => ({ prompt: "film ".repeat(i + 1), answer: "The viewer likes it." }));
    for (const role of reason4rec.roles) {
      const { rows, batches } = expertTraining(run, role, lessons);
      expect(rows).toHaveLength(38);
      const perEpoch = Math.ceil(38 / 4);
      expect(batches).toHaveLength(reason4rec.epochs[role] * perEpoch);
      const orders = Array.from({ length: reason4rec.epochs[role] }, (_, e) => batches.slice(e * perEpoch, (e + 1) * perEpoch).flat());
      for (const order of orders) expect(order.toSorted((a, b) => a - b)).toEqual(rows.map((_, i) => i));
      expect(new Set(orders.map(String)).size).toBe(orders.length);
    }
  });

  test("tries keep the rule: those that are accepted are the last, hinted ones with forbidden words were not read, and there are eleven at most", async () => {
    const summaries = await reason4rec.summaries(run, study);
    const rationales = await reason4rec.rationales(run, study, summaries);
    expect(rationales).toHaveLength(study.reasoner.length);
    for (const { rating, without, tries } of rationales) {
      expect(tries.length).toBeGreaterThan(0);
      expect(tries.length).toBeLessThanOrEqual(11);
      for (const [k, { text, expected, accepted }] of tries.entries()) {
        expect(accepted).toBe(expected !== undefined && reason4rec.accepts(rating, expected, without));
        if (k < tries.length - 1) expect(accepted).toBe(false);
        expect(expected === undefined).toBe(k > 0 && reason4rec.givesRatingAway(text));
        expect(text.startsWith("The viewer")).toBe(true);
      }
      if (!tries.at(-1)!.accepted) expect(tries).toHaveLength(11);
    }
    const [one] = rationales;
    const asked = reason4rec.question(reason4rec.ratingPrompt(study.split.train.known, summaries.train.get(one!.user)!, one!));
    const [again] = await reason4rec.expectedRatings(await reason4rec.expert(run, "reward"), [asked]);
    expect(again).toBeCloseTo(one!.without, 3);
    const lessons = reason4rec.reasonerLessons(study, summaries, rationales);
    expect(lessons).toHaveLength(rationales.filter(({ tries }) => tries.at(-1)!.accepted).length);
    for (const { prompt } of lessons) expect(prompt).not.toContain("Hint");
  });

  test("the two predictors are asked the same but for the reason", async () => {
    const summaries = await reason4rec.summaries(run, study);
    const reasons = await reason4rec.reasons(run, study, summaries);
    const [told, plain] = [reason4rec.predictorLessons(study, summaries, reasons), reason4rec.predictorLessons(study, summaries)];
    const before = ({ prompt }: reason4rec.Lesson) => prompt.split(reason4rec.analysisSlot)[0];
    expect(told.map(before)).toEqual(plain.map(before));
    expect(told.map(({ answer }) => answer)).toEqual(plain.map(({ answer }) => answer));
    expect(plain[0]!.prompt.endsWith(`${reason4rec.analysisSlot} none`)).toBe(true);
  });

  test("every target has five predictions in [1, 5], baselines as computed apart; results have intervals around their values", () => {
    expect(made.rows).toHaveLength(study.test.length);
    const mean = reason4rec.userMean(study.split.test.known);
    for (const row of made.rows) {
      expect(Object.keys(row.expected)).toEqual([...reason4rec.predictorNames]);
      for (const rating of Object.values(row.expected)) expect(rating >= 1 && rating <= 5).toBe(true);
      expect(row.expected["user mean"]).toBe(mean(row));
    }
    reason4rec.saveResults(run, made);
    const { errors, reasoning } = JSON.parse(readFileSync(kept("results.json"), "utf8"));
    for (const { value, low, high } of [reasoning, ...Object.values<{ mae: typeof reasoning }>(errors).map(({ mae }) => mae)]) {
      expect(low).toBeLessThanOrEqual(value);
      expect(high).toBeGreaterThanOrEqual(value);
    }
  });

  test("asked again, nothing is computed; texts that were lost are written again as they were, and another study is refused", async () => {
    const written = () =>
      reason4rec.roles.map((role) => statSync(join(run.path(reason4rec.stageOf(role)), "adapter_model.safetensors")).mtimeMs);
    const [before, live] = [written(), tf.memory().numTensors];
    expect(await through(run, study)).toEqual(made);
    expect(written()).toEqual(before);
    expect(tf.memory().numTensors).toBe(live);
    const texts = readFileSync(kept("reasons-test.jsonl"), "utf8");
    rmSync(kept("reasons-test.jsonl"));
    const summaries = await reason4rec.summaries(run, study);
    await reason4rec.reasons(run, study, summaries);
    expect(readFileSync(kept("reasons-test.jsonl"), "utf8")).toBe(texts);
    await expect(through(run, { ...study, reward: study.reward.slice(1) })).rejects.toThrow(KeptError);
  }, 300_000);
});

test("what the sentences say follows the intervals", () => {
  const row = (user: number, reasoned: number, plain: number, history = 20): reason4rec.Prediction => ({
    ...{ user: `u${user}`, item: "i", rating: 4, time: 0, history, itemHistory: 3, reason: "" },
    expected: { "with reasoning": reasoned, "without reasoning": plain, "user mean": 3, "item mean": 4, "matrix factorisation": 3.9 },
  });
  const users = Array.from({ length: 12 }, (_, i) => i);
  const of = (reasoned: number, plain: number) => users.map((user) => row(user, reasoned, plain));
  expect(reason4rec.reasoningInWords(of(3.5, 3.25), createRng(1))).toEqual([
    "On all test ratings (12 ratings of 12 users) MAE with reasoning less that of the same predictor without it is −0.250 [−0.250, −0.250] stars: reasoning helps.",
    "For users with 5 to 49 known ratings (12 ratings of 12 users) MAE with reasoning less that of the same predictor without it is −0.250 [−0.250, −0.250] stars: reasoning helps.",
  ]);
  expect(reason4rec.reasoningInWords(of(3.25, 3.5), createRng(1))[0]).toMatch(/\+0\.250 .*: reasoning hurts\.$/);
  expect(reason4rec.reasoningInWords([row(1, 3, 4, 150)], createRng(1))[1]).toMatch(
    /^For users with 150 and more .*too few users to tell\.$/,
  );
  expect(reason4rec.claimInWords(of(3.5, 3.25), createRng(1))).toContain("holds here");
  expect(reason4rec.claimInWords(of(3.25, 3.5), createRng(1))).toContain("does not hold here");
  const open = users.map((user) => row(user, user % 2 ? 3 : 4, 3.5));
  expect(reason4rec.claimInWords(open, createRng(1))).toContain("is not shown here");
  expect(reason4rec.baselinesInWords(of(3.5, 3.25), createRng(1)).map((sentence) => sentence.split(": ")[1])).toEqual([
    "it is the better one.",
    "item mean is the better one.",
    "matrix factorisation is the better one.",
  ]);
  expect(reason4rec.seedInWords({ seed: 7 })).toMatch(/one training of each expert and predictor, with seed 7\./);
  expect([5, 49, 50, 149, 150].map(reason4rec.historyGroup)).toEqual(["5 to 49", "5 to 49", "50 to 149", "50 to 149", "150 and more"]);
});

test("a text's sentences are counted by their ends, which short words with a capital have none of", () => {
  expect(reason4rec.sentencesIn("The viewer likes Mr. Holland's Opus.")).toBe(1);
  expect(reason4rec.sentencesIn("It is fun. Dr. Zhivago is not!")).toBe(2);
  expect(reason4rec.sentencesIn("no end")).toBe(0);
});

test.each(["quick", "full"])("the %s profile has a plan; the quick one takes at most ten minutes on two cores at 150 GFLOP/s", (name) => {
  const seconds = notebookSeconds(reason4rec.method.plan(profile(name), []), 150);
  if (name === "quick") expect(seconds).toBeLessThan(600);
  else expect(seconds).toBeGreaterThan(notebookSeconds(reason4rec.method.plan(profile("quick"), []), 150));
});
