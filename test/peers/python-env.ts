import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "../../src/setup/paths.js";

/** PyTorch's wheel brings 3 GB of CUDA libraries, which it does not load without. */
const PACKAGES = [
  "accelerate==1.15.0",
  "datasets==5.2.0",
  "numpy==2.4.6",
  "peft==0.21.2",
  "safetensors==0.8.0",
  "torch==2.15.0",
  "transformers==5.24.0",
  "trl==1.16.0",
];

const folder = join(cacheDir(), "peers-env");
const marker = join(folder, `ready-${createHash("sha256").update(PACKAGES.join()).digest("hex").slice(0, 16)}`);

/** A program of the peers' Python, such as `torchrun`. */
export const peer = (program: string): string => join(folder, "bin", program);

/** Makes that Python where the cache lacks it. */
export default function setup(): void {
  if (existsSync(marker)) return;
  execFileSync("python3", ["-m", "venv", "--clear", folder], { stdio: "inherit" });
  const words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PACKAGES];
  execFileSync(peer("python"), words, { stdio: "inherit" });
  writeFileSync(marker, "");
}
