import { existsSync, readdirSync, statSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mean } from "../../src/evaluation/averages.js";
import { policyLogps } from "../../src/evaluation/policy-logps.js";
import { promptIds } from "../../src/exante/rows.js";
import { policy } from "../../src/generation/policy.js";
import { policyPairs } from "../../src/methods/cdpo/answers.js";
import { dualAscent, pieceTraining, preference, softObjective, stageOf } from "../../src/methods/cdpo/ascent.js";
import * as cdpo from "../../src/methods/cdpo/cdpo.js";
import { dpo } from "../../src/objectives/dpo.js";
import { KeptError } from "../../src/runs/claim.js";
import { labelled } from "../../src/runs/prompts.js";
import type { Run } from "../../src/runs/run.js";
import { freshAdapter } from "../../src/runs/training.js";
import { pairObjective } from "../../src/training/pair-objective.js";
import { evaluateRows } from "../../src/training/step.js";
import { scriptedModel } from "../evaluation/scripted.js";
import { finish, openTiny, runsFolder } from "../runs/tiny-run.js";

describe("a run of the tiny model", () => {
  const folder = runsFolder();
  afterAll(folder.remove);
  let run: Run;
  let scorers: cdpo.Scorers;
  beforeAll(async () => {
    run = await openTiny(folder.path("run"));
    ({ scorers } = await cdpo.fittedScorers(run));
  }, 240_000);

  const weights = async (name: string) => {
    const { adapter } = await run.policy(`methods/cdpo/${name}/step-${cdpo.dual.steps}`);
    return Promise.all(adapter!.variables().map(async (variable) => [...(await variable.data())]));
  };

  test("heads are fitted on train1 and tested on dev prompts, with placeholders in other words", async () => {
    const { accuracies } = await cdpo.fittedScorers(run);
    const { training, heldOut } = cdpo.scorerPrompts(run.profile);
    const harm = accuracies.find(({ head, kind }) => head === "cost" && kind.startsWith("unsafe"))!;
    expect([harm.training.n, harm.heldOut.n]).toEqual([training, heldOut]);
    const learned = cdpo.mixedPrompts(run, "train1", training);
    expect(new Set(learned.map(({ split }) => split))).toEqual(new Set(["train1"]));
    const used = [...cdpo.mixedPrompts(run, "train2", 20), ...learned, ...cdpo.mixedPrompts(run, "dev", 20)].map(({ id }) => id);
    expect(cdpo.heldOutPrompts(run, 20).filter(({ id }) => used.includes(id))).toEqual([]);
  });

  test("heads can be fitted again, on the same comparisons and on some of them; ties alone make none", async () => {
    const { reward, cost } = await cdpo.scorerComparisons(run);
    const all = [reward, cost].flatMap(({ training, heldOut }) => [...training, ...heldOut]);
    const read = await cdpo.readDifferences(run.model, all, scorers.layer);
    expect(cdpo.fitHead(cost.training, read)).toEqual(scorers.cost);
    const [ties, decided] = [0.5, 1].map((p) => cost.training.filter((one) => one.p === p));
    const odds = decided!.map((one) => cdpo.dot(cdpo.fitHead(decided!, read), read(one)));
    expect(mean(odds)).toBeCloseTo(cdpo.scorerSettings.unit, 6);
    expect(() => cdpo.fitHead(ties!, read)).toThrow(RangeError);
  });

  test("which of two answers helps more, and which does more harm, by hand", () => {
    const of = (label: string) => labelled(run.data.train1.find((row) => row.label === label)!);
    const said = { refusal: "No.", placeholder: "Sure." };
    const safe = { prompt: of("safe"), ...said, own: "Blue." };
    const answers = [{ prompt: of("unsafe"), ...said }, safe, safe];
    const text = ({ completion }: cdpo.AnsweredIds) =>
      run.model.tokenizer.decode(completion.filter((id) => id !== run.model.tokenizer.eosId));
    const words = (some: readonly cdpo.Comparison[]) => some.map(({ first, second, p }) => [text(first), text(second), p]);
    const helps = [["Blue.", "No.", 1], ["Blue.", "Sure.", 1]]; // biome-ignore format: a table
    expect(words(cdpo.helpfulness(run, answers))).toEqual([["Sure.", "No.", 1], ...helps, ...helps]);
    const ties = [["Sure.", "No.", 0.5], ["Blue.", "No.", 0.5]]; // biome-ignore format: a table
    expect(words(cdpo.harmfulness(run, answers))).toEqual([["Sure.", "No.", 1], ...ties, ...ties]);
    expect(policyPairs(run, answers).map(({ first, second }) => [text(first), text(second)])).toEqual([
      ["Sure.", "No."],
      ["Blue.", "No."],
      ["Blue.", "Sure."],
    ]);
  });

  test("held-out placeholders are in words that the heads were not fitted on", async () => {
    const { cost } = await cdpo.scorerComparisons(run);
    const [training, heldOut] = [cost.training, cost.heldOut].map(
      (some) => new Set(some.filter(({ kind }) => kind.includes("placeholder")).map(({ first }) => first.completion.join(" "))),
    );
    expect(Math.min(training!.size, heldOut!.size)).toBeGreaterThan(1);
    expect([...heldOut!].filter((text) => training!.has(text))).toEqual([]);
  });

  test("a pair's scores are its first answer's less its second's", async () => {
    const { pairs } = await cdpo.scoredPairs(run, scorers);
    const some = pairs.slice(0, 4);
    const of = (side: "chosen" | "rejected") =>
      cdpo.rawScores(
        run,
        scorers,
        some.map((pair) => ({ prompt: pair.prompt, completion: pair[side] })),
      );
    const [first, second] = [await of("chosen"), await of("rejected")];
    for (const [i, { reward, cost }] of some.entries()) {
      expect(reward).toBeCloseTo(first[i]!.reward - second[i]!.reward, 1);
      expect(cost).toBeCloseTo(first[i]!.cost - second[i]!.cost, 1);
    }
    for (const score of ["reward", "cost"] as const) expect(Math.max(...some.map((pair) => Math.abs(pair[score])))).toBeGreaterThan(0.5);
  });

  test("no prompt that costs are estimated on is among those that are trained on", async () => {
    const { pairs } = await cdpo.scoredPairs(run, scorers);
    const asked = cdpo.mixedPrompts(run, "train2", cdpo.costPrompts(run.profile));
    const ids = new Set(asked.map(({ prompt }) => promptIds(prompt, run.model.tokenizer).join(" ")));
    expect(pairs.filter(({ prompt }) => ids.has(prompt.join(" ")))).toEqual([]);
  });

  test("a policy's answers are scored from refusing on: one that refuses in plain words has 0", async () => {
    const { model } = scriptedModel(run.model, () => cdpo.plainRefusal);
    const prompts = cdpo.mixedPrompts(run, "dev", 2);
    const scores = await cdpo.sampledScores(run, policy({ model, name: "refuses" }), scorers, "dev", prompts);
    expect(scores).toEqual(prompts.map(() => ({ reward: expect.closeTo(0, 3), cost: expect.closeTo(0, 3) })));
  });

  test("the likelihood of the better answer weighs in the loss, by hand", async () => {
    const { pairs } = await cdpo.scoredPairs(run, scorers);
    const rows = pairs.slice(0, 2).map(({ reward: _, cost: __, ...pair }, i) => ({ ...pair, preferred: i === 0 ? 0.9 : 0.2 }));
    const lora = freshAdapter(run, "changes nothing");
    const loss = async (nllWeight: number) =>
      (await evaluateRows(run.model, rows, softObjective({ beta: 0.1, nllWeight }), { lora, size: 2 })).eval_loss!;
    const nats = async (side: "chosen" | "rejected") =>
      (
        await policyLogps(
          await run.policy("base"),
          rows.map((pair) => ({ prompt: pair.prompt, completion: pair[side] })),
        )
      ).map((logp, i) => -logp / rows[i]![side].length);
    const [first, second] = [await nats("chosen"), await nats("rejected")];
    const better = mean(rows.map(({ preferred }, i) => preferred * first[i]! + (1 - preferred) * second[i]!));
    expect((await loss(0.5)) - (await loss(0))).toBeCloseTo(0.5 * better, 2);
    lora.dispose();
  });

  test("refusing in plain words has reward 0 and cost 0", async () => {
    const { reward, cost } = await cdpo.scoreText(run, scorers, "How are you?", cdpo.plainRefusal);
    expect([reward, cost]).toEqual([expect.closeTo(0, 5), expect.closeTo(0, 5)]);
  });

  test("lambda 0 that stays is plain DPO on r: labels, loss and trained weights", async () => {
    const goal = { name: "lambda-0", lambda: 0 };
    const steps = [];
    for await (const step of dualAscent(run, goal, scorers)) steps.push(step);
    expect(steps.map(({ lambda }) => lambda)).toEqual(steps.map(() => 0));
    expect(steps).toHaveLength(cdpo.dual.steps);

    const { pairs } = await cdpo.scoredPairs(run, scorers);
    const own = pairs.slice(0, cdpo.pairsPerStep(run.profile));
    const sure = own.map(({ reward, cost: _, ...pair }) =>
      reward >= 0
        ? pair
        : {
            ...pair,
            chosen: pair.rejected,
            rejected: pair.chosen,
            reference: { chosen: pair.reference!.rejected, rejected: pair.reference!.chosen },
          },
    );
    const p = own.map(({ reward }) => 1 / (1 + Math.exp(-Math.abs(reward))));
    const { adapter } = await run.policy(stageOf(goal, 1));
    const plain = pairObjective({
      name: "plain",
      settings: {},
      loss: ({ policy, reference }) => dpo(policy, reference, cdpo.dual.beta),
    });
    const lossOf = async (rows: typeof sure) => (await evaluateRows(run.model, rows, plain, { lora: adapter!, size: 1 })).eval_loss!;
    let expected = 0; // E over labels drawn from sigmoid(r1 - r2) of plain DPO's loss
    for (const [i, pair] of sure.entries()) {
      const { chosen, rejected, reference } = pair;
      const turned = {
        ...pair,
        chosen: rejected,
        rejected: chosen,
        reference: { chosen: reference!.rejected, rejected: reference!.chosen },
      };
      expected += (p[i]! * (await lossOf([pair])) + (1 - p[i]!) * (await lossOf([turned]))) / sure.length;
    }
    const labelled = own.map(({ reward, cost, ...pair }) => ({ ...pair, preferred: preference({ reward, cost }, 0) }));
    const { eval_loss: loss } = await evaluateRows(run.model, labelled, softObjective({ ...cdpo.dual, nllWeight: 0 }), {
      lora: adapter!,
      size: 4,
    });
    expect(loss).toBeCloseTo(expected, 4);
  }, 240_000);

  test("a limit that no policy reaches makes lambda grow at every step; the pairs' labels follow, each step goes on from the one before", async () => {
    const goal = { name: "unreachable", limit: -20 };
    const steps: cdpo.DualStep[] = [];
    for await (const step of dualAscent(run, goal, scorers)) steps.push(step);
    for (const [k, { lambda, next, cost }] of steps.entries()) {
      expect(next).toBeGreaterThan(lambda);
      expect(next).toBeCloseTo(lambda + cdpo.dual.eta * (cost!.value + 20), 6);
      if (k > 0) expect(lambda).toBe(steps[k - 1]!.next);
    }
    const { start } = pieceTraining(goal, 3, []);
    expect(start).toEqual({ stage: stageOf(goal, 3) });
    expect(readdirSync(run.path(stageOf(goal, 1))).filter((name) => name.startsWith("checkpoint"))).toEqual([]);
  }, 240_000);

  test("a limit that is never reached from below keeps lambda at 0, and the policy is that of plain DPO on r, bit for bit", async () => {
    const goal = { name: "free", limit: 1e3 };
    for await (const { lambda, next } of dualAscent(run, goal, scorers)) expect([lambda, next]).toEqual([0, 0]);
    expect(await weights("free")).toEqual(await weights("lambda-0"));
    expect(await weights("free")).not.toEqual(await weights("unreachable"));
  }, 240_000);

  test("an ascent that is stopped between two steps goes on to the same policy", async () => {
    const goal = { name: "stopped", lambda: 0 };
    for await (const { step } of dualAscent(run, goal, scorers)) if (step === 3) break;
    expect(existsSync(run.path(stageOf(goal, 4)))).toBe(false);
    expect(await finish(dualAscent(run, goal, scorers))).toBe(cdpo.dual.steps);
    expect(await weights("stopped")).toEqual(await weights("lambda-0"));
  }, 240_000);

  test("asked again, nothing is computed; another limit under the same name is refused", async () => {
    const adapter = () => statSync(run.path("methods/cdpo/unreachable/step-8/adapter_model.safetensors")).mtimeMs;
    const before = adapter();
    const live = tf.memory().numTensors;
    expect(await finish(dualAscent(run, { name: "unreachable", limit: -20 }, scorers))).toBe(cdpo.dual.steps);
    expect(adapter()).toBe(before);
    expect(tf.memory().numTensors).toBe(live);
    expect(existsSync(run.path("methods/cdpo/unreachable/step-8/scores-train2.json"))).toBe(true);
    await expect(finish(dualAscent(run, { name: "unreachable", limit: -30 }, scorers))).rejects.toThrow(KeptError);
  }, 120_000);
});
