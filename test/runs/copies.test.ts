import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { assertNoCopy } from "../../src/runs/copies.js";
import { openTiny, runsFolder } from "./tiny-run.js";

const folder = runsFolder();
afterEach(() => vi.restoreAllMocks());
afterAll(folder.remove);

test.each([
  ["notebooks", "../runs/quick", ".."],
  ["methods/rose", "../../runs/quick", "../.."],
])("an executed copy in a run's %s begins no other run, and is told what leads to its own", async (place, given, up) => {
  const dir = folder.path(`kept-${place.replace("/", "-")}`);
  await openTiny(dir);
  const from = join(dir, place);
  mkdirSync(from, { recursive: true });
  vi.spyOn(process, "cwd").mockReturnValue(from);
  const line = `${given}: holds no run, and this notebook is a copy that the run ${dir} keeps: set runDir to "${up}", or to an absolute path to begin another run`;
  await expect(openTiny(given)).rejects.toThrow(line);
  expect(existsSync(join(from, given))).toBe(false);
});

test("what is no copy begins a run: another folder's notebooks, an absolute path, a branch of the run", () => {
  const own = folder.path("own/notebooks");
  mkdirSync(own, { recursive: true });
  assertNoCopy("../runs/quick", own);
  writeFileSync(folder.path("own/run.json"), "{}");
  expect(() => assertNoCopy("../runs/quick", own)).toThrow("is a copy");
  assertNoCopy("../runs/quick", folder.path("own"));
  assertNoCopy(folder.path("new"), own);
  mkdirSync(folder.path("branch"));
  writeFileSync(folder.path("branch/branch.json"), "{}");
  assertNoCopy(relative(process.cwd(), folder.path("branch")), own);
});
