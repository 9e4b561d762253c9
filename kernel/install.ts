import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { capability } from "zeromq";
import { makeFolders } from "../src/setup/folders.js";
import { home, packageRoot } from "../src/setup/paths.js";

/** A kernelspec cannot be written, found or removed where it was asked for. */
export class InstallError extends Error {
  override name = "InstallError";
}

/** Where kernelspecs go: a prefix (`DIR/share/jupyter`), the user's own folder, or the prefix of the Python on the PATH. */
export type Place = { prefix: string } | "user" | "sys-prefix";

const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="8" fill="#2b6cb0"/><path d="M14 20h16M22 20v26" stroke="#fff" stroke-width="5" fill="none"/><path d="M52 24q-3-5-9-4.500t-6 6.500 8 7.500 8 7-7 6.500-11-5" stroke="#fff" stroke-width="5" fill="none"/></svg>
`;

/** Jupyter's data folder of a place. */
export function dataFolder(place: Place): string {
  if (place === "user") {
    if (process.env.JUPYTER_DATA_DIR) return process.env.JUPYTER_DATA_DIR;
    if (process.platform === "darwin") return join(home(), "Library", "Jupyter");
    if (process.platform === "win32") return join(process.env.APPDATA || home(), "jupyter");
    return join(process.env.XDG_DATA_HOME || join(home(), ".local", "share"), "jupyter");
  }
  if (place !== "sys-prefix") return join(place.prefix, "share", "jupyter");
  for (const python of ["python3", "python"]) {
    const { stdout } = spawnSync(python, ["-c", "import sys; print(sys.prefix)"], { encoding: "utf8" });
    if (stdout?.trim()) return join(stdout.trim(), "share", "jupyter");
  }
  throw new InstallError("--sys-prefix: no Python is on the PATH; use --user or --prefix DIR");
}

/** The kernelspec: absolute paths, so that it works from any folder and with any PATH. */
export function kernelspec(displayName = "TypeScript (ERPO)"): Record<string, unknown> {
  const main = join(packageRoot(), "dist", "kernel", "main.js");
  return {
    argv: [process.execPath, "--no-force-async-hooks-checks", main, "{connection_file}"],
    display_name: displayName,
    language: "typescript",
    interrupt_mode: "message",
    metadata: { debugger: true, supported_encryption: capability.curve ? ["curve"] : [] },
  };
}

/**
 * A kernel's folder in a place.
 * @throws InstallError where the name is none, such as one that leads out of the kernels' folder
 */
function kernelFolder(place: Place, name: string): string {
  if (!isKernelName(name)) throw new InstallError(`${JSON.stringify(name)}: ${kernelNameRule}`);
  return join(dataFolder(place), "kernels", name);
}

/** Whether a name is one of a kernel's folder, and of nothing above or below it. */
export const isKernelName = (name: string): boolean => /^[a-z0-9_][a-z0-9._-]*$/i.test(name);

/** What `isKernelName` asks for. */
export const kernelNameRule = 'a kernel\'s name has letters, digits, ".", "-" and "_" only, and begins with a letter, a digit or "_"';

/**
 * Writes the kernelspec, and sees to it that the first start of a kernel is as fast as later ones.
 * @param name the folder's name, which notebooks refer to: `erpo`, or `tslab` to run tslab's notebooks
 * @returns the folder written
 * @throws InstallError in one line when the name is none or the folder cannot be written
 */
export function install(place: Place, name = "erpo"): string {
  const folder = kernelFolder(place, name);
  try {
    makeFolders(folder);
    const spec = kernelspec(name === "erpo" ? undefined : `TypeScript (ERPO as ${name})`);
    writeFileSync(join(folder, "logo-svg.svg"), LOGO);
    const beside = join(folder, `.kernel.json.${process.pid}.tmp`);
    try {
      writeFileSync(beside, `${JSON.stringify(spec, null, 2)}\n`);
      renameSync(beside, join(folder, "kernel.json")); // last and whole: without it the folder is no kernel
    } finally {
      rmSync(beside, { force: true });
    }
  } catch (error) {
    throw new InstallError(
      `${folder}: cannot be written (${(error as NodeJS.ErrnoException).code}); choose another with --prefix DIR or --user`,
    );
  }
  spawnSync(process.execPath, [join(packageRoot(), "dist", "kernel", "language", "warm.js")], { cwd: packageRoot(), stdio: "ignore" });
  return folder;
}

/**
 * Removes a kernelspec that `install` has written.
 * @throws InstallError when the name is none, or there is no such kernel, or another program's
 */
export function uninstall(place: Place, name = "erpo"): string {
  const folder = kernelFolder(place, name);
  if (!existsSync(folder)) throw new InstallError(`${folder}: no such kernel`);
  if (!isOurs(folder)) throw new InstallError(`${folder}: belongs to another kernel and is left alone`);
  try {
    rmSync(folder, { recursive: true });
  } catch (error) {
    throw new InstallError(`${folder}: cannot be removed (${(error as NodeJS.ErrnoException).code})`);
  }
  return folder;
}

/** An installed kernel. */
export interface Installed {
  name: string;
  displayName: string;
  folder: string;
}

/** All kernels that Jupyter would find: `JUPYTER_PATH`, the user's, the Python prefix's, the system's. */
export function listKernels(prefix?: string): Installed[] {
  const folders = [
    ...(prefix ? [dataFolder({ prefix })] : []),
    ...(process.env.JUPYTER_PATH ?? "").split(delimiter).filter(Boolean),
    dataFolder("user"),
    ...pythonFolder(),
    "/usr/local/share/jupyter",
    "/usr/share/jupyter",
  ];
  const found = new Map<string, Installed>();
  for (const base of new Set(folders)) {
    for (const name of entries(join(base, "kernels"))) {
      const folder = join(base, "kernels", name);
      const spec = readSpec(folder);
      if (spec && !found.has(name)) found.set(name, { name, displayName: String(spec.display_name ?? name), folder });
    }
  }
  return [...found.values()];
}

function pythonFolder(): string[] {
  try {
    return [dataFolder("sys-prefix")];
  } catch {
    return [];
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function readSpec(folder: string): { display_name?: string; argv?: string[] } | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, "kernel.json"), "utf8"));
  } catch {
    return undefined;
  }
}

const isOurs = (folder: string) =>
  readSpec(folder)?.argv?.some((arg) => arg.endsWith(join("kernel", "main.js")) && dirname(arg) !== ".") ?? false;
