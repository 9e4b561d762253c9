import { expect, test } from "vitest";
import { fontLack } from "../../src/setup/fonts.js";

const none = () => false;

test("what no installed font has is named with the package that has it", () => {
  expect(fontLack("Latin, Ελληνικά, Кириллица, ∑ → ✓ −½, 𝔼", none)).toBeUndefined();
  expect(fontLack("漢字", none)).toMatch(/^no installed font has U\+\w+(?:, U\+\w+)?: apt-get install fonts-noto-cjk$/);
  expect(fontLack("مرحبا नमस्ते", none)).toMatch(/: apt-get install fonts-noto-core$/);
  expect(fontLack("😀 한국", none)).toMatch(/: apt-get install fonts-noto-color-emoji fonts-noto-cjk$/);
  expect(fontLack("漢 م", (character) => character !== "م")).toBe("no installed font has U+0645: apt-get install fonts-noto-core");
  expect(fontLack("\ue000 \u{10ffff} \u{e0001}", none)).toBeUndefined(); // nobody's characters
});

test("of a long text few characters are asked for", () => {
  let asked = 0;
  const text = Array.from({ length: 20_000 }, (_, i) => String.fromCodePoint(0x4e00 + i)).join("");
  fontLack(text, () => ++asked > 0);
  expect(asked).toBeLessThanOrEqual(Math.ceil(20_000 / 128) + 1);
});
