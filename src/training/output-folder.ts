import { accessSync, constants, existsSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { FileError, fileError, writeJson } from "../setup/atomic.js";
import { removeCheckpoints } from "./checkpoint.js";
import type { RunConfig } from "./run-config.js";

/** Files of a run's `output_dir`. */
const FILES = ["train.json", "metrics.jsonl", "adapter_config.json", "adapter_model.safetensors"];

/**
 * Checks that a run can write into `output_dir` what it is going to write. Changes nothing.
 * @throws FileError `FILE: cannot be written (cause)`
 */
export function checkOutput({ output_dir: dir }: Pick<RunConfig, "output_dir">): void {
  checkFolder(dir);
  for (const file of FILES.map((name) => join(dir, name))) {
    if (!existsSync(file)) continue;
    if (!statSync(file).isFile())
      throw new FileError(`${file}: cannot be written (it is no file): remove it, or choose another output_dir`);
    checkAccess(file, constants.W_OK);
  }
}

/** Checks that files can be made in a folder, which need not be there yet. Changes nothing. @throws FileError */
export function checkFolder(path: string): void {
  const there = existing(resolve(path));
  if (!statSync(there).isDirectory()) throw new FileError(`${path}: cannot be written (${there} is no folder)`);
  checkAccess(there, constants.W_OK | constants.X_OK);
}

const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)));

function checkAccess(path: string, mode: number): void {
  try {
    accessSync(path, mode);
  } catch (error) {
    throw fileError(path, error);
  }
}

/**
 * Begins a run in its folder: where it does not go on, what an earlier run left there goes, so that a run that is stopped does not look done; never the adapter
 * that it starts from. Then train.json says what is trained.
 * @throws FileError
 */
export async function beginRun(config: RunConfig): Promise<void> {
  const { output_dir: dir, init_adapter, reference_adapter, resume } = config;
  if (!resume) {
    await removeCheckpoints(dir);
    const used = [init_adapter, reference_adapter].some((other) => other && resolve(other) === resolve(dir));
    if (!used) await rm(join(dir, "adapter_model.safetensors"), { force: true });
  }
  writeJson(join(dir, "train.json"), config);
}
