import { existsSync, readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that holds erpo's package.json, whether this file runs from `src/` or from `dist/src/`. */
export function packageRoot(): string {
  for (let dir = dirname(fileURLToPath(import.meta.url)); dir !== dirname(dir); dir = dirname(dir)) {
    const file = join(dir, "package.json");
    if (existsSync(file) && JSON.parse(readFileSync(file, "utf8")).name === "erpo") return dir;
  }
  throw new Error(`erpo's package.json is in no folder above ${fileURLToPath(import.meta.url)}: reinstall the package`);
}

/** True where this package is a checkout; false where npm has installed it from a tarball. */
export const isCheckout = (): boolean => existsSync(join(packageRoot(), "package-lock.json"));

/** True in what was unpacked from an archive of `erpo setup --bundle`. */
export const isBundle = (): boolean => existsSync(join(packageRoot(), "bundle.json"));

/** How a reader calls `erpo` here, as words of a shell. */
export function erpoCommand(): string {
  if (isBundle()) return process.platform === "win32" ? ".\\erpo" : "./erpo";
  return isCheckout() ? "npm run erpo --" : "npx erpo";
}

/** The command that runs the main job here. */
export const startCommand = (): string => (isCheckout() && !isBundle() ? "npm start" : `${erpoCommand()} start`);

/** The user's home. A user that the machine has no entry for, as in some containers, has a folder of temporary files instead. */
export function home(): string {
  try {
    return homedir();
  } catch {
    return join(tmpdir(), `home-${process.getuid?.() ?? "user"}`);
  }
}

/**
 * Where the kernel keeps what was typed: `$ERPO_HISTORY`, else `$XDG_STATE_HOME/erpo/history`, else `~/.local/state/erpo/history`. Undefined
 * where `ERPO_HISTORY` is empty: then nothing is kept.
 */
export function historyDir(): string | undefined {
  if (process.env.ERPO_HISTORY !== undefined) return process.env.ERPO_HISTORY || undefined;
  return join(process.env.XDG_STATE_HOME || join(home(), ".local", "state"), "erpo", "history");
}

/** Where downloads and builds are kept between checkouts: `$ERPO_CACHE`, else in a bundle its own, else `$XDG_CACHE_HOME/erpo`, else `~/.cache/erpo`. */
export function cacheDir(): string {
  if (process.env.ERPO_CACHE) return process.env.ERPO_CACHE;
  return isBundle() ? join(packageRoot(), "cache") : join(process.env.XDG_CACHE_HOME || join(home(), ".cache"), "erpo");
}
