import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createRng,
  dpo,
  type LanguageModel,
  loadModel,
  pairObjective,
  promptIds,
  referenceLogps,
  trainBriefly,
  withNll,
} from "../../src/index.js";
import { fixture } from "../model/open.js";

/** Short winners and long losers of the same kind of words: DPO's push against the losers takes the winners along, as lesson 4 shows. */

let model: LanguageModel;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
});
afterAll(() => model.dispose());

const how = () => ({ steps: 12, batchSize: 8, learningRate: 1e-2, rng: createRng(1).fork("brief") });

const pairs = () => {
  const { tokenizer } = model;
  const encode = (text: string) => [...tokenizer.encode(text), tokenizer.eosId];
  const places = ["Rome", "Oslo", "Lima", "Cairo", "Paris", "Delhi", "Tokyo", "Quito"];
  const rows = places.map((place) => ({
    prompt: promptIds(`Go to ${place}?`, tokenizer),
    chosen: encode("No, thank you."),
    rejected: encode(`No, I would never want to go to ${place}, not this week and not the next one.`),
  }));
  return referenceLogps(model, rows, null);
};

const objective = (lambda: number) =>
  pairObjective({
    name: "dpo",
    settings: { lambda },
    loss: ({ policy, reference, lengths }) => withNll(dpo(policy, reference, 0.1), policy, lengths, lambda),
  });

test("DPO displaces winners while its margin grows, and the winners' own term holds them", async () => {
  const rows = await pairs();
  const [alone, held] = [await trainBriefly(model, rows, objective(0), how()), await trainBriefly(model, rows, objective(1), how())];
  const change = ({ steps }: typeof alone) => steps.at(-1)!["logps/chosen"]! - steps[0]!["logps/chosen"]!;
  expect(alone.steps[0]!["logps/chosen"]).toBeCloseTo(held.steps[0]!["logps/chosen"]!, 4); // both begin at the reference
  for (const { steps } of [alone, held]) expect(steps.at(-1)!["rewards/margins"]).toBeGreaterThan(0.5);
  expect(change(alone)).toBeLessThan(-5);
  expect(change(held)).toBeGreaterThan(5);
  for (const { policy } of [alone, held]) policy.adapter!.dispose();
});

test("the same training gives the same steps", async () => {
  const rows = await pairs();
  const losses = async () => {
    const { policy, steps } = await trainBriefly(model, rows, objective(0), { ...how(), steps: 2, batchSize: 4 });
    policy.adapter!.dispose();
    return steps.map(({ loss }) => loss);
  };
  expect(await losses()).toEqual(await losses());
});
