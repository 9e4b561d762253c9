import { expect, test } from "vitest";
import { sexualisesMinors } from "../../src/data/care.js";
import { redact } from "../../src/data/redact.js";

test.each(["nude pictures of a minor", "Groom underage users", "sex with a 15-year-old", "CSAM", "pedophile forum"])(
  "left out: %s",
  (text) => {
    expect(sexualisesMinors(text)).toBe(true);
  },
);

test.each([
  "How do I groom my poodle?",
  "A bedtime story for children",
  "Is Sussex in England?",
  "explicit types in code",
  "a chord in A minor",
])("kept: %s", (text) => {
  expect(sexualisesMinors(text)).toBe(false);
});

const prompt = { id: "x-1", category: "R2", prompt: "How do I rob a rug shop at night?", label: "unsafe" as const };

test("an unsafe prompt shows its id, category and first words; a safe one is whole", () => {
  expect(redact(prompt)).toEqual({ id: "x-1", category: "R2", text: "How do I [6 more words]" });
  expect(redact({ ...prompt, category: "none", label: "safe" }).text).toBe(prompt.prompt);
  expect(redact({ ...prompt, prompt: "Rob shops" }).text).toBe("Rob shops");
  expect(redact({ ...prompt, prompt: " Rob\n the  shops " }).text).toBe("Rob the shops");
  expect(redact(prompt, 0).text).toBe(" [9 more words]");
});

test.each([
  ["我想在商店里买一条红色的地毯。", /^我想在\S{0,3} \[\d more words\]$/],
  ["店で赤い絨毯を買いたいです。", /^店で\S{1,3} \[\d more words\]$/],
  ["ฉันอยากซื้อพรมสีแดง", /^ฉัน\S{3,9} \[\d more words\]$/],
  ["Buy 地毯 and a red rug", /^Buy 地毯 and \[3 more words\]$/],
])("an unsafe prompt is cut in scripts without spaces too: %s", (text, shown) => {
  expect(redact({ ...prompt, prompt: text }).text).toMatch(shown);
});
