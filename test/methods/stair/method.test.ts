import { expect, test } from "vitest";
import { notebookSeconds } from "../../../src/methods/erpo/duration.js";
import { stages } from "../../../src/methods/erpo/stages.js";
import { method } from "../../../src/methods/stair/method.js";
import { searchedPrompts, searchSettings, treePrompts } from "../../../src/methods/stair/settings.js";
import { profile } from "../../../src/runs/profile.js";

test("the quick profile takes at most ten minutes on two cores at 240 GFLOP/s, with ERPO's first stage and without", () => {
  for (const finished of [[], [stages.sft]]) expect(notebookSeconds(method.plan(profile("quick"), finished), 240)).toBeLessThan(600);
  expect(treePrompts(profile("quick"))).toBe(32);
  expect(searchedPrompts(profile("quick"))).toBe(12);
  expect(searchSettings).toMatchObject({ children: 2 });
  expect(searchSettings.iterations).toBeGreaterThanOrEqual(16);
});
