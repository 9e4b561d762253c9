import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { policy } from "../../src/generation/policy.js";
import { changedProfile, type ProfileChange } from "../../src/runs/profile.js";
import { type OpenRunOptions, openRun, type Run } from "../../src/runs/run.js";
import { scriptedModel } from "../evaluation/scripted.js";
import { fixture } from "../model/open.js";

export interface RunsFolder {
  path: (name: string) => string;
  remove: () => void;
}

/** A folder for runs of the tiny model, which the caller removes. */
export function runsFolder(): RunsFolder {
  const root = mkdtempSync(join(tmpdir(), "erpo-runs-"));
  return { path: (name) => join(root, name), remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** Opens a run of the tiny profile on the tiny random model. */
export const openTiny = (dir: string, options: OpenRunOptions = {}): Promise<Run> =>
  openRun(dir, { profile: "tiny", model: fixture("llama-tiny"), ...options });

let branches = 0;
/** A branch of a run with another profile, in a folder of its own. */
export const changedBranch = (run: Run, folder: RunsFolder, change: ProfileChange): Promise<Run> =>
  run.branch(folder.path(`branch-${++branches}`), { profile: changedProfile(run.profile, { name: "changed", ...change }) });

/** The run with policies that all write what they are told, as `scriptedModel` does. `asked` counts the prompts that were run. */
export function scriptedRun(run: Run, script: Parameters<typeof scriptedModel>[1]): { run: Run; asked: () => number } {
  const { model, asked } = scriptedModel(run.model, script);
  return { run: { ...run, model, policy: async () => policy({ model }) }, asked };
}

/** Runs a stage to its end. */
export async function finish(stage: AsyncGenerator<unknown>): Promise<number> {
  let steps = 0;
  for await (const _ of stage) steps++;
  return steps;
}
