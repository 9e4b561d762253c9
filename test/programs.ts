import { spawnSync } from "node:child_process";

/** Whether a program is installed. False where it is not, unless `ERPO_REQUIRE_ALL=1`, under which the tests that need it fail. */
export function hasProgram(name: string, debianPackage: string): boolean {
  const found = spawnSync(name, ["-v"], { stdio: "ignore" }).error === undefined;
  if (!found && process.env.ERPO_REQUIRE_ALL === "1") throw new Error(`tests need ${name}: apt-get install ${debianPackage}`);
  return found;
}
