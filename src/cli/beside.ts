import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { Profile } from "../runs/profile.js";

/** A run, as the second process opens it. */
export interface BesideJob {
  dir: string;
  /** A built-in name or a file. */
  profile: string;
  seed: number;
  model: string;
}

/** Whether a second process pays: on a processor's cores, of which one process leaves a part idle, with room in memory for two such processes. */
export async function paysBeside(profile: Profile, model: string): Promise<boolean> {
  const [{ openDevice, isGpu }, { checkModel }, { largestPart }, { processBytes }, { availableMemory }] = await Promise.all([
    import("../backend/device.js"),
    import("../model/load.js"),
    import("../methods/erpo/memory.js"),
    import("../model/footprint.js"),
    import("../setup/doctor.js"),
  ]);
  const device = await openDevice();
  if (profile.notebooks !== "all" || device.kind !== "tensorflow" || isGpu(device) || availableParallelism() < 2) return false;
  return availableMemory().free > 2 * processBytes(largestPart(profile, await checkModel(model), true).bytes);
}

/**
 * Computes beside the notebooks what can be (`besideStages`). Both get half of the cores: two processes of one thread each train 1.9 times as fast as one of two threads,
 * which mostly wait for each other between the small products of a step.
 * @param failed gets what went wrong, in one line: the notebooks then compute it themselves
 * @returns ends the process
 */
export function startBeside(job: BesideJob, failed: (problem: string) => void): () => void {
  const { TF_NUM_INTRAOP_THREADS: before } = process.env;
  process.env.TF_NUM_INTRAOP_THREADS = String(Math.max(1, Math.floor(availableParallelism() / 2))); // for the kernels as well
  const alone = () => {
    if (before === undefined) delete process.env.TF_NUM_INTRAOP_THREADS;
    else process.env.TF_NUM_INTRAOP_THREADS = before;
  };
  const child = fork(fileURLToPath(new URL("./beside-process.js", import.meta.url)), { stdio: ["ignore", "ignore", "ignore", "ipc"] });
  let ending = false;
  child.on("message", (problem) => failed(String(problem)));
  child.on("error", ({ message }) => {
    alone();
    failed(message);
  });
  child.on("exit", (code, signal) => {
    alone(); // the next kernel has all cores
    if (!ending && (code !== 0 || signal !== null)) failed(`it ended with ${signal ?? `exit code ${code}`}`);
  });
  child.send(job);
  return () => {
    ending = true;
    child.kill();
  };
}
