import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "../../src/setup/paths.js";

const PACKAGES = ["nbclient==0.11.0", "jupyter_client==8.10.0", "jupyter_kernel_test==0.7.0", "nbformat==5.11.1"];

const folder = join(cacheDir(), "python-test-env");
const python = join(folder, "bin", "python");
const marker = join(folder, "lib", "erpo-ready");

/**
 * The Python with the clients that tests drive the kernel with, outside of the repository. Undefined where it has not been made, unless
 * `ERPO_REQUIRE_ALL=1`: then it is made.
 */
export function testPython(): string | undefined {
  if (existsSync(marker)) return python;
  if (process.env.ERPO_REQUIRE_ALL !== "1") return undefined;
  execFileSync("python3", ["-m", "venv", "--clear", folder], { stdio: "inherit" });
  execFileSync(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PACKAGES], { stdio: "inherit" });
  execFileSync("touch", [marker]);
  return python;
}
