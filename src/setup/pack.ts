import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { writeAtomic } from "./atomic.js";
import { execute } from "./execute.js";
import { SetupError, temporaryFolder } from "./files.js";
import { isCheckout, packageRoot } from "./paths.js";

/** What is read of a package.json; the rest is kept. */
interface Manifest {
  name: string;
  version: string;
  dependencies: Record<string, string>;
  files: string[];
  overrides: Record<string, string>;
  bundleDependencies: string[];
  scripts?: object;
  devDependencies?: object;
}

const read = (file: string) => JSON.parse(readFileSync(file, "utf8")) as Manifest;
const write = (file: string, manifest: object) => writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);

/**
 * Packs this checkout into a tarball that `npm install` takes in any folder. Some packages cannot be installed as they are published: danfo
 * depends on what `overrides` replace, and npm takes those from the installing folder only; the addon's install script downloads a library that is
 * not used here. These come bundled (`bundleDependencies`), without scripts; what they depend on becomes a dependency of the tarball itself, overridden, where
 * plain `npm pack` would bundle all of it, half a gigabyte.
 *
 * @param folder where `erpo-VERSION.tgz` goes; made where missing
 * @returns the tarball's path
 * @throws SetupError in one line when this is no checkout or npm cannot pack it
 */
export async function pack(folder: string): Promise<string> {
  const root = packageRoot();
  if (!isCheckout()) throw new SetupError(`${root}: only a checkout can be packed`);
  const { scripts, devDependencies, overrides, ...own } = read(join(root, "package.json"));
  const staging = temporaryFolder("erpo-pack-");
  const filter = (path: string) => !/^(\.|__pycache__$)/.test(basename(path)); // what the tools of a checkout leave behind
  const copy = (path: string) => cpSync(join(root, path), join(staging, path), { recursive: true, filter });
  try {
    for (const path of [...own.files, "README.md", "LICENSE"]) copy(path);
    let dependencies: Record<string, string> = {};
    for (const name of own.bundleDependencies) {
      const path = join("node_modules", name);
      copy(path);
      const { scripts, ...bundled } = read(join(root, path, "package.json"));
      const needed = Object.fromEntries(Object.entries(bundled.dependencies).map(([name, range]) => [name, overrides[name] ?? range]));
      write(join(staging, path, "package.json"), { ...bundled, dependencies: needed, gypfile: false });
      dependencies = { ...dependencies, ...needed };
    }
    dependencies = { ...dependencies, ...own.dependencies };
    write(join(staging, "package.json"), { ...own, dependencies });

    const npm = /npm-cli\.[cm]?js$/.test(process.env.npm_execpath ?? "") ? [process.execPath, process.env.npm_execpath!] : ["npm"];
    const words = [...npm.slice(1), "pack", "--loglevel=error", `--pack-destination=${staging}`, staging];
    const { code, output } = await execute(npm[0]!, words);
    if (code !== 0) throw new SetupError(`npm pack failed: ${output.trim().split("\n")[0]}`);
    const tarball = `${own.name}-${own.version}.tgz`;
    writeAtomic(join(folder, tarball), [readFileSync(join(staging, tarball))]);
    return join(folder, tarball);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}
