import { spawn } from "node:child_process";
import { resolve } from "node:path";

export const bootstrap = resolve(import.meta.dirname, "../../src/setup/bootstrap.mjs");

/** `erpo ARGS`, to its end. */
export function erpo(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [bootstrap, ...args], { env: { ...process.env, ...env } });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (text) => {
      stdout += text;
    });
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    child.on("close", (code) => done({ code, stdout, stderr }));
  });
}

export const tinyModel = resolve(import.meta.dirname, "../fixtures/llama-tiny");

/** Runs a related method's notebook with the tiny profile and the tiny model, in a run's folder. */
export const runTinyMethod = (name: string, dir: string) =>
  erpo(["methods", "run", name, "--profile", "tiny", "--model", tinyModel, "--run", dir]);
