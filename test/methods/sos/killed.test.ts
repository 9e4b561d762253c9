import { join } from "node:path";
import { expect, test } from "vitest";
import { createRng } from "../../../src/backend/random.js";
import type { Generation } from "../../../src/methods/sos/evolve.js";
import { killable, killedFolder, momentsOf } from "../killed-runs.js";

const root = killedFolder();
const run = (dir: string, kill?: string) => killable([join(import.meta.dirname, "killed-evolution.mjs"), dir], kill);

test("killed while prompts are proposed, answered and judged, an evolution comes to the same prompts and scores, and answers no prompt again", () => {
  const whole = run(join(root, "whole"));
  expect(whole.status, whole.stderr).toBe(0);
  const { named, ops } = momentsOf(whole);
  const generations = JSON.parse(whole.stdout) as Generation[];
  expect(generations.map(({ evaluated }) => evaluated.length)).toEqual([5, 3, 3, 3]);

  const rng = createRng(3);
  const dir = join(root, "killed");
  const at = (file: string) => named.find(({ path }) => path.endsWith(file))!;
  for (const [from, to, kind] of [0, 1, 2].flatMap(
    (g) => [[`generation-${g}.json`, `generation-${g + 1}.json`, g % 2 === 0 ? "ops" : "calls"]] as const,
  )) {
    const moment = `${kind} ${rng.integer(1, at(to)[kind] - at(from)[kind] - 1)} ${from}`;
    const { signal, stderr } = run(dir, moment);
    expect(signal, `killed at ${moment}: ${stderr}`).toBe("SIGKILL");
  }
  const last = run(dir);
  expect(last.status, last.stderr).toBe(0);
  expect(JSON.parse(last.stdout)).toEqual(generations);
  const again = run(dir);
  expect(JSON.parse(again.stdout)).toEqual(generations);
  expect(momentsOf(again).ops).toBeLessThan(ops / 20);
}, 300_000);
