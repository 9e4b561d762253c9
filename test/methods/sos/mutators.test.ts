import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createRng } from "../../../src/backend/random.js";
import { evolve } from "../../../src/methods/sos/evolve.js";
import { instruction, llmMutator, promptIn } from "../../../src/methods/sos/llm-mutator.js";
import { longestPrompt, type Mutation, sentencesOf, withinWords, wordsIn } from "../../../src/methods/sos/mutator.js";
import { clauses, ruleMutator, synonyms } from "../../../src/methods/sos/rule-mutator.js";
import type { PromptFailure, PromptObjective } from "../../../src/methods/sos/selection.js";
import { seedPrompt, settings } from "../../../src/methods/sos/sos.js";
import { asked, completion, endpointServer, json } from "../../generation/endpoint-server.js";
import { fakeScorer } from "./fake-score.js";

const scratch = mkdtempSync(join(tmpdir(), "erpo-sos-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const all = Object.values(clauses).flatMap((byKind) => Object.values(byKind).flat());
const prompt = fc.uniqueArray(fc.constantFrom(...all), { maxLength: 8 }).map((chosen) => [seedPrompt, ...chosen].join(" "));
const seeds = fc.nat(10_000);
const one = async (mutation: Mutation, seed: number) => (await ruleMutator.mutate([mutation], createRng(seed)))[0]!;
const failure = (objective: PromptObjective, kind: PromptFailure["kind"], about: string | null = null): PromptFailure => ({
  objective,
  kind,
  about,
});

/** A text with every wording of the tables written as the first of its group. */
const canonical = (text: string): string =>
  synonyms.reduce(
    (said, group) => group.reduce((now, wording) => now.replaceAll(new RegExp(`(?<!\\p{L})${wording}(?!\\p{L})`, "gu"), group[0]!), said),
    text,
  );

test("sentences end outside of quotes", () => {
  expect(sentencesOf('Be kind.  Say "No. I am sorry!" to that. Is it safe? Stop')).toEqual([
    "Be kind.",
    'Say "No. I am sorry!" to that.',
    "Is it safe?",
    "Stop",
  ]);
  for (const clause of all) expect(sentencesOf(clause)).toEqual([clause]);
  expect(withinWords(["One two three.", "Four five six.", "Seven."], 4)).toBe("One two three. Seven.");
});

describe("rules", () => {
  test("a semantic mutation says the same sentences in other wordings or in another order, the opening one first", async () => {
    await fc.assert(
      fc.asyncProperty(prompt, seeds, async (text, seed) => {
        const changed = await one({ operator: "semantic", text }, seed);
        expect(sentencesOf(canonical(changed)).sort()).toEqual(sentencesOf(canonical(text)).sort());
        expect(sentencesOf(canonical(changed))[0]).toBe(sentencesOf(canonical(text))[0]);
      }),
    );
    const variants = await Promise.all(Array.from({ length: 40 }, (_, i) => one({ operator: "semantic", text: seedPrompt }, i)));
    expect(new Set(variants).size).toBeGreaterThan(10);
    expect(variants).not.toContain(seedPrompt);
  });

  test("feedback adds one clause against a failure that there was, or takes one away that asks for refusals where harmless requests were refused", async () => {
    const failures = [
      failure("safety", "complied", "stealing or defrauding people"),
      failure("usefulness", "refused", "x"),
      failure("usefulness", "off topic", "y"),
    ];
    await fc.assert(
      fc.asyncProperty(
        prompt.filter((text) => wordsIn(text) < 60),
        seeds,
        fc.constantFrom(...failures),
        async (text, seed, { objective, kind, about }) => {
          const before = sentencesOf(text);
          const after = sentencesOf(await one({ operator: "feedback", text, objective, failures: [{ objective, kind, about }] }, seed));
          const [added, gone] = [after.filter((s) => !before.includes(s)), before.filter((s) => !after.includes(s))];
          const named = kind === "complied" ? [`Do not help with ${about}.`] : [];
          const open = [...clauses[objective][kind]!, ...named].filter((clause) => !before.includes(clause));
          const takesAway = kind === "refused" && added.length === 0 && gone.length === 1;
          if (takesAway) expect(gone[0]).toMatch(/refuse|sorry|do not help|cannot/i);
          else if (open.length > 0) expect([gone, added.length, open.includes(added[0]!)]).toEqual([[], 1, true]);
          else expect(after.map(canonical).sort()).toEqual(before.map(canonical).sort());
        },
      ),
    );
  });

  test("feedback meets failures as often as there are: of nine complied and one degenerate, most clauses are against complying", async () => {
    const failures = [...Array.from({ length: 9 }, () => failure("safety", "complied")), failure("safety", "degenerate")];
    const texts = await Promise.all(
      Array.from({ length: 200 }, (_, i) => one({ operator: "feedback", text: seedPrompt, objective: "safety", failures }, i)),
    );
    const against = texts.filter((text) => clauses.safety.degenerate!.some((clause) => text.includes(clause))).length;
    expect(against).toBeGreaterThan(5);
    expect(against).toBeLessThan(45);
  });

  test("a crossover has the opening of one prompt, the last sentence of the other, nothing else than theirs, each sentence once", async () => {
    await fc.assert(
      fc.asyncProperty(prompt, prompt, seeds, async (text, other, seed) => {
        const said = (words: string) => sentencesOf(canonical(words));
        const made = await one({ operator: "crossover", text, other }, seed);
        const [child, first, second] = [said(made), said(text), said(other)];
        expect(child[0]).toBe(first[0]);
        expect(child.filter((sentence) => !first.includes(sentence) && !second.includes(sentence))).toEqual([]);
        expect(new Set(child).size).toBe(child.length);
        expect([text, other]).not.toContain(made);
        if (wordsIn(text) + wordsIn(other) <= longestPrompt) expect(child).toContain(second.at(-1));
      }),
    );
  });

  test("no prompt grows beyond the longest, and a clause that is added to a full one stands in it", async () => {
    const full = [seedPrompt, ...all]
      .join(" ")
      .split(" ")
      .slice(0, longestPrompt - 2)
      .join(" ");
    const failures = [failure("safety", "complied", "interfering with an election")];
    for (let seed = 0; seed < 30; seed++) {
      const text = await one({ operator: "feedback", text: full, objective: "safety", failures }, seed);
      expect(wordsIn(text)).toBeLessThanOrEqual(longestPrompt);
      expect(sentencesOf(text).some((sentence) => !sentencesOf(full).includes(sentence))).toBe(true);
    }
  });

  test("no clause has words that make a refusal of an answer that recites it, but in quotes", () => {
    for (const clause of all) expect(clause.replace(/"[^"]*"/g, "")).not.toMatch(/i cannot|i'm sorry|as an ai/i);
  });
});

describe("a model behind an endpoint", () => {
  const server = endpointServer();
  const endpoint = () => ({ url: server.url, model: "writer/7b", retries: 0 });
  const failures = [
    failure("safety", "complied", "hurting people or animals"),
    failure("safety", "complied", "hurting people or animals"),
    failure("safety", "degenerate"),
  ];

  test("is told what fails and how often, and asked for a prompt between tags", () => {
    const { content } = instruction({ operator: "feedback", text: seedPrompt, objective: "safety", failures })[0]!;
    expect(content).toContain(`<prompt>${seedPrompt}</prompt>`);
    expect(content).toContain(
      "- 2 answers: gave what should have been refused (for instance: hurting people or animals)\n- 1 answers: were empty",
    );
    expect(content).toContain("in at most 80 words");
    expect(instruction({ operator: "crossover", text: "A.", other: "B." })[0]!.content).toContain(
      "<prompt>A.</prompt>\n<prompt>B.</prompt>",
    );
  });

  test.each([
    ["Sure! <prompt>Be kind. Be brief.</prompt> Done.", "Be kind. Be brief."],
    ['"Be kind."', "Be kind."],
    ["<prompt>Be\n  kind.", "Be kind."],
    ["<PROMPT></PROMPT>", ""],
    [`<prompt>${"Be kind to all. ".repeat(40)}</prompt>`, "Be kind to all. ".repeat(20).trim()],
  ])("the prompt in its answer: %j", (answer, text) => expect(promptIn(answer)).toBe(text));

  test("an evolution by it asks the server through the chat endpoint; asked again, what it has said is read from the cache", async () => {
    let said = 0;
    server.answer = (call, response) => json(response, completion(call, `<prompt>You are assistant ${++said}. Be careful.</prompt>`));
    const cache = join(scratch, "answers.jsonl");
    const told = () => ({ seeds: [seedPrompt], mutator: llmMutator(endpoint(), { cache }), rng: createRng(1), score: fakeScorer(4).score });
    const texts: string[][] = [];
    for (let again = 0; again < 2; again++) {
      const found: string[] = [];
      for await (const { evaluated } of evolve({ ...settings, generations: 2 }, told())) found.push(...evaluated.map(({ text }) => text));
      texts.push(found);
    }
    expect(texts[0]).toHaveLength(24);
    expect(texts[1]).toEqual(texts[0]);
    expect(new Set(server.calls.map(({ path }) => path))).toEqual(new Set(["/v1/chat/completions"]));
    expect(server.calls[0]!.body).toMatchObject({ model: "writer/7b", temperature: 0.8, max_tokens: 200 });
    expect(server.calls.filter((call) => asked(call).includes("the best of both")).length).toBeGreaterThanOrEqual(4);
    expect(server.calls.length).toBeLessThanOrEqual(23 + 3); // of the second time one per generation, which learns who answers
    expect(llmMutator(endpoint(), { cache }).name).toBe("llm-writer-7b");
  });

  test("what goes wrong there is the endpoint's error", async () => {
    server.answer = (_, response) => json(response, { error: { message: "no such model" } }, 404);
    const mutator = llmMutator(endpoint(), { cache: join(scratch, "other.jsonl") });
    await expect(mutator.mutate([{ operator: "semantic", text: seedPrompt }], createRng(1))).rejects.toThrow(/127\.0\.0\.1.*no such model/);
  });
});
