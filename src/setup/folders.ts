import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it, one by one: Node's own `recursive` never returns where a file system such as /proc refuses.
 * @returns those that were not there, the innermost one first
 */
export function makeFolders(path: string, mode = 0o777): string[] {
  if (existsSync(path)) return [];
  const above = makeFolders(dirname(path), mode);
  try {
    mkdirSync(path, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // another process was faster
    return above;
  }
  return [path, ...above];
}

/** The paths of all that is below a folder, relative to it, also behind links to folders. @throws as `readSteadily` */
export const pathsBelow = (folder: string): string[] =>
  readSteadily(folder, () => readdirSync(folder, { recursive: true, encoding: "utf8" }));

/**
 * Reads a folder with what is below it, and again where a part of it vanished meanwhile: another process may write there, as training does, which removes checkpoints.
 * @throws what `read` throws where the folder itself is gone, or for another reason
 */
export function readSteadily<T>(folder: string, read: () => T): T {
  for (let again = 100; ; again--) {
    try {
      return read();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || again === 0 || !existsSync(folder)) throw error;
    }
  }
}

/** What to say of a file that the file system did not take: `cannot be written (ENOSPC: no space left on device)`; undefined for other errors, such as an aborted signal's, whose code is a number. */
export function unwritable(error: unknown): string | undefined {
  const { code, message } = error as NodeJS.ErrnoException;
  return typeof code !== "string" ? undefined : `cannot be written (${message.split(",")[0]})`;
}
