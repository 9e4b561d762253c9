import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { printable } from "../../src/data/printable.js";

test("by hand", () => {
  expect(printable("a\u001b[31mb\u0007\r\n\t\u009b\u007f")).toBe("a\\u001b[31mb\\u0007\\u000d\\u000a\\u0009\\u009b\\u007f");
  expect(printable("\u202e\u2066\u200f\u2028\ud800\u{e0041}")).toBe("\\u202e\\u2066\\u200f\\u2028\\ud800\\u{e0041}");
  expect(printable("Grüße, 你好 😀 \\u001b")).toBe("Grüße, 你好 😀 \\u001b");
});

test("Node's own remover of control sequences finds nothing to remove, whatever the text", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\u001b[", "\u009b", "\u202e", "31m", "\u0007"))),
      (parts) => {
        const shown = printable(parts.join(""));
        expect(stripVTControlCharacters(shown)).toBe(shown);
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      },
    ),
  );
});
