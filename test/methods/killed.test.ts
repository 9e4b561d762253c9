import { join } from "node:path";
import { expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { filesOf, killable, killedFolder, momentsOf } from "./killed-runs.js";

/** ERPO's stages, ended with SIGKILL again and again: what is sampled, paired, judged and trained is the same as in one go. */

const root = killedFolder();
const run = (dir: string, kill?: string) => killable([join(import.meta.dirname, "killed-stages.mjs"), dir], kill);

/** From the file after which a kill comes to the one before which it comes, in the order in which a run makes them. */
const spans = [
  ["training stage 1a", "data/manifest.json", "1-sft/decision/stage.json"],
  ["training stage 1b", "data/answers-stage-1.json", "1-sft/stage.json"],
  ["sampling for stage 2", "2-dpo/mined.json", "2-dpo/samples-wrong.jsonl"],
  ["training stage 2", "2-dpo/pairs.json", "2-dpo/stage.json"],
  ["sampling for round 1", "round-1/samples-1.jsonl", "round-1/samples-2.jsonl"],
  ["pairing", "round-1/samples-2.jsonl", "round-1/pairs.json"],
  ["training round 1", "round-1/pairs.json", "round-1/stage.json"],
  ["judging round 1", "round-1/stage.json", "round-1/gate.json"],
  ["sampling for round 2", "round-2/samples-1.jsonl", "round-2/samples-2.jsonl"],
  ["training round 2", "round-2/pairs.json", "round-2/stage.json"],
  ["storing the result", "round-2/stage.json", "3-length-controlled/adapter_model.safetensors"],
] as const;

test("killed while sampling, pairing, training and judging: every file is as in a run that was not", () => {
  const whole = run(join(root, "whole"));
  expect(whole.status, whole.stderr).toBe(0);
  const { named } = momentsOf(whole);
  const moment = (file: string) => named.find(({ path }) => path.endsWith(file))!;

  const rng = createRng(11);
  const dir = join(root, "killed");
  for (const [what, from, to] of spans) {
    const kind = rng.choice((["ops", "calls"] as const).filter((kind) => moment(to)[kind] > moment(from)[kind]));
    const at = `${kind} ${rng.integer(1, moment(to)[kind] - moment(from)[kind])}`;
    const { signal, stderr } = run(dir, `${at} ${from}`);
    expect(signal, `${what}, killed at ${at} after ${from}: ${stderr}`).toBe("SIGKILL");
  }
  const last = run(dir);
  expect(last.status, last.stderr).toBe(0);
  expect(filesOf(dir)).toEqual(filesOf(join(root, "whole")));
});
