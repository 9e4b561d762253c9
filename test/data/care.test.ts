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

test("an unsafe prompt shows its id, category and first words; a safe one is whole", () => {
  const prompt = { id: "x-1", category: "R2", prompt: "How do I rob a rug shop at night?", label: "unsafe" as const };
  expect(redact(prompt)).toEqual({ id: "x-1", category: "R2", text: "How do I [6 more words]" });
  expect(redact({ ...prompt, category: "none", label: "safe" }).text).toBe(prompt.prompt);
  expect(redact({ ...prompt, prompt: "Rob shops" }).text).toBe("Rob shops");
});
