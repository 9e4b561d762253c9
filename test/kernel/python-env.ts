import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheDir, packageRoot } from "../../src/setup/paths.js";
import { failure, lackOf, tried } from "../programs.js";

const PACKAGES = [
  "anywidget==0.11.0",
  "ipykernel==7.4.0",
  "ipywidgets==8.1.9",
  "jupyter_client==8.10.0",
  "jupyter_kernel_test==0.7.0",
  "jupyterlab==4.6.6",
  "jupytext==1.19.6",
  "nbclient==0.11.0",
  "nbformat==5.11.1",
  "nbgrader==0.9.6",
  "notebook==7.6.5",
  "papermill==2.7.0",
  "setuptools==80.9.0",
];

const translator = join(packageRoot(), "kernel", "papermill");
const folder = join(cacheDir(), "python-test-env");
const python = join(folder, "bin", "python");
const digest = createHash("sha256")
  .update(PACKAGES.join())
  .update(readFileSync(join(translator, "erpo_papermill.py")))
  .digest("hex");
const marker = join(folder, `ready-${digest.slice(0, 16)}`);

/** What keeps the clients that tests drive the kernel with from being there; undefined where their Python loads them. */
export const clientsLack = (): string | undefined =>
  lackOf("Python's Jupyter clients", "ERPO_REQUIRE_ALL=1 installs them", () => {
    if (!existsSync(marker)) return "they are not installed";
    const script = "import ipykernel, jupyter_client, jupytext, nbclient, nbformat, papermill; print(6 * 7)";
    return tried(python, ["-c", script], {}, (outcome) => (outcome.stdout?.trim() === "42" ? undefined : failure(outcome)));
  });

/** That Python, outside of the repository; undefined where it does not work, unless `ERPO_REQUIRE_ALL=1`. */
export const testPython = (): string | undefined => (clientsLack() ? undefined : python);

/** Makes that Python, with papermill's translator installed as a user would. */
export function makeTestPython(): void {
  if (existsSync(marker)) return;
  const run = (command: string, ...words: string[]) => execFileSync(command, words, { stdio: "inherit" });
  const pip = (...words: string[]) => run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...words);
  run("python3", "-m", "venv", "--clear", folder);
  pip(...PACKAGES);
  const copy = mkdtempSync(join(tmpdir(), "erpo-papermill-")); // a build writes into its source folder
  cpSync(translator, copy, { recursive: true });
  pip("--no-build-isolation", "--no-deps", copy);
  rmSync(copy, { recursive: true });
  writeFileSync(marker, "");
}
