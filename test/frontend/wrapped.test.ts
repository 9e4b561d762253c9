import { expect, test } from "vitest";
import { wrapped } from "../../src/frontend/wrapped.js";

test("lines are broken between words; a longer word is broken, but no character", () => {
  expect(wrapped("How do I end a process?", 10)).toEqual(["How do I", "end a", "process?"]);
  expect(wrapped("short", 10)).toEqual(["short"]);
  expect(wrapped("abcde fghij", 5)).toEqual(["abcde", "fghij"]);
  expect(wrapped("ab cde fgh", 6)).toEqual(["ab cde", "fgh"]);
  expect(wrapped(" abcdefgh", 5)).toEqual([" abcd", "efgh"]);
  expect(wrapped("abcdefghijklm no", 10)).toEqual(["abcdefghij", "klm no"]);
  expect(wrapped("\u{1F600}".repeat(4), 5)).toEqual(["\u{1F600}".repeat(2), "\u{1F600}".repeat(2)]);
});
