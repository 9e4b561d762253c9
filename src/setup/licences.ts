import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Log, makeFolder } from "./files.js";
import { cacheDir } from "./paths.js";
import { downloadWheel, extractWheel } from "./pip.js";
import type { PinnedWheel } from "./wheels.js";

/**
 * The folder with a Python wheel's licence texts and METADATA. They are kept in the cache without the rest of the wheel, which is fetched for them once.
 * @throws SetupError when the download fails
 */
export async function wheelLicences(wheel: PinnedWheel, log: Log): Promise<string> {
  const folder = join(cacheDir(), "licences", `${wheel.package}-${wheel.version}`);
  if (existsSync(folder)) return folder;
  log(`fetching ${wheel.package} for its licences`);
  const archive = await downloadWheel(wheel, log);
  makeFolder(dirname(folder));
  const beside = mkdtempSync(`${folder}.tmp-`);
  try {
    const info = `${wheel.package.replaceAll("-", "_")}-${wheel.version}.dist-info`;
    const texts = ["METADATA", "licenses/", "LICENSE"].map((name) => `${info}/${name}`);
    await extractWheel(archive, [...texts, "tensorflow/THIRD_PARTY_NOTICES.txt", "tensorflow/include/LICENSE"], beside);
    renameSync(beside, folder);
    rmSync(archive);
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
  return folder;
}
