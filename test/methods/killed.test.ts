import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { readMetrics } from "../../src/training/metrics.js";

/** ERPO's stages, ended with SIGKILL again and again: what is sampled, paired, judged and trained is the same as in one go. */

const root = mkdtempSync(join(tmpdir(), "erpo-killed-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Moment {
  ops: number;
  calls: number;
}

function run(dir: string, kill = ""): { status: number | null; signal: string | null; stderr: string } {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3", KILL: kill };
  return spawnSync(process.execPath, [join(import.meta.dirname, "killed-stages.mjs"), dir], { encoding: "utf8", env });
}

/** All files of a run with their SHA-256; of metrics what does not depend on the clock. */
function files(dir: string): Record<string, unknown> {
  const contents = (path: string) => {
    if (path.endsWith("metrics.jsonl"))
      return readMetrics(join(dir, path, "..")).map(({ step, loss, grad_norm }) => [step, loss, grad_norm]);
    return createHash("sha256")
      .update(readFileSync(join(dir, path)))
      .digest("hex");
  };
  const paths = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
  return Object.fromEntries(paths.sort().map((path) => [path, contents(path)]));
}

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
  const { named } = JSON.parse(whole.stderr.split("moments ")[1]!) as { named: ({ path: string } & Moment)[] };
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
  expect(files(dir)).toEqual(files(join(root, "whole")));
});
