import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../src/setup/paths.js";
import { codeSha256, fileSha256 } from "./digests.js";

/** The software and machine that something was made with. */
export interface Environment {
  erpo: string;
  node: string;
  v8: string;
  platform: string;
  cpu: string;
  /** Commit of erpo's checkout; absent in an installed package. */
  commit?: string;
  /** True when tracked files differ from the commit. */
  dirty?: boolean;
  /** Of the files in src, kernel and reports as they were, committed or not. Absent in records of before. */
  code_sha256?: string;
  /** Of package-lock.json. */
  lockfile_sha256?: string;
}

let known: Environment | undefined;

/** Reads the environment once a process. */
export function environment(): Environment {
  known ??= readEnvironment(packageRoot());
  return known;
}

function readEnvironment(root: string): Environment {
  const git = (...args: string[]): string | undefined => {
    const { status, stdout } = spawnSync("git", ["-C", root, ...args], { encoding: "utf8" });
    return status === 0 ? stdout.trim() : undefined;
  };
  const ownCheckout = existsSync(join(root, ".git"));
  const commit = ownCheckout ? git("rev-parse", "HEAD") : undefined;
  const status = commit === undefined ? undefined : git("status", "--porcelain", "--untracked-files=no");
  const lockfile = fileSha256(join(root, "package-lock.json"));
  return {
    erpo: erpoVersion(),
    node: process.version,
    v8: process.versions.v8,
    platform: `${process.platform}-${process.arch}`,
    cpu: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores`,
    ...(commit !== undefined && { commit }),
    ...(status !== undefined && { dirty: status !== "" }),
    code_sha256: codeSha256(root, ["src", "kernel", "reports"]),
    ...(lockfile !== undefined && { lockfile_sha256: lockfile }),
  };
}

/** The version of this package. */
export const erpoVersion = (): string => JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")).version;
