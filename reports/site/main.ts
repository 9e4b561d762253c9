import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "../../src/setup/paths.js";
import { reason } from "../reason.js";
import { newestRun } from "./pages.js";
import { buildSite } from "./site.js";

/** `npm run docs -- [--run DIR] [--output DIR]`: the library's pages by typedoc, then the site. Exits with 1 where a link is dead or a page cannot be made. */
const { values } = parseArgs({ options: { run: { type: "string" }, output: { type: "string" } } });
const root = packageRoot();
const run = values.run === undefined ? newestRun(join(root, "runs")) : resolve(values.run);
const output = resolve(values.output ?? join(root, "docs-out"));
const api = mkdtempSync(join(tmpdir(), "erpo-api-"));
try {
  const typedoc = spawnSync(
    process.execPath,
    [join(root, "node_modules", "typedoc", "bin", "typedoc"), "--out", api, "--logLevel", "Warn"],
    {
      cwd: root,
      stdio: "inherit",
    },
  );
  if (typedoc.status !== 0) process.exitCode = 1;
  else {
    const { pages, executed, failures } = await buildSite({ root, output, run, api });
    const shown =
      run === undefined
        ? "no run was found, so that no notebook has outputs"
        : `${executed} notebooks with the outputs of ${relative(root, run)}`;
    process.stdout.write(`${join(output, "index.html")}: ${pages.length} pages, ${shown}\n`);
    for (const failure of failures) process.stderr.write(`docs: ${failure}\n`);
    if (failures.length > 0) process.exitCode = 1;
  }
} catch (error) {
  process.stderr.write(`docs: ${reason(error)}\n`);
  process.exitCode = 1;
} finally {
  rmSync(api, { recursive: true, force: true });
}
