import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { readMetrics } from "../../src/training/metrics.js";

/** Where in a process something happened; see test/training/moments.mjs. */
export interface Moment {
  ops: number;
  calls: number;
}

/** How a process ended. */
export interface Ended {
  status: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** A folder for runs that are killed, which goes with the test file. */
export function killedFolder(): string {
  const root = mkdtempSync(join(tmpdir(), "erpo-killed-"));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

/** @param words a script that imports moments.mjs, and its arguments. @param kill `KILL` of moments.mjs */
export function killable(words: readonly string[], kill = ""): Ended {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3", KILL: kill };
  return spawnSync(process.execPath, words, { encoding: "utf8", env });
}

/** What a process said of its moments, and of when each file got its name. */
export const momentsOf = ({ stderr }: Ended): Moment & { named: ({ path: string } & Moment)[] } => JSON.parse(stderr.split("moments ")[1]!);

/** All files of a run with their SHA-256; what depends on the clock is left out. */
export function filesOf(dir: string): Record<string, unknown> {
  const contents = (path: string) => {
    if (path.endsWith("metrics.jsonl"))
      return readMetrics(join(dir, path, "..")).map(({ step, loss, grad_norm }) => [step, loss, grad_norm]);
    if (path.endsWith("trees-seconds.json")) return "";
    return createHash("sha256")
      .update(readFileSync(join(dir, path)))
      .digest("hex");
  };
  const paths = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
  return Object.fromEntries(paths.sort().map((path) => [path, contents(path)]));
}
