import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir, packageRoot } from "../../../src/setup/paths.js";

const PACKAGES = ["ipykernel==7.4.0", "ipywidgets==8.1.9", "xeus-python==0.19.0"];
const DENO = "deno@2.9.6";

const folder = join(cacheDir(), "kernel-peers-env");
const python = join(folder, "bin", "python");
const modules = join(folder, "deno", "node_modules");
const digest = createHash("sha256").update([...PACKAGES, DENO].join());
const marker = join(folder, `ready-${digest.digest("hex").slice(0, 16)}`);

/** Makes a Python with the kernels that pip has, and a folder with Deno from npm, outside of the repository (250 MB). */
export default function setup(): void {
  if (existsSync(marker)) return;
  const run = (program: string, ...words: string[]) => execFileSync(program, words, { stdio: "inherit" });
  run("python3", "-m", "venv", "--clear", folder);
  run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PACKAGES);
  run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", join(folder, "deno"), DENO);
  writeFileSync(marker, "");
}

/** A kernel that the cases are tried on. */
export interface KernelUnderTest {
  name: "erpo" | "ipykernel" | "xeus-python" | "deno" | "tslab";
  version: string;
  language: "python" | "typescript";
  /** The words that start it, `{connection_file}` among them. */
  words: string[];
  env?: Record<string, string>;
  /** How its kernelspec says that it wants to be interrupted. */
  interrupt: "message" | "signal";
}

const pinned = (name: string) => PACKAGES.find((entry) => entry.startsWith(`${name}==`))!.split("==")[1]!;
const node = (...words: string[]) => [process.execPath, ...words];

/** The kernels; each is started as its own kernelspec starts it. Call it when `setup` has run. */
export function kernelsUnderTest(): KernelUnderTest[] {
  const platform = readdirSync(join(modules, "@deno"))[0]!;
  const deno = join(modules, "@deno", platform, "deno");
  const tslab = join(packageRoot(), "node_modules", "tslab", "bin", "tslab");
  const main = join(packageRoot(), "dist", "kernel", "main.js");
  return [
    {
      name: "erpo",
      version: "0.1.0",
      language: "typescript",
      words: node("--no-force-async-hooks-checks", main, "{connection_file}"),
      interrupt: "message",
    },
    {
      name: "ipykernel",
      version: pinned("ipykernel"),
      language: "python",
      words: [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
      interrupt: "signal",
    },
    {
      name: "xeus-python",
      version: pinned("xeus-python"),
      language: "python",
      words: [python, "-m", "xpython_launcher", "-f", "{connection_file}"],
      interrupt: "signal",
    },
    {
      name: "deno",
      version: DENO.split("@")[1]!,
      language: "typescript",
      words: [deno, "jupyter", "--kernel", "--conn", "{connection_file}"],
      env: { DENO_DIR: join(folder, "deno", "cache"), DENO_NO_UPDATE_CHECK: "1" },
      interrupt: "signal",
    },
    {
      name: "tslab",
      version: "1.0.22",
      language: "typescript",
      words: node(tslab, "kernel", "--config-path", "{connection_file}"),
      interrupt: "signal",
    },
  ];
}
