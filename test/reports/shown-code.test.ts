import { expect, test } from "vitest";
import { code, contentOf, documentOf } from "./notebooks.js";

test("code is folded away unless its cell has the tag show-input", async () => {
  const page = await contentOf(documentOf([code("const folded = 1;"), code("const belongs = 2;", [], { tags: ["show-input"] })]));
  const [first, second] = page.match(/<details class="code"[^>]*>/g)!;
  expect(first).not.toContain("open");
  expect(second).toMatch(/ open>$/);
});
