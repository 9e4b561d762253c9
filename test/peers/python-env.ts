import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "../../src/setup/paths.js";

const PACKAGES = [
  "accelerate==1.15.0",
  "datasets==5.2.0",
  "numpy==2.4.6",
  "peft==0.21.2",
  "safetensors==0.8.0",
  "transformers==5.24.0",
  "trl==1.16.0",
];
/** Without its CUDA libraries, 3 GB that a computer without NVIDIA's GPUs does not load; what it needs else is named here. */
const TORCH = ["torch==2.15.0"];
const TORCH_NEEDS = ["filelock", "fsspec", "jinja2", "networkx", "sympy", "typing_extensions"];

const folder = join(cacheDir(), "peers-env");
const marker = join(
  folder,
  `ready-${createHash("sha256")
    .update([...TORCH, ...PACKAGES].join())
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
  pip(...TORCH_NEEDS);
  pip("--no-deps", ...TORCH);
  pip(...PACKAGES);
  writeFileSync(marker, "");
}
