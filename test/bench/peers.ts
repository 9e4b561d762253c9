import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDir, packageRoot } from "../../src/setup/paths.js";
import makePeers, { peer } from "../peers/python-env.js";

export const ROUNDS = 3;

/** SmolLM2 as a folder that transformers loads, made once a cache. */
export function modelFolder(): string {
  const folder = join(cacheDir(), "bench-model");
  if (!existsSync(join(folder, "config.json"))) {
    const erpo = join(packageRoot(), "src", "setup", "bootstrap.mjs");
    execFileSync(process.execPath, [erpo, "export", "safetensors", "--model", "smollm2-135m-instruct", "--output", folder]);
  }
  return folder;
}

/** What a script prints as its last line: ours with Node, a peer's with Python. */
export function measure<T>(script: string, ...words: (string | number)[]): T {
  if (script.endsWith(".py")) makePeers();
  const program = script.endsWith(".py") ? peer("python") : process.execPath;
  const path = fileURLToPath(new URL(script, import.meta.url));
  const output = execFileSync(program, [path, ...words.map(String)], { encoding: "utf8", stdio: "pipe", maxBuffer: 1e8 });
  return JSON.parse(output.trim().split("\n").at(-1)!) as T;
}
