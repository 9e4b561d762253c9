import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../src/setup/paths.js";

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
  const lockfile = join(root, "package-lock.json");
  return {
    erpo: JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version,
    node: process.version,
    v8: process.versions.v8,
    platform: `${process.platform}-${process.arch}`,
    cpu: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores`,
    ...(commit !== undefined && { commit }),
    ...(status !== undefined && { dirty: status !== "" }),
    ...(existsSync(lockfile) && { lockfile_sha256: sha256(readFileSync(lockfile)) }),
  };
}

/** Hexadecimal SHA-256. */
export const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");
