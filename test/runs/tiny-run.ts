import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type OpenRunOptions, openRun, type Run } from "../../src/runs/run.js";
import { fixture } from "../model/open.js";

/** A folder for runs of the tiny model, which the caller removes. */
export function runsFolder(): { path: (name: string) => string; remove: () => void } {
  const root = mkdtempSync(join(tmpdir(), "erpo-runs-"));
  return { path: (name) => join(root, name), remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** Opens a run of the tiny profile on the tiny random model. */
export const openTiny = (dir: string, options: OpenRunOptions = {}): Promise<Run> =>
  openRun(dir, { profile: "tiny", model: fixture("llama-tiny"), ...options });

/** Runs a stage to its end. */
export async function finish(stage: AsyncGenerator<unknown>): Promise<number> {
  let steps = 0;
  for await (const _ of stage) steps++;
  return steps;
}
