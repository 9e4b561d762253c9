import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "../../src/setup/paths.js";

const PACKAGES = [
  "datasets==5.2.0",
  "numpy==2.4.6",
  "safetensors==0.8.0",
  "transformers==5.24.0",
  ...["filelock", "fsspec", "jinja2", "networkx", "psutil", "sympy", "typing_extensions"], // what those below need
];
/** Without what they depend on: 3 GB of CUDA libraries, which torch does not load where there is no GPU. */
const ALONE = ["torch==2.15.0", "accelerate==1.15.0", "peft==0.21.2", "trl==1.16.0"];

const folder = join(cacheDir(), "peers-env");
const marker = join(
  folder,
  `ready-${createHash("sha256")
    .update([...PACKAGES, ...ALONE].join())
    .digest("hex")
    .slice(0, 16)}`,
);

/** A program of the peers' Python, such as `torchrun`. */
export const peer = (program: string): string => join(folder, "bin", program);

/** Makes that Python, once a cache. */
export default function setup(): void {
  if (existsSync(marker)) return;
  const run = (command: string, ...words: string[]) => execFileSync(command, words, { stdio: "inherit" });
  const pip = (...words: string[]) => run(peer("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...words);
  run("python3", "-m", "venv", "--clear", folder);
  pip(...PACKAGES);
  pip("--no-deps", ...ALONE);
  writeFileSync(marker, "");
}
